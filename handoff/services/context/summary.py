"""An optional summariser plug-in: its summary is added to the brief, labelled as machine-made.

There is none by default. It receives the touchpoints and the brief that the rules wrote, with the numbers
masked that readers of the tenant get masked: it may send its input to a model elsewhere. If it fails, hangs
or returns nonsense, the context is still returned, without a summary. Snapshots never contain the summary:
they hold only the output of the rules, which anyone can check.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any

import msgspec
import structlog

from handoff.domain.brief import Brief, Summary, TimelineItem
from handoff.domain.errors import ConfigurationError

ENTRY_POINTS = "handoff.summarisers"
"""The entry-point group in which another package names one callable `(touchpoints, brief) -> str`."""

Summarise = Callable[[Sequence[TimelineItem], Brief], str]
Mask = Callable[[Any], Any]
"""Masks a value of JSON's types; the same object if there is nothing to mask."""
TIMEOUT_S = 2.0  # an agent who is about to greet the customer waits for the context
MAX_AT_ONCE = 4  # threads it may hold, including abandoned ones
MAX_SUMMARY = 2_000  # characters; more cannot be read in ten seconds

log = structlog.get_logger(__name__)


class Summariser:
    """Runs one summarising function in its own threads, with limits on time and number."""

    def __init__(self, name: str, function: Summarise, *, timeout_s: float = TIMEOUT_S) -> None:
        self.name = name
        self._function = function
        self._timeout_s = timeout_s
        self._running = 0

    async def add(self, touchpoints: Sequence[TimelineItem], brief: Brief, mask: Mask | None = None) -> Brief:
        """The brief with its summary, or unchanged if there is none in time."""
        if self._running >= MAX_AT_ONCE:
            log.warning("summary_skipped", summariser=self.name, why="busy")
            return brief
        try:
            async with asyncio.timeout(self._timeout_s):
                text = await self._in_thread(touchpoints, brief, mask)
        except TimeoutError:
            log.warning("summary_skipped", summariser=self.name, why="timeout")
            return brief
        except Exception as error:  # another package's code: no exception of it may pass
            log.warning("summary_skipped", summariser=self.name, why=type(error).__name__)
            return brief
        if not isinstance(text, str) or not text.strip():
            return brief
        plain = text.strip()
        shown = plain if len(plain) <= MAX_SUMMARY else plain[: MAX_SUMMARY - 1] + "…"
        return msgspec.structs.replace(brief, summary=Summary(text=shown, by=self.name))

    async def _in_thread(self, touchpoints: Sequence[TimelineItem], brief: Brief, mask: Mask | None) -> Any:
        """Runs in its own daemon thread: one that hangs neither fills the shared pool nor delays shutdown."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def settle(result: object, error: Exception | None) -> None:
            self._running -= 1
            if answered.done():
                return
            if error is not None:
                answered.set_exception(error)
            else:
                answered.set_result(result)

        def work() -> None:
            result, failed = None, None
            try:
                given = _masked(touchpoints, brief, mask) if mask else (touchpoints, brief)
                result = self._function(*given)
            except Exception as error:  # raised in the waiting coroutine
                failed = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, failed)

        self._running += 1
        threading.Thread(target=work, name="summariser", daemon=True).start()
        return await answered


def _masked(
    touchpoints: Sequence[TimelineItem], brief: Brief, mask: Mask
) -> tuple[list[TimelineItem], Brief]:
    """The input with the mask applied. Identities stay, as in every answer."""
    written = mask(msgspec.to_builtins(brief))
    return [_masked_item(it, mask) for it in touchpoints], msgspec.convert(written, Brief)


def _masked_item(item: TimelineItem, mask: Mask) -> TimelineItem:
    texts = {
        "subject": item.subject,
        "text": item.text,
        "name": item.name,
        "data": item.data,
        "traits": item.traits,
        "attachments": item.attachments,
    }
    shown = mask(texts)
    if shown is texts:
        return item
    shown["attachments"] = tuple(shown["attachments"])
    return msgspec.structs.replace(item, **shown, made=None)  # what was made is of the stored texts


def load_summariser() -> Summariser | None:
    """The summariser that an installed package declares, or None.

    Raises ConfigurationError if it cannot be loaded or several are installed: the choice must not depend on
    their order.
    """
    found = list(entry_points(group=ENTRY_POINTS))
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(sorted(it.name for it in found))
        raise ConfigurationError(f"several summarisers are installed, keep one: {names}")
    (entry,) = found
    try:
        function = entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"the summariser {entry.value} cannot be loaded: {error}") from error
    if not callable(function):
        raise ConfigurationError(f"the summariser {entry.value} is not callable")
    return Summariser(entry.name, function)
