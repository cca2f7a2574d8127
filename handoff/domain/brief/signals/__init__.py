"""Signals: what the rules need to know of one touchpoint, and nothing more."""

from .extract import extract
from .signal import NOTHING, Acts, NamedReference, Signal, Speaker

__all__ = ["NOTHING", "Acts", "NamedReference", "Signal", "Speaker", "extract"]
