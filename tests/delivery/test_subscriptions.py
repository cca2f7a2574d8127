"""Subscriptions: types, filters, configuration and rotation; touchpoint events and included contexts."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from handoff.delivery.settings import WebhookSettings
from handoff.domain.clock import SECOND
from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.domain.handoff import Action, Party
from handoff.domain.identity import Assurance, Handle, parse_identity
from handoff.domain.touchpoint import Direction, Touchpoint
from handoff.services.events.publishing import Event, publish
from handoff.services.timeline.recording import record
from handoff.services.webhooks import subscriptions
from handoff.services.webhooks.configured import configure
from handoff.services.webhooks.signing import make_key
from handoff.services.webhooks.spec import SubscriptionSpec, check, matches
from handoff.services.webhooks.subscriptions import read_all, rotated
from handoff.store.store import Store
from tests.delivery.conftest import Harness, StartDelivery, opened, stored_values
from tests.delivery.subscribers import SECRET, Subscriber, subscriber, until, until_async

LOOPBACK: dict[str, Any] = {"allow_insecure": True, "allow_networks": ("127.0.0.0/8",)}


@pytest.mark.parametrize(
    ("pattern", "type_", "matched"),
    [
        ("*", "handoff.requested", True),
        ("handoff.*", "handoff.requested", True),
        ("handoff.*", "handoff", False),
        ("handoff.*", "callback.due", False),
        ("*.failed", "message.failed", True),
        ("*.failed", "form.failed", True),
        ("m*ge.*ed", "message.received", True),
        ("a*b*a", "aba", True),
        ("a*b*a", "aa", False),
        ("aa*aa", "aaa", False),
        ("handoff.requested", "handoff.requested", True),
        ("handoff.requested", "handoff.requestedx", False),
        ("handoff?requested", "handoff.requested", False),
    ],
)
def test_wildcards(pattern: str, type_: str, matched: bool) -> None:
    assert matches(pattern, type_) is matched


@pytest.mark.parametrize(
    "changes",
    [
        {"types": ()},
        {"types": ("Handoff.*",)},
        {"types": ("handoff.*; drop",)},
        {"types": ("*" * 10,)},
        {"name": ""},
        {"rate_per_s": 0.0},
        {"rate_per_s": float("inf")},
        {"rate_per_s": float("nan")},
        {"signatures": ()},
        {"signatures": ("v1", "v1")},
        {"headers": {"webhook-id": "mine"}},
        {"headers": {"Content-Length": "0"}},
        {"headers": {"X-Key": "a\r\nHost: other"}},
        {"headers": {"X Key": "a"}},
        {"headers": {"X-Key": "ä"}},
        {"retry_schedule_s": (-1.0,)},
        {"retry_schedule_s": (float("nan"),)},
        {"retry_schedule_s": (15 * 86400.0,)},
        {"retry_schedule_s": (1.0,) * 51},
        {"allow_networks": ("stored_values",)},
        {"channels": ("",)},
    ],
)
def test_invalid_subscriptions_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable):
        check(SubscriptionSpec(**({"url": "https://example.com/hooks"} | changes)))


async def test_filters_by_queue_and_channel(delivering: StartDelivery) -> None:
    async with (
        subscriber() as platform,
        delivering(platform, queues=["billing"], channels=["chat"]) as harness,
    ):
        await harness.request(to=Party(channel="chat", queue="support"))
        await harness.request(sender=Party(channel="email"), to=Party(channel="phone", queue="billing"))
        wanted = await harness.request(to=Party(channel="chat", queue="billing"))
        await until(lambda: platform.accepted)
        await until(lambda: harness.delivery.behind_s == 0)
    assert [it.event["subject"] for it in platform.accepted] == [wanted.id]


def chat_message(text: str, number: int) -> Touchpoint:
    return Touchpoint(
        id_space="native",
        event_id=f"m{number}",
        source="test",
        channel="chat",
        type="message.received",
        occurred_at=1_800_000_000 * SECOND + number,
        identities=(Handle(parse_identity("user:anna"), Assurance.VERIFIED),),
        direction=Direction.INBOUND,
        text=text,
    )


async def next_millisecond(store: Store) -> None:
    """An outbox entry's id and a subscription's creation compare by milliseconds of the store's clock."""
    control = store.control("default")
    before = await control.clock() // 1000
    while await control.clock() // 1000 == before:
        pass


