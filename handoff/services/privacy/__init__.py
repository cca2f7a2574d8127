"""What a person may demand of a business that keeps their history: erasure, and proof of it."""
