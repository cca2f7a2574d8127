"""The operators' page at work: refusals with their reason, quarantine, webhooks, the server, languages."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from handoff.adapter.contract import InboundRequest
from handoff.services.admission.limits import LimitSettings
from handoff.services.sources import quarantine
from handoff.store.store import Store
from tests import serving
from tests.conftest import fresh_tenant
from tests.delivery.subscribers import subscriber, until
from tests.e2e.agents import PATIENCE_MS, AgentTab, Backend
from tests.e2e.looks import LOOKS, findings_in_every_look
from tests.samples import WEEK_AGO
from tests.store.servers import valkey_server

in_the_browser = pytest.mark.asyncio(loop_scope="session")
OPS = Path(__file__).resolve().parents[2] / "handoff" / "panel" / "ops"
MESSAGES = OPS / "messages"
PUBLIC = "https://handoff.example.com"
KEY = "write-key-of-the-shop"
SECTIONS = ("sources", "quarantine", "webhooks", "system")


class Operated:
    """A server with sources of one tenant, and its operator."""

    def __init__(self, backend: Backend, tenant: str, store: Store) -> None:
        self.backend = backend
        self.tenant = tenant
        self.store = store

    async def open(self, fragment: str = "", **options: Any) -> AgentTab:
        tab = await self.backend.new_tab(**options)
        await tab.page.goto(f"{self.backend.url}/panel/ops/#token={self.backend.secret}&{fragment}")
        return tab

    async def refuse(self, path: str = "/in/calls/status?From=%2B358401234567") -> None:
        """A call whose signature is wrong."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": base64.b64encode(b"wrong").decode(),
        }
        url = self.backend.url + path
        async with self.backend.http.post(url, data=b"CallSid=CA1", headers=headers) as response:
            assert response.status == 401

    async def subscribe(self, url: str, **more: Any) -> Any:
        """A subscription to a receiver on this machine, which only an admin may make."""
        loopback = {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
        body = {"url": url, "types": ["handoff.*"], "name": "Desk", **loopback, **more}
        headers = {"Authorization": f"Bearer {serving.ADMIN}", "Handoff-Tenant": self.tenant}
        http = self.backend.http
        async with http.post(f"{self.backend.url}/v1/webhooks", json=body, headers=headers) as response:
            assert response.status == 201, await response.text()
            return await response.json()

    async def quarantine(self, *items: bytes, at: int = 0) -> None:
        request = InboundRequest(
            method="POST",
            path="/v1/track",
            url="",
            query=(),
            headers={"content-type": "application/json"},
            raw=b"",
            body=b"",
            received_at=1_795_300_000_000_000 + at,
        )
        rejected = [quarantine.Rejected(code="old_bug", detail="mended since", item=it) for it in items]
        await quarantine.Quarantine(self.store, LimitSettings()).keep(self.tenant, "shop", request, rejected)


def event(id_: str, **properties: Any) -> bytes:
    return msgspec.json.encode(
        {
            "type": "track",
            "messageId": id_,
            "userId": "anna",
            "event": "Basket Left",
            "timestamp": f"{WEEK_AGO}T10:00:00Z",
            "properties": properties,
        }
    )


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    with valkey_server() as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def operated(store_url: str, chromium: Browser) -> AsyncIterator[Operated]:
    tenant = fresh_tenant()
    scopes = ("operate", "webhooks:write", "handoffs:write", "touchpoints:write", "context:read")
    tokens = [serving.token("desk", tenant, *scopes), serving.token("operator", tenant, "operate")]
    sources = [
        {"name": "shop", "adapter": "web.segment", "tenant": tenant, "secrets": [KEY], "trust": "server"},
        {"name": "calls", "adapter": "phone.twilio", "tenant": tenant, "secrets": ["token-of-twilio"]},
    ]
    server_settings = {"port": 0, "public_url": PUBLIC}
    chosen = serving.settings_for(store_url, tokens, sources=sources, server=server_settings)
    before = list(chromium.contexts)
    async with serving.in_process(chosen) as (server, http):
        backend = Backend(server.url, serving.secret_of("desk", tenant), http, chromium)
        yield Operated(backend, tenant, server.store)
        for context in chromium.contexts:
            if context not in before:
                await context.close()


@in_the_browser
async def test_a_wrong_signature_shows_its_reason_and_the_signed_url(operated: Operated) -> None:
    tab = await operated.open()
    calls = tab.page.locator("ops-sources li.item", has_text="calls")
    await expect(calls).to_contain_text("never")
    await operated.refuse()
    await operated.refuse()
    await expect(calls).to_contain_text("The signature does not match", timeout=PATIENCE_MS)  # no reload
    await expect(calls.locator(".why code")).to_have_text(f"{PUBLIC}/in/calls/status?From=…")
    await calls.get_by_role("button", name="All reasons: calls").click()
    await expect(calls.locator(".why li")).to_have_count(1)
    assert "token" not in tab.page.url
    assert not tab.errors


@in_the_browser
async def test_an_item_is_looked_at_tried_and_replayed(operated: Operated) -> None:
    await operated.quarantine(event("1", note="<img src=x onerror=alert(1)> card 4111 1111 1111 1111"), b"{")
    tab = await operated.open("section=quarantine&source=shop")
    items = tab.page.locator("ops-quarantine li.item")
    await expect(items).to_have_count(2)
    broken, good = items.nth(0), items.nth(1)
    await good.get_by_role("button", name=re.compile("Show content")).click()
    await expect(good.locator("pre")).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(good.locator("pre")).not_to_contain_text("4111 1111 1111 1111")
    await good.get_by_role("button", name=re.compile("^Try")).click()
    await expect(good.locator(".trial")).to_contain_text("The adapter reads 1 touchpoint")
    await expect(items).to_have_count(2)
    await broken.get_by_role("button", name=re.compile("^Try")).click()
    await expect(broken.locator(".trial")).to_contain_text("The adapter cannot read it")
    await tab.page.get_by_role("button", name="Replay all of shop (2)").click()
    await expect(tab.page.locator("ops-quarantine .status")).to_have_text(
        "1 replayed; 1 still cannot be read and stay."
    )
    await expect(items).to_have_count(1)
    assert not tab.errors


@in_the_browser
async def test_selected_items_are_deleted_after_a_question(operated: Operated) -> None:
    await operated.quarantine(*(event(str(number)) for number in range(3)))
    tab = await operated.open("section=quarantine")
    items = tab.page.locator("ops-quarantine li.item")
    await expect(items).to_have_count(3)
    await items.nth(0).get_by_role("checkbox").check()
    await items.nth(1).get_by_role("checkbox").check()
    await tab.page.get_by_role("button", name="Delete selected (2)…").click()
    await expect(items).to_have_count(3)
    await tab.page.get_by_role("button", name=re.compile("^Delete for good")).click()
    await expect(items).to_have_count(1)
    await expect(tab.page.locator("ops-quarantine .status")).to_have_text("2 items were deleted.")
    assert not tab.errors


@in_the_browser
async def test_webhooks_show_attempts_and_are_sent_again(operated: Operated) -> None:
    backend = operated.backend
    async with subscriber(status=500) as platform:
        await operated.subscribe(platform.url, secret=platform.secret, retry_schedule_s=[])
        await backend.record("first")
        await backend.hand_over()
        tab = await operated.open("section=webhooks")
        await tab.page.get_by_role("button", name="Dead letters: Desk").click()
        message = tab.page.locator("ops-webhooks li.item li.item")
        await expect(message).to_have_count(1, timeout=PATIENCE_MS)
        await expect(message.locator(".attempt")).to_contain_text("500")
        await expect(message.locator(".attempt")).to_contain_text("received")
        platform.status = 200
        await message.get_by_role("button", name=re.compile("^Send again")).click()
        await expect(tab.page.locator("ops-webhooks .status")).to_have_text("1 message was queued.")
        await until(lambda: platform.accepted)
        assert not tab.errors


@in_the_browser
async def test_the_system_shows_workers_and_the_configuration_without_secrets(operated: Operated) -> None:
    tab = await operated.open("section=system")
    await expect(tab.page.locator("ops-system li.item").first).to_contain_text("always")
    configuration = tab.page.locator("ops-system pre")
    await expect(configuration).to_contain_text('"name": "calls"')
    assert "token-of-twilio" not in await configuration.inner_text()
    assert not tab.errors


@in_the_browser
async def test_a_question_stays_where_it_is_while_new_items_come(operated: Operated) -> None:
    await operated.quarantine(b"{")
    tab = await operated.backend.new_tab()
    await tab.page.clock.install()
    await tab.page.goto(
        f"{operated.backend.url}/panel/ops/#token={operated.backend.secret}&section=quarantine"
    )
    items = tab.page.locator("ops-quarantine li.item")
    await expect(items).to_have_count(1)
    await items.get_by_role("button", name=re.compile("^Delete…")).click()
    await operated.quarantine(b"[", at=1)
    before = len(tab.requests)
    for _ in range(4):
        await tab.page.clock.run_for(4000)
    assert tab.requests[before:] == []
    sure = tab.page.get_by_role("button", name=re.compile("^Delete for good"))
    await expect(sure).to_be_focused()
    await tab.page.keyboard.press("Escape")
    await expect(items.get_by_role("button", name=re.compile("^Delete…"))).to_be_focused()
    await tab.page.clock.run_for(4000)
    await expect(items).to_have_count(2)
    assert not tab.errors


@in_the_browser
async def test_a_second_click_does_nothing_and_the_focus_is_not_lost(operated: Operated) -> None:
    await operated.quarantine(event("1"))
    tab = await operated.open("section=quarantine")
    replay = tab.page.get_by_role("button", name=re.compile("^Replay: "))
    await replay.focus()
    posts: list[str] = []
    tab.page.on("request", lambda it: posts.append(it.url) if it.method == "POST" else None)
    await replay.evaluate("(it) => { it.click(); it.click(); }")
    status = tab.page.locator("ops-quarantine .status")
    await expect(status).to_have_text("1 item was replayed.")
    await expect(tab.page.locator("ops-quarantine li.item")).to_have_count(0)
    assert [it.rpartition("/v1/")[2] for it in posts] == ["quarantine/replay"]
    await expect(tab.page.locator("ops-quarantine h2")).to_be_focused()
    assert not tab.errors


@in_the_browser
async def test_an_action_without_an_answer_shows_the_next_step(operated: Operated) -> None:
    await operated.quarantine(event("1"))
    tab = await operated.open("section=quarantine")
    await tab.page.route("**/v1/quarantine/replay", lambda route: route.abort())
    await tab.page.get_by_role("button", name=re.compile("^Replay: ")).click()
    await expect(tab.page.locator("ops-quarantine .status")).to_contain_text("the outcome is unknown")


@in_the_browser
async def test_the_keyboard_reaches_sections_and_the_filter_keeps_the_focus(operated: Operated) -> None:
    await operated.quarantine(b"{")
    tab = await operated.open()
    link = tab.page.get_by_role("link", name="Quarantine", exact=True)
    await link.focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#view")).to_be_focused()
    items = tab.page.locator("ops-quarantine li.item")
    await expect(items).to_have_count(1)
    select = tab.page.locator("ops-quarantine select")
    await select.focus()
    await tab.page.keyboard.press("ArrowDown")
    await expect(items).to_have_count(0)
    await expect(select).to_be_focused()
    await expect(select).to_have_value("calls")
    await tab.page.keyboard.press("ArrowDown")
    await expect(items).to_have_count(1)
    await expect(select).to_be_focused()
    await expect(tab.page.get_by_role("button", name="Replay all of shop (1)")).to_be_visible()
    await tab.page.go_back()
    await expect(select).to_have_value("calls")
    await expect(items).to_have_count(0)
    assert not tab.errors


@in_the_browser
async def test_a_subscription_that_is_deleted_elsewhere_does_not_stop_the_page(operated: Operated) -> None:
    made = await operated.subscribe("http://127.0.0.1:9443/hook")
    await operated.subscribe("http://127.0.0.1:9443/hook", name="Other")
    tab = await operated.open("section=webhooks")
    await tab.page.get_by_role("button", name="Messages: Desk").click()
    hooks = tab.page.locator("ops-webhooks li.item")
    await expect(hooks.filter(has_text="No messages.")).to_have_count(1)
    headers = {"Authorization": f"Bearer {operated.backend.secret}"}
    url = f"{operated.backend.url}/v1/webhooks/{made['id']}"
    async with operated.backend.http.delete(url, headers=headers) as response:
        assert response.status == 204
    await expect(hooks).to_have_count(1, timeout=PATIENCE_MS)
    await expect(tab.page.locator("ops-webhooks .status")).to_have_text("")


@in_the_browser
async def test_a_missing_scope_and_an_invalid_token_are_explained(operated: Operated) -> None:
    tab = await operated.backend.new_tab()
    secret = serving.secret_of("operator", operated.tenant)
    await tab.page.goto(f"{operated.backend.url}/panel/ops/#token={secret}&section=webhooks")
    await expect(tab.page.locator("ops-webhooks .status")).to_have_text(
        "The token lacks the scope webhooks:write."
    )
    other = await operated.backend.new_tab()
    await other.page.goto(f"{operated.backend.url}/panel/ops#token=nonsense-token-of-nobody")
    await expect(other.page.get_by_role("status")).to_contain_text("The token is not valid")
    await expect(other.page.get_by_label("Token")).to_be_focused()
    await other.page.keyboard.type(operated.backend.secret)
    await other.page.keyboard.press("Enter")
    await expect(other.page.locator("ops-sources li.item")).to_have_count(2)
    await expect(other.page.locator("#view")).to_be_focused()


@in_the_browser
async def test_axe_reports_no_violations_in_any_look(operated: Operated) -> None:
    await operated.refuse()
    await operated.quarantine(event("1"), b"{")
    await operated.subscribe("http://127.0.0.1:9443/hook")
    tab = await operated.open(bypass_csp=True)
    for section in SECTIONS:
        await tab.page.evaluate("(it) => { location.hash = it; }", f"section={section}&language=en")
        await tab.page.locator(f"ops-{section} li.item").first.wait_for()
        if section == "quarantine":
            await tab.page.locator("li.item").nth(0).get_by_role("button", name="Show content").click()
            await tab.page.locator("pre").wait_for()
            await tab.page.locator("li.item").nth(0).get_by_role("button", name="Try").click()
            await tab.page.locator(".trial").wait_for()
        if section == "webhooks":
            await tab.page.get_by_role("button", name="Messages: Desk").click()

        async def speak(language: str, section: str = section) -> None:
            await tab.page.evaluate(
                "(it) => { location.hash = it; }", f"section={section}&language={language}"
            )
            await tab.page.locator(f"ops-{section} [lang={language}] li.item").first.wait_for()

        assert await findings_in_every_look(tab, speak) == [], section
    empty = await operated.backend.new_tab(bypass_csp=True)
    await empty.page.goto(f"{operated.backend.url}/panel/ops/")
    await empty.page.get_by_label("Token").wait_for()
    assert await findings_in_every_look(empty, looks=LOOKS[::3]) == []


@in_the_browser
async def test_no_width_needs_horizontal_scrolling(operated: Operated) -> None:
    await operated.refuse("/in/calls/" + "x" * 60 + "/" + "y" * 60)
    await operated.quarantine(event("1" * 200), b"x" * 3000)
    tab = await operated.open()
    for section in SECTIONS:
        await tab.page.evaluate("(it) => { location.hash = it; }", f"section={section}")
        await tab.page.locator(f"ops-{section} h2").first.wait_for()
        if section == "quarantine":
            await tab.page.get_by_role("button", name=re.compile("^Show content")).first.click()
            await tab.page.locator("pre").wait_for()
        for width in (320, 640, 2560):
            await tab.page.set_viewport_size({"width": width, "height": 700})
            wide = await tab.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (section, width)


@in_the_browser
async def test_the_page_speaks_four_languages(operated: Operated) -> None:
    titles = {"fi": "Lähteet", "sv": "Källor", "de": "Quellen", "en": "Sources"}
    tab = await operated.open()
    for language, title in titles.items():
        await tab.page.evaluate("(it) => { location.hash = it; }", f"section=sources&language={language}")
        await expect(tab.page.locator("ops-sources h2")).to_have_text(title)
        assert await tab.page.evaluate("document.documentElement.lang") == language
    assert not tab.errors


@pytest.mark.parametrize("language", ["fi", "sv", "de"])
def test_every_language_has_every_message_with_the_same_values(language: str) -> None:
    english, other = (json.loads((MESSAGES / f"{it}.json").read_text()) for it in ("en", language))
    assert other.keys() == english.keys()
    for key, message in english.items():
        assert _values(other[key]) == _values(message), key


def test_every_used_key_has_a_message_and_every_message_is_used() -> None:
    messages = json.loads((MESSAGES / "en.json").read_text())
    code = "".join(it.read_text() for it in OPS.glob("*.js"))
    found = re.findall(r'"([a-z_]+(?:\.[a-z_]+)+|acting|more|shown|bytes)"', code)
    used = {it for it in found if not it.endswith(("js", "css"))}
    assert used <= messages.keys(), used - messages.keys()
    built = {f"{it}.title" for it in SECTIONS} | {"group.operations", "group.floor"}
    assert messages.keys() <= used | built, messages.keys() - used - built


def _values(message: str | dict[str, str]) -> set[str]:
    whole = message if isinstance(message, str) else message["other"]
    return set(re.findall(r"\{(\w+)\}", whole))
