"""Noise rules: what a source's `ignore` leaves out, counted under the name of the rule."""

from __future__ import annotations

import re
from collections.abc import Sequence

from handoff.domain.errors import ConfigurationError
from handoff.domain.text.urls import split_url
from handoff_adapters.shared.fields import mapping, text

from .event import TrackedEvent
from .names import NameTable, matches

_UNPLAIN = re.compile(r"[\W_]+")


class NoiseRules:
    """The rules of one source. ConfigurationError for an empty one.

    One with a leading `/` is the path of pages and screens, any other the name of tracked events.
    """

    def __init__(self, ignore: Sequence[str]) -> None:
        if not all(map(str.strip, ignore)):
            raise ConfigurationError("`ignore` has an empty rule: write the name of an event, or a path")
        self._events = NameTable({it: _count_name("event", it) for it in ignore if not it.startswith("/")})
        paths = [it for it in ignore if it.startswith("/")]
        self._paths = tuple((it.rstrip("/") or "/", _count_name("page", it)) for it in paths)
        self.any = bool(ignore)

    def rule(self, event: TrackedEvent) -> str | None:
        """The name under which an event is counted as ignored; None if no rule applies."""
        if event.call == "track":
            name = text(event.item.get("event"))
            return self._events.get(name) if name else None
        if event.call not in ("page", "screen") or not self._paths:
            return None
        path = page_path(event)
        if path is None:
            return None
        path = path.rstrip("/") or "/"
        return next((name for pattern, name in self._paths if matches(pattern, path)), None)


def page_path(event: TrackedEvent) -> str | None:
    """The path of the page that an event is about."""
    page = mapping(event.context.get("page"))
    for place in (event.properties, page):
        if stated := text(place.get("path")):
            return stated
    for place in (event.properties, page):
        if path := path_of(text(place.get("url"))):
            return path
    return None


def path_of(url: str | None) -> str | None:
    if url is None:
        return None
    parts = split_url(url)
    return parts.path or None if parts else None


def _count_name(kind: str, rule: str) -> str:
    """A metric's label allows letters, digits, `.` and `_`."""
    return f"{kind}.{_UNPLAIN.sub('_', rule).strip('_').lower() or 'any'}"
