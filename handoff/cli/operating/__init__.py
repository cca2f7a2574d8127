"""The operator's commands: `handoff sources`, `quarantine`, `deliveries`, `status`, and `show-config`."""
