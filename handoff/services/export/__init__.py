"""Exports: a customer's whole history, and conversations as vCons."""
