"""Channel adapters: a package per channel, and in it a package per vendor."""
