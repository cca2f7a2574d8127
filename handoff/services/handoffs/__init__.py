"""Handoffs: requests, transitions, deadlines, listing, and pinned snapshots."""
