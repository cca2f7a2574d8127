"""Transcribers: a plug-in gets the attachments that its table allows, and its text is recorded once.

The plug-in here is a stand-in: it knows its answers, and recognises no speech.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import pytest
from aiohttp import web

from handoff.adapter.transcriber import Media, Transcript, UnusableMedia
from handoff.delivery.connectors.media import is_wanted
from handoff.delivery.delivery import DeliveryService
from handoff.delivery.settings import TranscriberSettings, subscriptions_of
from handoff.domain.errors import ConfigurationError
from handoff.domain.touchpoint import Touchpoint
from handoff.services.context.completeness import Monitor
from handoff.services.metrics import Measures
from handoff.services.webhooks.deliveries import DeliveryView, page
from handoff.services.webhooks.subscriptions import read_all
from handoff.store.store import Store
from tests.delivery.subscribers import until_async
from tests.samples import record_all, timeline, touchpoint

SOUND = b"OggS my zebra invoice is wrong"


class StandIn:
    """Gives its answers one after the other, and remembers what it got."""

    def __init__(self, *answers: Any) -> None:
        self.got: list[Media] = []
        self._answers = list(answers) or [Transcript(text="My zebra invoice is wrong", confidence=0.8)]

    def transcribe(self, media: Media) -> Transcript | None:
        self.got.append(media)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, threading.Event):
            answer.wait(20)
            return None
        made: Transcript | None = answer
        return made


class Files:
    """A file server on loopback."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[web.Request] = []
        self.failures = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        name = request.match_info["name"]
        if name == "gone":
            return web.Response(status=404)
        if name == "moved":
            raise web.HTTPFound("/stored/voice.ogg")
        if name == "elsewhere":
            raise web.HTTPFound("http://127.0.0.1:1/voice.ogg")
        return web.Response(body=SOUND, content_type="audio/ogg")


