"""Masking of data that must never be stored: card numbers, card codes, track data, tenants' patterns."""
