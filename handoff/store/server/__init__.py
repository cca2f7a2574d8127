"""The store's server: the embedded Valkey, the proof of durability, and memory use."""
