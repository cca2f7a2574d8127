"""The machine-readable description of the API: OpenAPI and AsyncAPI."""
