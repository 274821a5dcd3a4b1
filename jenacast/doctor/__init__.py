"""What this machine lacks, and how fast it is."""
