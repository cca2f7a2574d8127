"""An agent's browser: its tabs, and the actions in them by mouse and keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page
from playwright.async_api import Error as BrowserError

from .floor import Floor
from .ledger import Deed, Ledger, Outcome
from .plan import QUEUES, Work

WATCH = Path(__file__).with_name("watch.js")
ACTION_MS = 25_000  # the panel gives up a request after 20 s, and must say so
GRACE_MS = 3_000  # after a message: its effect may follow
CLICK_MS = ACTION_MS  # what cannot be pressed within this time is stuck
LOAD_MS = 10_000
LOADS = 20  # until the server answers again
RETRY_S = 0.5
KEYS = {"accept": "a", "decline": "d", "complete": "c", "release": "r", "transfer": "t"}
DONE = {
    "accept": "accepted",
    "complete": "completed",
    "release": "released",
    "decline": "declined",
}
"""The action -> the state that it leaves in the handoff's history."""

PATIENCE_MS = 60_000

Press = Callable[[], Awaitable[None]]


class Tab:
    """One tab of an agent."""

    def __init__(self, page: Page, browser: AgentBrowser) -> None:
        self.page, self.browser = page, browser
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: browser.ledger.errors.append(f"{browser.agent}: {error}"))
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))

    # --- signing in -----------------------------------------------------------------------------------

    async def open(self) -> None:
        queues = "%20".join(QUEUES)
        address = f"{self.browser.floor.url}/panel/#queue={queues}&language=en"
        await self._load(lambda: self.page.goto(address))

    async def reload(self) -> None:
        await self._load(self.page.reload)

    async def _load(self, load: Callable[[], Awaitable[object]]) -> None:
        """Load the page, again where the server was restarting, and sign in: the page keeps no token."""
        for attempt in range(LOADS):
            try:
                await load()
                await self.page.get_by_label("Token", exact=True).wait_for(timeout=LOAD_MS)
                break
            except BrowserError:
                if attempt == LOADS - 1:
                    raise
                self.browser.ledger.incidents["pages loaded again"] += 1
                await asyncio.sleep(RETRY_S)
        await self.sign_in()
        await self.live()

    async def sign_in(self) -> None:
        token = self.page.get_by_label("Token", exact=True)
        await token.first.fill(await self.browser.token())
        await token.first.press("Enter")
        await token.first.wait_for(state="detached")

    async def renew(self) -> bool:
        """Sign in again if the panel asks for it."""
        asked = self.page.get_by_role("alert").get_by_label("Token", exact=True)
        if not await asked.count():
            return False
        await self.browser.expire()
        await self.sign_in()
        return True

    async def live(self) -> None:
        """Wait until the queue is live. The session may have expired since the page was left."""
        live = self.page.locator("handoff-queue :is([data-state=live], [data-state=polling])")
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while not await live.count():
                await self.renew()
                await asyncio.sleep(RETRY_S)

    # --- looking --------------------------------------------------------------------------------------

    async def listed(self) -> dict[str, bool]:
        found: dict[str, bool] = await self.page.evaluate("shift.listed()")
        return found

    def card(self, id_: str) -> Locator:
        return self.page.locator(f"handoff-queue [data-id='{id_}']")

    @property
    def story(self) -> Locator:
        return self.page.locator("handoff-context")

    # --- acting ---------------------------------------------------------------------------------------

    async def open_story(self, id_: str, work: Work) -> Deed:
        async def press() -> None:
            await self.card(id_).focus(timeout=CLICK_MS)
            await self.page.keyboard.press("Enter")

        return await self._act("open", id_, work, press)

    async def accept(self, id_: str, work: Work) -> Deed:
        async def press() -> None:
            if work.by_key:
                await self._key(id_, "accept")
            elif work.from_story:
                await self._click(self.story, "accept")
            else:
                await self.card(id_).focus(timeout=CLICK_MS)  # only the active row has buttons
                await self._click(self.card(id_), "accept")

        return await self._act("accept", id_, work, press)

    async def complete(self, id_: str, work: Work) -> Deed:
        async def press() -> None:
            if work.by_key:
                await self._key(id_, "complete")
            else:
                await self._click(self.story, "complete")
            if await self.page.locator("dialog[open]").count():
                await self.page.keyboard.type("sent a new one")
                await self.page.keyboard.press("Enter")

        return await self._act("complete", id_, work, press)

    async def give_back(self, kind: str, id_: str, work: Work) -> Deed:
        """Decline or release, with a reason."""

        async def press() -> None:
            await self._key(id_, kind)
            await self.page.keyboard.type("not my line")
            await self.page.keyboard.press("Enter")

        return await self._act(kind, id_, work, press)

    async def transfer(self, id_: str, work: Work) -> Deed:
        queue = next(it for it in QUEUES if it != work.queue)

        async def press() -> None:
            await self._key(id_, "transfer")
            form = self.page.locator("dialog[open]")
            await form.get_by_label("Queue", exact=True).fill(queue)
            await form.get_by_role("textbox", name="Reason").fill(f"{work.mark} needs an expert")
            await self.page.keyboard.press("Enter")

        return await self._act("transfer", id_, work, press, text=f"Sent to {queue}")

    async def note(self, id_: str, work: Work) -> Deed:
        text = f"{self.browser.agent} promised to look for {work.mark}"

        async def press() -> None:
            box = self.story.get_by_role("form").or_(self.story.locator("form.compose"))
            await box.get_by_role("textbox").first.fill(text)
            await box.get_by_role("button", name="Add", exact=True).click(timeout=CLICK_MS)

        return await self._act("note", id_, work, press, text=text)

    async def _click(self, place: Locator, move: str) -> None:
        await place.locator(f"[data-move={move}]").first.click(timeout=CLICK_MS)

    async def _key(self, id_: str, kind: str) -> None:
        await self.card(id_).focus(timeout=CLICK_MS)
        await self.page.keyboard.press(KEYS[kind])

    async def _act(self, kind: str, id_: str, work: Work, press: Press, text: str = "") -> Deed:
        """Act, and wait for the effect on this screen or for a reason."""
        if id_ not in await self.listed():
            return self._note(kind, id_, work, "overtaken", 0.0)
        given = {"id": id_, "mark": work.mark, "text": text}
        await self.page.evaluate("([kind, given]) => shift.expect(kind, given)", [kind, given])
        try:
            await press()
        except BrowserError as error:
            left = id_ not in await self.listed()  # another agent already accepted it
            return self._note(kind, id_, work, "overtaken" if left else "stuck", 0.0, f"not pressed: {error}")
        limits = [ACTION_MS, GRACE_MS]
        seen = await self.page.evaluate("limits => shift.outcome(...limits)", limits)
        if not seen["reached"] and await self._has_happened(kind, id_, text):
            limits = [ACTION_MS, ACTION_MS]  # it is done: the screen must show it, whatever it reported
            seen = await self.page.evaluate("limits => shift.outcome(...limits)", limits)
            seen["reported"] = "" if not seen["reached"] else seen["reported"]
        if not seen["reached"] and await self.page.locator("dialog[open]").count():
            await self.page.keyboard.press("Escape")  # what was typed is kept
        outcome: Outcome = "done" if seen["reached"] else "explained" if seen["reported"] else "stuck"
        return self._note(kind, id_, work, outcome, seen["ms"], seen["reported"])

    async def _has_happened(self, kind: str, id_: str, text: str) -> bool:
        if kind not in DONE:
            return False
        history = (await self.browser.floor.handoff(id_))["history"]
        return any(it["state"] == DONE[kind] and it["by"] == self.browser.agent for it in history)

    def _note(self, kind: str, id_: str, work: Work, outcome: Outcome, ms: float, reported: str = "") -> Deed:
        from_story = work.from_story
        deed = Deed(
            kind=kind,
            handoff=id_,
            agent=self.browser.agent,
            mark=work.mark,
            outcome=outcome,
            ms=ms,
            reported=reported,
            from_story=from_story,
        )
        self.browser.ledger.deeds.append(deed)
        return deed


