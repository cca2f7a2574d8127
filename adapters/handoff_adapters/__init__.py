"""Channel adapters: one folder a channel, one module a vendor."""
