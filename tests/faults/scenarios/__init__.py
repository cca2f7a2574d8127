"""The scenarios of `make faults`."""
