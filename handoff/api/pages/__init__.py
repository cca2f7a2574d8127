"""Web pages: the API reference and the agents' panel."""
