"""The panel over HTTP/1.1, with six connections per browser: it never locks up, whatever is open."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Request, expect

from tests.e2e.agents import PATIENCE_MS, REASON, AgentTab, Backend

pytestmark = pytest.mark.asyncio(loop_scope="session")
LIVE = ".connection[data-state=live]"
QUEUES = "refunds claims orders returns"


class Streams:
    """The streams that pages open and that have not ended."""

    def __init__(self) -> None:
        self.open: set[Request] = set()
        self.opened = 0

    def watch(self, page: Page) -> None:
        page.on("request", self._begun)
        page.on("requestfailed", lambda request: self.open.discard(request))
        page.on("requestfinished", lambda request: self.open.discard(request))
        page.on("close", lambda _page: self._gone(page))

    def _gone(self, page: Page) -> None:
        self.open = {it for it in self.open if it.frame.page != page}

    def _begun(self, request: Request) -> None:
        if request.url.endswith("/events"):
            self.opened += 1
            self.open.add(request)

    async def settle_at(self, count: int, opened: int = 0) -> None:
        """Wait until this many are open, and at least `opened` were: an old stream closes once the new one is
        ready."""
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while len(self.open) != count or self.opened < opened:  # noqa: ASYNC110 - the browser
                await asyncio.sleep(0.05)


async def browser_of(backend: Backend) -> BrowserContext:
    """A browser's profile: its tabs share connections, locks, and channels."""
    first = await backend.new_tab()
    return first.page.context


async def tab_of(browser: BrowserContext, url: str, streams: Streams | None = None) -> AgentTab:
    tab = AgentTab(await browser.new_page())
    tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
    if streams:
        streams.watch(tab.page)
    await tab.page.goto(url)
    return tab


async def test_four_queues_and_a_customer_take_one_stream_and_accept_works(backend: Backend) -> None:
    await backend.record("first")
    id_ = await backend.hand_over()
    browser, streams = await browser_of(backend), Streams()
    token = await backend.token("ville")
    tab = await tab_of(browser, f"{backend.url}/panel/#token={token}&queue={QUEUES}&handoff={id_}", streams)
    await tab.wait_until_live("handoff-queue")
    await tab.wait_until_live()
    await streams.settle_at(1)
    await tab.queue.locator(".card").get_by_role("button", name="Accept").click()
    await expect(tab.queue.locator(".group.mine .card")).to_contain_text(REASON)
    await backend.record("later", text="a word from anna")
    await expect(tab.entry("a word from anna")).to_be_visible()
    for number, queue in enumerate(QUEUES.split()):
        to = {"channel": "chat", "queue": queue}
        await backend.hand_over(identity=f"user:c{number}", reason=f"for {queue}", to=to)
        await expect(tab.queue.locator(".card", has_text=f"for {queue}")).to_be_visible()
    await streams.settle_at(1)
    assert not tab.errors


async def test_a_queue_in_many_tabs_takes_one_stream_and_every_tab_works(backend: Backend) -> None:
    await backend.record("first")
    browser, streams = await browser_of(backend), Streams()
    url = f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds"
    tabs = [await tab_of(browser, url, streams) for _ in range(8)]
    for tab in tabs:
        await tab.wait_until_live("handoff-queue")
    await streams.settle_at(1)
    await backend.hand_over()
    for tab in tabs:
        await expect(tab.queue.locator(".card")).to_have_count(1)
    await tabs[-1].queue.locator(".card").get_by_role("button", name="Accept").click()
    for tab in tabs:
        await expect(tab.queue.locator(".group.mine .card")).to_have_count(1)
    await tabs[-1].wait_until_live()  # the customer's topic is added to the shared stream
    await backend.record("later", text="a word from anna")
    await expect(tabs[-1].entry("a word from anna")).to_be_visible()
    await streams.settle_at(1)
    assert not [it for tab in tabs for it in tab.errors]


async def test_another_tab_takes_over_when_the_one_with_the_stream_is_closed(backend: Backend) -> None:
    browser = await browser_of(backend)
    token = await backend.token("ville")
    leader = await tab_of(browser, f"{backend.url}/panel/#token={token}&queue=refunds")
    await leader.wait_until_live("handoff-queue")
    other = await tab_of(browser, f"{backend.url}/panel/#token={token}&queue=claims")
    third = await tab_of(browser, f"{backend.url}/panel/#token={token}&queue=refunds")
    for tab in (other, third):
        await tab.wait_until_live("handoff-queue")
    await backend.hand_over()
    await expect(third.queue.locator(".card")).to_have_count(1)
    await leader.page.close()
    to = {"channel": "chat", "queue": "claims"}
    await backend.hand_over(identity="user:bertta", reason="Broken in transit", to=to)
    await backend.hand_over(identity="user:cecilia", reason="Second refund")
    await expect(other.queue.locator(".card", has_text="Broken in transit")).to_be_visible()
    await expect(third.queue.locator(".card", has_text="Second refund")).to_be_visible()
    for tab in (other, third):
        await tab.wait_until_live("handoff-queue")
        assert not tab.errors


