"""`handoff import FILE`: a quiet, resumable import of history from NDJSON.

A progress file next to the input records what the server has stored. It names the store, the tenant and a
hash of the content that was sent; a progress file that does not match all three is not used.
"""
