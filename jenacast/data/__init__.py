"""The series: fetched, read, cleaned, audited, prepared, and where its windows lie."""

from typing import Literal

Protocol = Literal["strict", "book"]  # how windows are found: by time, or by row position as published
SAME_AS_NOW = "the same as now"  # what persistence is called wherever people read it
SYNTHETIC_WARNING = "SYNTHETIC SERIES, not Jena"
