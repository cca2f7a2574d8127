"""Retention: what was kept as long as the configuration says is deleted, and does not come back."""
