"""Admission: what one caller may take before its request is read, and while it is stored."""
