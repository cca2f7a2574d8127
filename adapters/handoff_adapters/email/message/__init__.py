"""Parsing of one mail message: structure, characters, people, quotes and reports."""
