"""What the product does: use-cases as plain async functions over the store."""
