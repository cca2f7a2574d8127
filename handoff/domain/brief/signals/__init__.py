"""Signals: what the rules need to know of one touchpoint, and nothing more."""

from .extract import extract
from .signal import Act, Reference, Signal, Speaker

__all__ = ["Act", "Reference", "Signal", "Speaker", "extract"]
