"""Deletion of what was kept long enough: horizons, the scan of all identities, and the deletion itself."""
