"""Text from outside: cleaning, URLs, and a cache for short strings."""
