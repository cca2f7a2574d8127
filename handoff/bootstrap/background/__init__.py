"""What a server process does beside requests."""
