"""One mail message: structure, characters, people, quotations, and reports."""
