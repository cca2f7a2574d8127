"""Callbacks: promised calls and their life cycle."""
