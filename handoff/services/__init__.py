"""The product's use-cases: plain async functions over the store."""
