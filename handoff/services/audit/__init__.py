"""The audit trail: who read and changed which customer, in append-only files outside of the store."""
