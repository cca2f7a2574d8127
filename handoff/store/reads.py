"""Read commands that one part of the program builds and another sends together in one round trip."""

from __future__ import annotations

from .resp.commands import Command, Reads
from .resp.packing import Prepared, prepare

__all__ = ["Command", "Prepared", "Reads", "prepare"]
