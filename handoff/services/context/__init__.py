"""The context that the next party receives: assembly, completeness, and cache validation."""