class AgentBrowser:
    """One agent's browser with its own profile: the tabs share connections, locks, and channels."""

    def __init__(
        self, agent: str, floor: Floor, profile: BrowserContext, ledger: Ledger, ttl_s: int = 3600
    ) -> None:
        self.agent, self.floor, self.profile, self.ledger = agent, floor, profile, ledger
        self._ttl_s = ttl_s
        self._token = ""
        self._used = 0
        self.tabs: list[Tab] = []

    async def token(self) -> str:
        """The session's token. All tabs share it, as those of a real desktop do."""
        if not self._token:
            self._token = await self.floor.session(self.agent, self._ttl_s)
        return self._token

    async def expire(self) -> None:
        """Get a new session, once for all tabs that ask for one."""
        try:
            alive = await self._alive()
        except AssertionError:
            alive = False
        if not alive:
            self._token, self._ttl_s = "", 3600
            self.ledger.incidents["sessions renewed"] += 1

    async def _alive(self) -> bool:
        await self.floor.call("GET", "/v1/sessions/current", token=self._token)
        return True

    async def open(self, tabs: int) -> None:
        for _ in range(tabs):
            await self.add_tab()

    async def add_tab(self) -> Tab:
        tab = Tab(await self.profile.new_page(), self)
        await tab.open()
        self.tabs.append(tab)
        return tab

    async def replace_tab(self) -> None:
        """Close the tab that holds the stream, and open another."""
        tab = self.tabs.pop(0)
        await tab.page.close()
        await self.add_tab()

    async def renew(self) -> None:
        for tab in self.tabs:
            if await tab.renew():
                self.ledger.incidents["tabs signed in again"] += 1

    async def differences(self) -> list[str]:
        """The tabs whose lists are not the API's, after the last event had time to arrive."""
        wrong: dict[str, Any] = {}
        for _ in range(100):
            await self.renew()
            expected = await self.floor.lists_of(self.agent)
            wrong = {
                f"{self.agent}, tab {number}": {"listed": listed, "API": expected}
                for number, tab in enumerate(self.tabs)
                if (listed := await tab.listed()) != expected
            }
            if not wrong:
                break
            await asyncio.sleep(RETRY_S)
        return [f"{name}: {it}" for name, it in wrong.items()]
