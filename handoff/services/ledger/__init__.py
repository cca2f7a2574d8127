"""The ledger of promises and complaints: decisions, entries, alarms, and lists."""