async def test_touchpoints_go_to_subscriptions_that_want_their_type(delivering: StartDelivery) -> None:
    async with subscriber() as platform, subscriber() as other, delivering(other) as harness:
        spec = SubscriptionSpec(url=platform.url, types=("message.*",), **LOOPBACK)
        await record(harness.store, "default", [chat_message("before", 0)])
        await next_millisecond(harness.store)
        await subscriptions.create(harness.store, "default", spec, SECRET)
        await record(harness.store, "default", [chat_message("hello", 1), chat_message("x" * 60_000, 2)])
        await record(harness.store, "elsewhere", [chat_message("of another tenant", 3)])
        await harness.request()
        await until(lambda: len(platform.accepted) >= 2)
        await until(lambda: other.accepted)
    events = {it.event["data"]["text"][:10]: it for it in platform.accepted}
    assert "of another" not in events
    assert "before" not in events
    assert events["hello"].event["type"] == "message.received"
    long = events["x" * 10]
    assert len(long.body) <= 20_000
    assert long.event["data"]["left_out"] == {"text": "2000 kept"}
    assert long.event["data"]["links"]["touchpoint"].endswith(long.event["data"]["id"])
    assert other.types() == ["handoff.requested"]


async def test_every_touchpoint_is_delivered_once(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform, types=["message.*", "callback.*"]) as harness:
        for number in range(40):
            await record(harness.store, "default", [chat_message(f"text {number}", number)])
        await until(lambda: len(platform.accepted) == 40)
    texts = [it.event["data"]["text"] for it in platform.accepted]
    assert sorted(texts) == sorted(f"text {number}" for number in range(40))
    sequences = [it.event["sequence"] for it in platform.accepted]
    assert all(len(it) == 20 for it in sequences)


async def test_a_handoff_with_its_context(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform, include="context") as harness:
        await record(harness.store, "default", [chat_message("my order never came", 1)])
        handoff = await harness.request(identity=parse_identity("user:anna"))
        await until(lambda: platform.accepted)
    (message,) = platform.accepted
    context = message.event["data"]["included"]["context"]
    assert context["timeline"]["touchpoints"][0]["text"] == "my order never came"
    assert message.event["data"]["snapshot"]["sha256"] == handoff.snapshots[-1].sha256


async def test_messages_stay_below_20_kb_and_list_what_is_left_out(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform) as harness:
        await harness.request(context={"notes": "n" * 100_000})
        await until(lambda: platform.accepted)
    (message,) = platform.accepted
    assert len(message.body) <= 20_000
    assert message.event["data"]["context"] is None
    assert message.event["data"]["left_out"] == {"context": "all"}


async def test_other_event_families_are_delivered_too(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform, types=["queue.*"]) as harness:
        at = await harness.store.control("default").clock()
        for _ in range(2):  # the same key twice is one event
            event = Event(key="queue/support/1", type="queue.opened", subject="support", at=at, data={"n": 1})
            await publish(harness.store, "default", event)
        await publish(
            harness.store, "default", Event(key="q/2", type="queue.closed", subject="support", at=at, data={})
        )
        await until(lambda: len(platform.accepted) == 2)
        await until_async(lambda: _settled(harness))
    assert sorted(platform.types()) == ["queue.closed", "queue.opened"]


async def _settled(harness: Harness) -> bool:
    found = await read_all(harness.store, "default")
    return all(it.pending == 0 for it in await harness.queue.states([one.id for one in found]))


async def test_the_configuration_creates_changes_and_removes_its_subscriptions(store: Store) -> None:
    one = WebhookSettings(url="https://one.example/", name="one").configured()
    two = WebhookSettings(url="https://two.example/", secret=SECRET).configured()
    (made,) = await configure(store, ["default"], [one, two])
    assert made.keys[0].key.startswith("whsec_"), "a missing secret is generated and returned once"
    assert await configure(store, ["default"], [one, two]) == []
    before = {it.wishes.url: it for it in await read_all(store, "default")}
    changed = WebhookSettings(url="https://two.example/", secret=make_key("v1")).configured()
    await configure(store, ["default"], [changed])
    (after,) = await read_all(store, "default")
    assert after.id == before["https://two.example/"].id
    now = await store.control("default").clock()
    assert after.signing_keys(now) == [changed.secret, SECRET], "the old secret overlaps"
    assert after.signing_keys(now + 8 * 86400 * SECOND) == [changed.secret]


