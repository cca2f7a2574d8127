"""Transcribes attachments of messages with plug-ins, and records the texts.

A transcriber is a subscription to messages: it has the queue, leases, retries and dead letters of any
subscription. An attempt fetches each attachment that the table allows, and calls the plug-in. A text has a
fixed event id, so that repeating an attempt records it once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any

import msgspec
import structlog

from handoff.adapter.transcriber import (
    ENTRY_POINTS,
    Media,
    Transcriber,
    TranscriberFactory,
    Transcript,
    UnusableMedia,
)
from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.delivery.schedule import AttemptOutcome
from handoff.delivery.sender import Sender
from handoff.delivery.settings import TranscriberSettings
from handoff.domain.errors import ConfigurationError, HandoffError, NotFound
from handoff.domain.identity import Assurance, Handle, parse_identity
from handoff.domain.text.derived import DERIVED
from handoff.domain.touchpoint import MAX_TEXT, Direction, Touchpoint, Visibility
from handoff.services.customers.consents import read_consents
from handoff.services.customers.customer import by_key
from handoff.services.events.publishing import StoredEvent
from handoff.services.timeline.recording import record
from handoff.services.webhooks.subscriptions import Subscription
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store

from .media import AttemptFailed, MessageWithMedia, failed_for_good, fetch_media, is_wanted

MAX_ATTACHMENTS = 5  # of one message
MAX_AT_ONCE = 4  # threads of one worker, including those that were given up

log = structlog.get_logger(__name__)


def load_plugins(names: Iterable[str]) -> dict[str, TranscriberFactory]:
    """The factories with these names. ConfigurationError if one is missing or cannot be loaded."""
    wanted, found = set(names), dict[str, TranscriberFactory]()
    if not wanted:
        return found
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name in wanted:
            try:
                found[entry.name] = entry.load()
            except (ImportError, AttributeError) as error:
                raise ConfigurationError(
                    f"the transcriber {entry.value} cannot be loaded: {error}"
                ) from error
    if missing := sorted(wanted - found.keys()):
        raise ConfigurationError(f"no installed package has the transcriber {', '.join(missing)}")
    return found


class Transcribers:
    """The transcribers of the configuration, by tenant and name."""

    def __init__(
        self,
        rules: Iterable[TranscriberSettings] = (),
        plugins: Mapping[str, TranscriberFactory] | None = None,
    ) -> None:
        every = list(rules)
        known = load_plugins(it.plugin for it in every) if plugins is None else plugins
        self._found: dict[tuple[str, str], tuple[TranscriberSettings, Transcriber]] = {
            (it.tenant, it.name): (it, known[it.plugin](it.options)) for it in every
        }
        self._running = 0

    async def attempt(
        self, store: Store, sender: Sender, event: StoredEvent, subscription: Subscription, name: str
    ) -> AttemptOutcome:
        """Make one attempt at the attachments of a message. One without any is `skipped`."""
        started, found = time.perf_counter(), self._found.get((subscription.tenant, name))
        if found is None:
            return AttemptOutcome(error="not_configured", latency_s=0.0)
        rules, transcriber = found
        message = msgspec.json.decode(event.data, type=MessageWithMedia)
        wanted = [it for it in enumerate(message.attachments) if is_wanted(rules, it[1])][:MAX_ATTACHMENTS]
        if not wanted:
            return AttemptOutcome(latency_s=0.0, skipped="no_media")
        try:
            home, _id = store.hashes(subscription.tenant).private(TOUCHPOINT, message.id, 2)
            if not await _may_transcribe(store, subscription.tenant, home, rules):
                return AttemptOutcome(latency_s=0.0, skipped="no_consent")
        except NotFound:  # erased
            return AttemptOutcome(latency_s=0.0, skipped="erased")
        texts, given_up = 0, None
        for place, attachment in wanted:
            try:
                if await _is_known(store, subscription.tenant, home, rules, message, place):
                    continue
                media = await fetch_media(sender, rules, subscription, message, attachment)
                made = await self._transcribed(rules, transcriber, media)
                if made is not None and made.text.strip():
                    await _recorded(store, subscription.tenant, rules, message, place, attachment, made)
                    texts += 1
            except AttemptFailed as failed:
                if not failed.outcome.final:
                    return failed.outcome
                given_up = given_up or failed.outcome  # the other attachments may still be readable
        answer = f"{texts} texts derived".encode()
        latency_s = time.perf_counter() - started
        return given_up or AttemptOutcome(status=200, latency_s=latency_s, answer=answer)

    async def _transcribed(
        self, rules: TranscriberSettings, transcriber: Transcriber, media: Media
    ) -> Transcript | None:
        started = time.perf_counter()
        if self._running >= MAX_AT_ONCE:
            raise AttemptFailed(AttemptOutcome(error="busy", latency_s=0.0))
        try:
            async with asyncio.timeout(rules.timeout_s):
                made = await self._in_thread(transcriber.transcribe, media)
        except TimeoutError as error:
            log.warning("transcriber_failed", transcriber=rules.name, error="timeout", running=self._running)
            outcome = AttemptOutcome(error="timeout", latency_s=time.perf_counter() - started)
            raise AttemptFailed(outcome) from error
        except UnusableMedia as error:
            raise failed_for_good("unusable_media", started) from error
        except Exception as error:  # another package's code: no exception of it may pass
            log.warning("transcriber_failed", transcriber=rules.name, error=type(error).__name__)
            outcome = AttemptOutcome(error="transcriber", latency_s=time.perf_counter() - started)
            raise AttemptFailed(outcome) from error
        try:
            checked = None if made is None else _checked(made)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            raise failed_for_good("transcriber_result", started) from error
        if checked is not None and len(checked.text.strip()) > MAX_TEXT:
            raise failed_for_good("transcript_too_long", started)
        return checked

    async def _in_thread(self, function: Callable[[Media], Any], media: Media) -> Any:
        """In a daemon thread of its own: one that hangs neither fills a shared pool nor delays the end."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def settle(result: object, error: BaseException | None) -> None:
            self._running -= 1
            if answered.done():
                return
            if error is None:
                answered.set_result(result)
            elif isinstance(error, Exception) and not isinstance(error, StopIteration):
                answered.set_exception(error)
            else:  # it would end the server, or a future does not take it
                answered.set_exception(RuntimeError(type(error).__name__))

        def work() -> None:
            result, failed = None, None
            try:
                result = function(media)
            except BaseException as error:  # raised in the waiting coroutine
                failed = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, failed)

        threading.Thread(target=work, name="transcriber", daemon=True).start()
        self._running += 1  # not before: the thread may not start
        return await answered


