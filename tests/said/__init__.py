"""Labelled sentences of agents, bots and customers."""
