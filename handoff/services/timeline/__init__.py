"""Touchpoints: recording them and reading them back as timelines."""