def _checked(made: object) -> Transcript:
    """The transcript with values of the declared types; numbers of other libraries become floats."""
    if not isinstance(made, Transcript):
        raise TypeError(type(made).__name__)
    return msgspec.json.decode(msgspec.json.encode(made, enc_hook=float), type=Transcript)


async def _may_transcribe(store: Store, tenant: str, home: bytes, rules: TranscriberSettings) -> bool:
    """Whether the customer has given the consent that the table asks for."""
    customer = await by_key(store, tenant, home)
    if rules.requires_consent is None:
        return True
    consents = await read_consents(store, tenant, customer)
    return any(it.purpose == rules.requires_consent and it.proven for it in consents)


def _event(rules: TranscriberSettings, message: MessageWithMedia, place: int) -> tuple[str, str]:
    return f"transcriber/{rules.name}", f"{message.id}/{place}"


async def _is_known(
    store: Store, tenant: str, home: bytes, rules: TranscriberSettings, message: MessageWithMedia, place: int
) -> bool:
    """Whether an earlier attempt recorded the text of this attachment."""
    id_ = store.hashes(tenant).event(*_event(rules, message, place))
    (known,) = await read_places(store.connection, store.keys, [(home, id_)])
    return known is not None


async def _recorded(
    store: Store,
    tenant: str,
    rules: TranscriberSettings,
    message: MessageWithMedia,
    place: int,
    attachment: Mapping[str, Any],
    made: Transcript,
) -> None:
    started, (space, event) = time.perf_counter(), _event(rules, message, place)
    name = attachment.get("name")
    data = {
        "of": message.id,
        "kind": made.kind,
        "by": rules.name,
        "confidence": made.confidence,
        "attachment": name if isinstance(name, str) and 0 < len(name) <= 200 else place,
    }
    try:
        touchpoint = Touchpoint(
            id_space=space,
            event_id=event,
            source=rules.name,
            channel=message.channel,
            type=DERIVED,
            occurred_at=time.time_ns() // 1000,
            identities=(Handle(parse_identity(message.identity), Assurance(message.assurance)),),
            direction=Direction.INTERNAL,
            visibility=Visibility.INTERNAL,
            text=made.text.strip(),
            language=made.language,
            amends=message.id,
            data={key: value for key, value in data.items() if value is not None},
        )
        (result,) = await record(store, tenant, [touchpoint])
    except HandoffError as error:
        if error.retryable:
            raise
        raise failed_for_good(error.problem_code, started) from error
    if not result.ok:
        raise failed_for_good(result.code or "rejected", started)
