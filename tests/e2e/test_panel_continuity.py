"""An agent gives a customer a code, and the call in which it is used is in the same story."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.e2e.agents import Backend

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_agent_gives_a_code_and_sees_what_it_continued(backend: Backend) -> None:
    await backend.record("asked", text="My machine leaks", thread="chat-1")
    tab = await backend.open_panel("identity=user:anna")
    await tab.wait_until_live()
    await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await tab.context.get_by_role("button", name="Continuity code").click()
    dialog = tab.context.get_by_role("dialog", name="Continue on another channel")
    digits = await dialog.locator("[data-code='code.digits'] code").text_content()
    assert digits
    assert re.fullmatch(r"\d{3} \d{3} \d{4}", digits)
    await dialog.get_by_role("button", name="Copy: Text, for chat and WhatsApp").click()
    await expect(dialog.get_by_role("status")).to_have_text("Copied.")
    copied = await tab.page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"#H-[0-9A-Z]{24}", copied)
    await tab.page.keyboard.press("Escape")
    call = {"channel": "phone", "type": "call.started", "thread": "call-1", "text": None}
    who = ["anonymous@ivr:c1"]
    await backend.record("call", identities=who, data={"continuity": digits}, **call)
    later = await backend.open_panel("identity=user:anna")
    await later.wait_until_live()
    line = later.context.locator(".why .line", has_text="Continues the Chat of")
    await expect(line).to_have_count(1)
    await expect(line).to_contain_text("by code")
    assert not tab.errors + later.errors
