"""Signals: what the rules need to know of one touchpoint, and nothing more."""

from .extract import MOVING, SENT, extract, signal_of
from .signal import NOTHING, Acts, NamedReference, Signal, Speaker
from .speaker import automatic

__all__ = [
    "MOVING",
    "NOTHING",
    "SENT",
    "Acts",
    "NamedReference",
    "Signal",
    "Speaker",
    "automatic",
    "extract",
    "signal_of",
]
