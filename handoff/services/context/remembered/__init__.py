"""What a look at a customer leaves for the next: in the worker for a minute, in the store for days."""
