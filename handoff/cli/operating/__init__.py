"""The operator's commands: `sources`, `quarantine`, `webhooks`, `deliveries`, `status`, and `show-config`."""
