"""Tasks of a server process beside its requests."""
