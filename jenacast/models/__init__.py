"""What a network is: architectures, checkpoints, inference, intervals."""
