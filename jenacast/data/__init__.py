"""The series: fetched, read, cleaned, audited, prepared, and where its windows lie."""
