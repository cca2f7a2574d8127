"""The operator's resources: sources, quarantine, the state of the server, and its configuration."""
