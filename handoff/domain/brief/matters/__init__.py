"""Matters: what a customer wants settled, however many conversations and channels it takes."""

from .folding import Folded, fold
from .matter import Ask, Matter, State

__all__ = ["Ask", "Folded", "Matter", "State", "fold"]
