"""Masked numbers in the panel: shown for a short time, for a reason, to agents who may see them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Browser, expect

from handoff.services.audit.settings import AuditSettings
from handoff.services.privacy.settings import MaskingRule, PrivacySettings
from tests.audit.conftest import entries
from tests.e2e.agents import EVERYTHING, Backend, settings
from tests.e2e.looks import LOOKS, findings_in_every_look
from tests.serving import in_process
from tests.store.servers import valkey_server

pytestmark = pytest.mark.asyncio(loop_scope="session")

IBAN = "DE89 3704 0044 0532 0130 00"
MASKED = "DE** **** **** **** **30 00"
REVEALING = (*EVERYTHING, "privacy:reveal")


async def test_an_agent_reveals_a_number_for_a_reason(chromium: Browser, tmp_path: Path) -> None:
    with valkey_server() as url:
        chosen = settings(url)
        (token,) = chosen.tokens
        chosen = msgspec.structs.replace(
            chosen,
            tokens=[msgspec.structs.replace(token, scopes=list(REVEALING))],
            privacy=PrivacySettings(masking=[MaskingRule(tenant=token.tenant)]),
            audit=AuditSettings(dir=str(tmp_path / "audit")),
        )
        async with in_process(chosen) as (server, http):
            backend = Backend(server.url, token.secret, http, chromium)
            await backend.record("refund", text=f"Please refund to {IBAN}, thanks")
            await backend.record("other", text="Nothing to see **** here")
            await it_is_shown_and_hidden_again(backend)
            await it_stays_hidden_without_the_scope(backend)
        audited = [it for it in entries(tmp_path / "audit") if it["action"] == "revealTouchpoint"]
        assert [(it["agent"], it["reason"]) for it in audited] == [("mia", "refund, ticket 4711")]


async def it_is_shown_and_hidden_again(backend: Backend) -> None:
    session = await backend.token("mia", REVEALING)
    tab = await backend.open_panel("identity=user:anna", token=session, bypass_csp=True)
    await tab.page.clock.install()
    await tab.wait_until_live()
    entry = tab.entry("Please refund")
    await expect(entry).to_contain_text(MASKED)
    assert await tab.context.get_by_role("button", name="Reveal the numbers").count() == 1
    await entry.get_by_role("button", name="Reveal the numbers").focus()
    await tab.page.keyboard.press("Enter")
    dialog = tab.context.get_by_role("dialog", name="Reveal the numbers")
    await tab.page.keyboard.press("Enter")
    await expect(dialog.get_by_role("alert")).to_have_text("State a reason.")
    assert await findings_in_every_look(tab, looks=LOOKS[:2]) == []
    await tab.page.keyboard.type("refund, ticket 4711")
    await tab.page.keyboard.press("Enter")
    shown = entry.get_by_role("region", name="Revealed numbers")
    await expect(shown.locator("mark")).to_have_text(IBAN)
    await expect(shown.get_by_role("button", name="Hide")).to_be_focused()
    assert await findings_in_every_look(tab, looks=LOOKS[:4]) == []
    await tab.page.clock.fast_forward(31_000)
    await expect(shown).to_have_count(0)
    await expect(entry.get_by_role("button", name="Reveal the numbers")).to_be_focused()
    await backend.call("DELETE", "/v1/sessions/current", token=session)


async def it_stays_hidden_without_the_scope(backend: Backend) -> None:
    tab = await backend.open_panel("identity=user:anna", agent="ville")
    await tab.wait_until_live()
    await expect(tab.entry("Please refund").locator(".mark", has_text="masked")).to_be_visible()
    assert await tab.context.get_by_role("button", name="Reveal").count() == 0
    refused = {"type": "about:blank", "status": 403, "code": "forbidden", "detail": "no"}
    scoped = await backend.open_panel("identity=user:anna", agent="otto", scopes=REVEALING)
    await scoped.wait_until_live()
    await scoped.page.route("**/reveal", lambda route: route.fulfill(status=403, json=refused))
    await scoped.context.get_by_role("button", name="Reveal the numbers").click()
    dialog = scoped.context.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("curious")
    await dialog.get_by_role("button", name="Reveal").click()
    await expect(dialog.get_by_role("alert")).to_have_text("You are not allowed to see these numbers.")
    assert await scoped.context.locator("mark").count() == 0
