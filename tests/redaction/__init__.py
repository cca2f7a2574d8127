"""Masking of card numbers: generated disguises, other numbers, and canaries through every way in."""
