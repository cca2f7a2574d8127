"""The adapter contract: what a module for one vendor's format implements, and signature helpers for it."""
