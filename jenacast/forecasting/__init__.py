"""Tomorrow's temperature, from station files."""
