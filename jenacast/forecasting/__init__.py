"""Tomorrow's temperature, from station files."""

MAX_GAP_HOURS = 3.0  # longer gaps of station files are not interpolated, unless that is asked for
RECORD = "record.sqlite"  # in the data folder: what was forecast, and what came
