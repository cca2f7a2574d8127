"""Omnichannel handoff middleware: one timeline per customer, handed over with the conversation."""

__version__ = "0.1.0"
