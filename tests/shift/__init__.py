"""A scripted shift in the panel: agents, two browser tabs each, and everything that goes wrong in a day."""
