"""The format number of a store's data, and the check that this release understands it."""

from __future__ import annotations

from handoff import __version__
from handoff.domain.errors import ConfigurationError

FORMAT = 2
"""The highest format that this release reads and writes. A store that names none has format 1.

Format 2 keeps the times of erasures: a release that ignores them would record erased touchpoints again.
"""
SEALED_FORMAT = 2
"""The format from which values may be sealed: releases that do not know it cannot read them."""
LAYOUT, SEALED_LAYOUT = 1, 2
"""Versions of the structures in a store. Releases that check no format refuse a sealed store by this."""
KEY_SET = b"sealing"
"""The field of META that names the keys of a sealed store."""


def require_understood(current: int, understood: int) -> None:
    """ConfigurationError where a store is too new for this code."""
    if current > understood:
        raise ConfigurationError(
            f"the store has format {current}, and this release ({__version__}) understands formats up to "
            f"{understood}: start the release that raised it, or a newer one"
        )
