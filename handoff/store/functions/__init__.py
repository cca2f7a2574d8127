"""Lua functions, one file per atomic operation, and their loader."""
