"""The content of each kind of touchpoint, with the types and `data` keys that our adapters write."""
