"""Tomorrow's temperature, from station files."""

RECORD = "record.sqlite"  # in the data folder: what was forecast, and what came
