"""The domain model: pure values and rules, without input or output."""
