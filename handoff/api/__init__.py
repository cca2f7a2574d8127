"""The HTTP surface: routes, errors and access, over the services."""
