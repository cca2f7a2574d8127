"""Continuity codes: issuing, recognising, listing, and undoing them."""
