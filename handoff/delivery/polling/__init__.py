"""Fetches the sources whose vendors send nothing, with cursors, leases, and access tokens."""
