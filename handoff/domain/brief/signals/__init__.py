"""Signals: what the rules need to know of one touchpoint, and nothing more."""

from .extract import extract
from .signal import NOTHING, Act, Reference, Signal, Speaker

__all__ = ["NOTHING", "Act", "Reference", "Signal", "Speaker", "extract"]
