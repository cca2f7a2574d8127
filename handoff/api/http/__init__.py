"""HTTP: requests, responses, access, problem documents, compression, and the fast path."""