async def test_many_configured_subscriptions_need_few_round_trips(store: Store) -> None:
    wanted = [WebhookSettings(url=f"https://{n}.example/", secret=SECRET).configured() for n in range(450)]
    paced = WebhookSettings(url="https://paced.example/", secret=SECRET, rate_per_s=4.0).configured()
    before = store.connection.round_trips
    await configure(store, ["default"], [*wanted, paced])
    assert store.connection.round_trips - before < 20
    assert len(await read_all(store, "default")) == 451
    pace = await store.connection.call(b"HGET", b"{c.default}ds" + paced.id, b"i", key=b"{c.default}")
    assert pace == b"250"
    before = store.connection.round_trips
    await configure(store, ["default"], [*wanted[1:], paced])
    assert store.connection.round_trips - before < 20
    assert {it.id for it in await read_all(store, "default")} == {it.id for it in [*wanted[1:], paced]}
    assert {it.version for it in await read_all(store, "default")} == {1}, (
        "unchanged subscriptions are not written"
    )


async def test_workers_that_start_together_generate_the_same_secrets(server_url: str, store: Store) -> None:
    wanted = [WebhookSettings(url=f"https://{n}.example/").configured() for n in range(50)]
    async with opened(server_url) as other:
        made = await asyncio.gather(*(configure(it, ["default"], wanted) for it in (store, other)))
    returned = {it.id: it.keys for it in (*made[0], *made[1])}
    assert sum(map(len, made)) == len(returned) == 50, "each is returned once"
    assert {it.id: it.keys for it in await read_all(store, "default")} == returned


HEADER = "Bearer what-only-the-platform-knows"
KEYS = ("a" * 32, "b" * 32)


async def test_no_secret_is_stored_in_plain_text(store: Store, delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform, headers={"Authorization": HEADER}) as harness:
        spec = SubscriptionSpec(
            url=f"{platform.url}?key=part-of-the-url", headers={"X-Key": HEADER}, **LOOPBACK
        )
        created = await subscriptions.create(store, "default", spec, SECRET)
        keys = rotated(created, spec, await store.control("default").clock(), secret=None, overlap_s=60)
        await subscriptions.change(store, "default", created.id, spec, keys)
        await harness.request()
        await until(lambda: len(platform.accepted) == 2)
        stored = await stored_values(store)
    assert b"handoff.requested" in stored
    for secret in (SECRET, keys[0].key, HEADER, "part-of-the-url"):
        assert secret.encode() not in stored, secret


async def test_sealing_keys_rotate_one_after_another(server_url: str, store: Store) -> None:
    """From the store's own key to a configured one, then to the next; the first then opens nothing."""
    wanted = [WebhookSettings(url=f"https://{n}.example/").configured() for n in range(3)]
    made = await configure(store, ["default"], wanted)
    one = await subscriptions.create(store, "default", SubscriptionSpec(url="https://one.example/"), SECRET)
    known = {it.id: it for it in (*made, one)}
    for secret_keys in ((KEYS[0],), (KEYS[1], KEYS[0]), (KEYS[1],)):
        async with opened(server_url, secret_keys=secret_keys) as rotating:
            assert await configure(rotating, ["default"], wanted) == []
            assert {one.id: one for one in await read_all(rotating, "default")} == known
    for secret_keys in ((), (KEYS[0],)):
        async with opened(server_url, secret_keys=secret_keys) as outdated:
            with pytest.raises(ConfigurationError, match=r"store\.secret_keys"):
                await configure(outdated, ["default"], wanted)


async def test_a_sealed_subscription_opens_under_its_own_key_only(store: Store) -> None:
    one, other = [
        await subscriptions.create(store, "default", SubscriptionSpec(url=f"https://{n}.example/"))
        for n in "ab"
    ]
    record = store.control("default").keys.record
    blob = await store.connection.call(b"GET", record("w", one.id), key=record("w", one.id))
    await store.connection.call(b"SET", record("w", other.id), blob, key=record("w", other.id))
    with pytest.raises(ConfigurationError, match="changed"):
        await subscriptions.read(store, "default", other.id)


