"""`/v1/touchpoints`: recording in the native format, and reading one touchpoint."""