FREEZE = """
  const post = BroadcastChannel.prototype.postMessage;
  let frozen = null;
  BroadcastChannel.prototype.postMessage = function (message) {
    if (frozen) frozen.push(() => post.call(this, message));
    else post.call(this, message);
  };
  globalThis.freeze = () => { frozen = []; };
  globalThis.thaw = () => { const late = frozen; frozen = null; for (const it of late) it(); };
"""


async def test_another_tab_takes_over_from_one_that_is_frozen_and_this_one_follows_it(
    backend: Backend,
) -> None:
    """A frozen tab keeps its lock. Its last message arrives once it thaws."""
    browser, streams = await browser_of(backend), Streams()
    await browser.add_init_script(FREEZE)
    url = f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds"
    leader = await tab_of(browser, url, streams)
    await leader.wait_until_live("handoff-queue")
    other = AgentTab(await browser.new_page())
    await other.page.clock.install()
    streams.watch(other.page)
    await other.page.goto(url)
    await other.wait_until_live("handoff-queue")
    assert streams.opened == 1
    await leader.page.evaluate("freeze()")
    await backend.hand_over()
    await expect(leader.queue.locator(".card")).to_have_count(1)
    await expect(other.queue.locator(".card")).to_have_count(0)
    async with other.page.expect_request("**/v1/events"):
        await other.page.clock.fast_forward(60_000)
    await expect(other.queue.locator(".card")).to_have_count(1)
    await leader.page.evaluate("thaw()")
    await streams.settle_at(1, opened=2)
    await backend.hand_over(identity="user:bertta", reason="After the thaw")
    for tab in (leader, other):
        await tab.wait_until_live("handoff-queue")
        await expect(tab.queue.locator(".card", has_text="After the thaw")).to_have_count(1)


async def test_tabs_with_tokens_of_their_own_leave_connections_for_requests(backend: Backend) -> None:
    await backend.record("first")
    await backend.hand_over()
    browser, streams = await browser_of(backend), Streams()
    await browser.clock.install()
    tabs = []
    for _ in range(6):
        url = f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds"
        tabs.append(await tab_of(browser, url, streams))
        await expect(tabs[-1].queue.locator(".card")).to_have_count(1)
    for tab in tabs[:4]:
        await tab.wait_until_live("handoff-queue")
    for tab in tabs[4:]:
        await expect(tab.queue.locator(".connection")).to_have_attribute("data-state", "polling")
    assert len(streams.open) <= 4
    await tabs[-1].queue.locator(".card").get_by_role("button", name="Accept").click()
    await expect(tabs[-1].queue.locator(".group.mine .card")).to_have_count(1)
    await tabs[0].page.close()
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not [tab for tab in tabs[4:] if await tab.queue.locator(LIVE).count()]:
            for tab in tabs[4:]:
                await tab.page.clock.run_for(1000)


async def test_without_locks_every_tab_has_its_own_stream(backend: Backend) -> None:
    """As over plain HTTP: no secure context."""
    browser, streams = await browser_of(backend), Streams()
    await browser.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false });")
    url = f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds claims"
    tabs = [await tab_of(browser, url, streams) for _ in range(2)]
    for tab in tabs:
        await tab.wait_until_live("handoff-queue")
    await streams.settle_at(2)
    await backend.hand_over()
    for tab in tabs:
        await expect(tab.queue.locator(".card")).to_have_count(1)


async def test_a_request_without_an_answer_times_out_and_shows_that(backend: Backend) -> None:
    await backend.record("first")
    await backend.hand_over()
    tab = await backend.new_tab()
    await tab.page.clock.install()
    held: list[Any] = []
    await tab.page.route("**/accept", lambda route: held.append(route))
    await tab.page.goto(f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds")
    await tab.wait_until_live("handoff-queue")
    accept = tab.queue.locator(".card").get_by_role("button", name="Accept")
    await accept.click()
    status = tab.queue.locator(".status")
    await expect(status).to_have_text("Sending…")
    await accept.click()  # the first one is still on its way
    await tab.page.clock.run_for(21_000)
    await expect(status).to_contain_text("did not answer in time")
    assert len(held) == 1
    await tab.page.unroute("**/accept")
    await accept.click()
    await expect(tab.queue.locator(".group.mine .card")).to_have_count(1)


async def test_without_a_queue_all_pending_handoffs_are_shown_live(backend: Backend) -> None:
    tab = await backend.open_panel("queue=")
    await tab.wait_until_live("handoff-queue")
    cards = tab.queue.locator(".group.waiting .card")
    await expect(cards).to_have_count(0)
    await backend.record("first")
    id_ = await backend.hand_over()
    to = {"channel": "chat", "queue": "claims"}
    await backend.hand_over(identity="user:bertta", reason="Broken in transit", to=to)
    await expect(cards).to_have_count(2)
    other = await backend.token("aino")
    await backend.call("POST", f"/v1/handoffs/{id_}/accept", {"version": 1}, token=other)
    await expect(cards).to_have_count(1)
    assert not tab.errors