@asynccontextmanager
async def files() -> AsyncIterator[Files]:
    found = Files()
    app = web.Application()
    app.router.add_get("/{folder}/{name}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    try:
        yield found
    finally:
        await runner.cleanup()


def table(url: str, **more: Any) -> TranscriberSettings:
    given: dict[str, Any] = {
        "name": "house",
        "plugin": "stand-in",
        "urls": [f"{url}/voice/", f"{url}/stored/"],
        "headers": {"X-Key": "vendor-key"},
        "allow_insecure": True,
        "allow_networks": ["127.0.0.0/8"],
        "retry_schedule_s": [0.05, 0.05],
    }
    return TranscriberSettings(**given | more)


@asynccontextmanager
async def transcribing(store: Store, settings: TranscriberSettings, plugin: StandIn) -> AsyncIterator[None]:
    delivery = DeliveryService(
        store,
        Monitor(store, []),
        Measures(),
        (),
        ["default"],
        "https://handoff.example",
        transcribers=[settings],
        plugins={"stand-in": lambda _options: plugin},
    )
    async with delivery.running():
        yield


def voice(url: str, event: str = "m1", **more: Any) -> Touchpoint:
    file = {"name": "voice.ogg", "content_type": "audio/ogg", "url": url}
    return touchpoint(event, text=None, attachments=(file,), language="en", **more)


async def settled(store: Store) -> DeliveryView:
    """The one delivery, once it is delivered or dead."""
    found: list[DeliveryView] = []

    async def done() -> bool:
        (subscription,) = await read_all(store, "default")
        for dead in (False, True):
            listed = await page(store, subscription, dead=dead, limit=10, below=None)
            found[:] = [it for it in listed.deliveries if it.state in ("delivered", "dead")]
            if found:
                return True
        return False

    await until_async(done)
    return found[0]


async def derived(store: Store) -> list[str | None]:
    (first, *_others) = await timeline(store, "default")
    return [it.text for it in first.derived or ()]


async def test_an_attachment_becomes_a_derived_text(store: Store) -> None:
    plugin = StandIn()
    async with files() as server, transcribing(store, table(server.url), plugin):
        await record_all(store, "default", [voice(f"{server.url}/voice/1")])
        done = await settled(store)
    assert done.state == "delivered"
    (media,) = plugin.got
    assert (media.content, media.content_type, media.language) == (SOUND, "audio/ogg", "en")
    assert [it.headers["X-Key"] for it in server.requests] == ["vendor-key"]
    message, text = await timeline(store, "default")
    assert (text.type, text.text, text.source) == ("text.derived", "My zebra invoice is wrong", "house")
    assert text.data == {
        "of": message.id,
        "kind": "transcript",
        "by": "house",
        "confidence": 0.8,
        "attachment": "voice.ogg",
    }
    assert await derived(store) == ["My zebra invoice is wrong"]


async def test_a_failure_is_tried_again_and_the_text_recorded_once(store: Store) -> None:
    plugin = StandIn(OSError("no memory"), Transcript(text="My zebra invoice is wrong"))
    async with files() as server, transcribing(store, table(server.url), plugin):
        server.failures = 1
        await record_all(store, "default", [voice(f"{server.url}/voice/1")])
        done = await settled(store)
    assert [it.error or it.status for it in done.attempts] == [503, "transcriber", 200]
    assert await derived(store) == ["My zebra invoice is wrong"]


async def test_a_second_attempt_leaves_out_what_is_recorded(store: Store) -> None:
    plugin = StandIn(Transcript(text="first"), OSError("no memory"), Transcript(text="second"))
    async with files() as server, transcribing(store, table(server.url), plugin):
        found = [{"content_type": "audio/ogg", "url": f"{server.url}/voice/{at}"} for at in range(2)]
        await record_all(store, "default", [touchpoint("m1", text=None, attachments=tuple(found))])
        assert (await settled(store)).state == "delivered"
    assert [it.path for it in server.requests] == ["/voice/0", "/voice/1", "/voice/1"]
    assert await derived(store) == ["first", "second"]


@pytest.mark.parametrize(
    ("name", "answer", "why"),
    [
        ("1", UnusableMedia("noise"), "unusable_media"),
        ("1", "words", "transcriber_result"),
        ("1", Transcript(text="My zebra", confidence=7), "confidence_out_of_range"),
        ("1", Transcript(text=None), "transcriber_result"),  # type: ignore[arg-type]
        ("1", Transcript(text="My zebra", language=5), "transcriber_result"),  # type: ignore[arg-type]
        ("1", Transcript(text="My zebra", confidence=object()), "transcriber_result"),  # type: ignore[arg-type]
        ("1", Transcript(text="My \ud800 zebra"), "transcriber_result"),
        ("1", Transcript(text="My zebra " * 1_000_000), "transcript_too_long"),
        ("elsewhere", None, "redirect"),
    ],
)
async def test_what_no_retry_helps_is_given_up_at_once(
    store: Store, name: str, answer: Any, why: str
) -> None:
    async with files() as server, transcribing(store, table(server.url), StandIn(answer)):
        await record_all(store, "default", [voice(f"{server.url}/voice/{name}")])
        done = await settled(store)
    assert (done.state, [it.error for it in done.attempts]) == ("dead", [why])
    assert await derived(store) == []


async def test_an_attachment_that_is_gone_does_not_keep_the_others_unread(store: Store) -> None:
    async with files() as server, transcribing(store, table(server.url), StandIn()):
        found = [{"content_type": "audio/ogg", "url": f"{server.url}/voice/{it}"} for it in ("gone", "1")]
        await record_all(store, "default", [touchpoint("m1", text=None, attachments=tuple(found))])
        done = await settled(store)
    assert (done.state, [it.status for it in done.attempts]) == ("dead", [404])
    assert await derived(store) == ["My zebra invoice is wrong"]


@pytest.mark.parametrize("raised", [SystemExit(1), asyncio.CancelledError(), StopIteration()], ids=repr)
async def test_whatever_a_transcriber_raises_is_tried_again_and_frees_its_place(
    store: Store, raised: BaseException
) -> None:
    plugin = StandIn(*[raised] * 5, Transcript(text="My zebra invoice is wrong"))
    settings = {"retry_schedule_s": [0.01] * 5}
    async with files() as server, transcribing(store, table(server.url, **settings), plugin):
        await record_all(store, "default", [voice(f"{server.url}/voice/1")])
        done = await settled(store)
    assert [it.error or it.status for it in done.attempts] == [*["transcriber"] * 5, 200]
    assert await derived(store) == ["My zebra invoice is wrong"]


async def test_numbers_of_another_library_are_taken(store: Store) -> None:
    plugin = StandIn(Transcript(text="My zebra", confidence=Fraction(3, 4)))  # type: ignore[arg-type]
    async with files() as server, transcribing(store, table(server.url), plugin):
        await record_all(store, "default", [voice(f"{server.url}/voice/1")])
        assert (await settled(store)).state == "delivered"
    _message, text = await timeline(store, "default")
    assert text.data["confidence"] == 0.75


async def test_a_redirect_is_followed_to_an_allowed_url(store: Store) -> None:
    async with files() as server, transcribing(store, table(server.url), StandIn()):
        await record_all(store, "default", [voice(f"{server.url}/voice/moved")])
        assert (await settled(store)).state == "delivered"
    assert [it.path for it in server.requests] == ["/voice/moved", "/stored/voice.ogg"]


async def test_a_transcriber_that_hangs_ends_by_its_limit(store: Store) -> None:
    hangs = threading.Event()
    settings = {"timeout_s": 0.05, "retry_schedule_s": [0.01]}
    async with files() as server, transcribing(store, table(server.url, **settings), StandIn(hangs)):
        await record_all(store, "default", [voice(f"{server.url}/voice/1")])
        done = await settled(store)
        hangs.set()
        await asyncio.sleep(0)
    assert (done.state, {it.error for it in done.attempts}) == ("dead", {"timeout"})


async def test_large_media_and_missing_consent_are_left_alone(store: Store) -> None:
    plugin = StandIn()
    async with files() as server, transcribing(store, table(server.url, max_bytes=10), plugin):
        await record_all(store, "default", [voice(f"{server.url}/voice/1")])
        assert [it.error for it in (await settled(store)).attempts] == ["media_too_large"]
    assert plugin.got == []


async def test_without_the_consent_it_asks_for_nothing_is_fetched(store: Store) -> None:
    async with (
        files() as server,
        transcribing(store, table(server.url, requires_consent="transcription"), StandIn()),
    ):
        await record_all(store, "default", [voice(f"{server.url}/voice/1")])
        assert [it.error for it in (await settled(store)).attempts] == ["no_consent"]
        assert server.requests == []


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://files.example/voice/1", True),
        ("https://files.example/voice/a/b.ogg?key=1", True),
        ("https://files.example/voices/1", False),
        ("https://files.example/other/1", False),
        ("http://files.example/voice/1", False),
        ("https://files.example:444/voice/1", False),
        ("https://files.example.evil/voice/1", False),
        ("https://files.example@evil/voice/1", False),
        ("https://anna@files.example/voice/1", False),
        ("https://files.example/voice/../other/1", False),
        ("https://files.example/voice/%2e%2e/other/1", False),
        ("https://files.example\\@evil/voice/1", False),
        ("https://[/voice/1", False),
        ("", False),
    ],
)
def test_only_what_the_table_allows_is_fetched(url: str, wanted: bool) -> None:
    settings = TranscriberSettings(name="h", plugin="p", urls=["https://files.example/voice/"])
    assert is_wanted(settings, {"url": url, "content_type": "audio/ogg"}) is wanted
    assert not is_wanted(settings, {"url": url, "content_type": "image/png"})
    assert is_wanted(settings, {"url": url, "content_type": "audio"}) is wanted


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"urls": []}, "urls"),
        ({"urls": ["http://files.example/"]}, "https"),
        ({"types": ["page.viewed"]}, "types"),
        ({"timeout_s": 60}, "timeout_s"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"requires_consent": "For What?"}, "requires_consent"),
    ],
)
def test_a_wrong_table_is_refused(change: dict[str, Any], problem: str) -> None:
    given: dict[str, Any] = {"name": "h", "plugin": "p", "urls": ["https://files.example/voice/"]}
    with pytest.raises(ConfigurationError, match=problem):
        subscriptions_of([], [], [TranscriberSettings(**given | change)])
