"""The connection to the store: addresses, commands, the wire protocol, and pooling."""
