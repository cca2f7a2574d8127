"""Transfers, call backs, and mails that were announced, and whether they followed."""
