"""The ledger: what we owe to customers, and which complaints are open, by pure rules."""
