"""Code that all adapters share: reading untrusted JSON, identities and HTML."""
