"""Customers: lookup by identity, and the evidence that links identities."""
