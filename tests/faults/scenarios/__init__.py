"""What `make faults` plays."""
