"""Pages for people: the API reference and the agent's desktop."""
