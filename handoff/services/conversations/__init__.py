"""Conversations, and the vendor threads they run on."""
