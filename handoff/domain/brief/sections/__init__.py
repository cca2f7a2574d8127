"""The sections of a brief, a module each: matters and touchpoints in, lines out."""
