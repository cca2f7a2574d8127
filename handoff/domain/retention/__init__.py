"""Retention: which touchpoints a tenant keeps, and for how long."""
