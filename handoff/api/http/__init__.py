"""HTTP itself: requests, answers, access, problem documents, compression, and the fast path."""
