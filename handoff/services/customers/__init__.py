"""Customers: look-up by identity, and the evidence that links identities."""
