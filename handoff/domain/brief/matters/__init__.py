"""Matters: what a customer wants settled, however many conversations and channels it takes."""

from .folded import Folded
from .folding import taking_all
from .matter import Ask, Matter, MatterState

__all__ = ["Ask", "Folded", "Matter", "MatterState", "taking_all"]