@pytest.mark.parametrize(
    "changes",
    [{"url": "http://one.example/"}, {"secret": "short"}, {"types": ["?"]}, {"url": "https://10.0.0.1/"}],
)
def test_an_invalid_configuration_is_a_clear_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="webhook"):
        WebhookSettings(**({"url": "https://one.example/"} | changes)).configured()


async def test_messages_during_a_rotation_verify_with_either_secret(
    delivering: StartDelivery, store: Store
) -> None:
    async with subscriber() as platform, delivering() as harness:
        spec = SubscriptionSpec(url=platform.url, **LOOPBACK)
        created = await subscriptions.create(store, "default", spec, SECRET)
        now = await store.control("default").clock()
        keys = rotated(created, spec, now, secret=None, overlap_s=3600)
        await subscriptions.change(store, "default", created.id, spec, keys)
        await harness.request()
        await until(lambda: platform.accepted)
    (message,) = platform.accepted  # verified with the old secret on arrival
    Webhook(keys[0].key).verify(message.body, message.headers)
    assert len(message.headers["webhook-signature"].split()) == 2


async def test_the_rate_limit_holds(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering() as harness:
        spec = SubscriptionSpec(url=platform.url, rate_per_s=10.0, **LOOPBACK)
        await subscriptions.create(harness.store, "default", spec, SECRET)
        for _ in range(6):
            await harness.request()
        await until(lambda: len(platform.accepted) == 6)
    times = [it.at for it in platform.received]
    assert times[-1] - times[0] >= 0.45


async def test_a_deleted_subscription_gets_nothing_more(delivering: StartDelivery) -> None:
    async with subscriber(status=500) as platform, subscriber() as other, delivering(other) as harness:
        spec = SubscriptionSpec(url=platform.url, retry_schedule_s=(0.3,) * 10, **LOOPBACK)
        created = await subscriptions.create(harness.store, "default", spec, SECRET)
        await harness.request()
        await until(lambda: platform.received)
        await subscriptions.delete(harness.store, "default", created.id)
        before = len(platform.received)
        await harness.request()
        await until(lambda: len(other.accepted) == 2)
        assert len(platform.received) <= before + 1
    leftover = await keys_with(harness, created.id)
    assert leftover == [], leftover


async def keys_with(harness: Harness, id_: bytes) -> list[bytes]:
    """Store keys that contain the subscription's id. Records of its messages expire on their own."""
    found = await harness.store.connection.call(b"KEYS", b"*")
    return [key for key in found if id_ in key and b"dm" not in key and b"da" not in key]


async def test_custom_headers_are_sent(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform, headers={"X-Api-Key": "k-1"}) as harness:
        await harness.request()
        await until(lambda: platform.accepted)
    (message,) = platform.accepted
    assert message.headers["x-api-key"] == "k-1"
    assert json.loads(message.body)["source"] == "urn:handoff:default"


async def test_metrics_count_delivered_and_pending_messages(delivering: StartDelivery) -> None:
    async with (
        subscriber() as fine,
        subscriber(status=500) as broken,
        delivering(fine, broken, retry_schedule_s=[1000.0]) as harness,
    ):
        handoff = await harness.request()
        await harness.move(handoff, Action.ACCEPT)
        await until(lambda: len(fine.accepted) == 2 and broken.received)
        value = harness.measures.registry.get_sample_value
        names = {it.wishes.url: it.id for it in await read_all(harness.store, "default")}
        hashes = harness.store.hashes("default")
        label = {url: subscriptions.public_id(hashes, id_) for url, id_ in names.items()}

        def counted(platform: Subscriber, outcome: str) -> float | None:
            labels = {"subscription": label[platform.url], "outcome": outcome}
            return value("handoff_webhook_messages_total", labels)

        await until(lambda: counted(fine, "delivered") == 2 and counted(broken, "retried") == 1)
        await harness.delivery.update_queue_metrics()
        oldest = value("handoff_webhook_oldest_pending_seconds", {"subscription": label[broken.url]})
        assert value("handoff_webhook_pending", {"subscription": label[broken.url]}) == 2
        assert oldest is not None
        assert 0 <= oldest < 60
