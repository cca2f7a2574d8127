"""Results of a look at a customer for the next one: in the worker for a minute, in the store for days."""
