"""How values become bytes in the store: versioned, positional msgpack, optionally compressed."""
