"""What each kind of touchpoint holds, in the types and `data` keys that our adapters write."""
