"""A network's errors beside the baseline's."""
