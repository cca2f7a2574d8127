"""Commands for erasures."""
