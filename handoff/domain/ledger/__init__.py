"""The ledger: what we owe to customers, and which complaints are open, as their touchpoints leave it. Pure."""
