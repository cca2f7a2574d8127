"""Machine-readable descriptions of the API: OpenAPI and AsyncAPI."""
