"""`handoff keys …` and `handoff store seal`."""
