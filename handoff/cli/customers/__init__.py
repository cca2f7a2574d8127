"""`handoff context`, `handoffs`, and `customer`."""
