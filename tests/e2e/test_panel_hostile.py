"""Untrusted data stays text in the panel: no markup, no script, no request."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.e2e.agents import Backend
from tests.samples import WEEK_AGO

pytestmark = pytest.mark.asyncio(loop_scope="session")

BIDI = "\u202etxet desrever\u202c \u2066isolate \u2067"
ATTACK = (
    "<script>window.ran=1</script><img src=http://evil.example/x onerror=window.ran=1>"
    "<svg onload=window.ran=1><a href='javascript:window.ran=1'>go</a></svg>"
    "{{constructor}} ${window.ran=1} </style><style>*{display:none}</style>" + BIDI
)


def hostile(number: int, type_: str, **changes: Any) -> dict[str, Any]:
    """A touchpoint with the attack in every free-text field."""
    return {
        "id": f"hostile-{number}",
        "channel": "web",
        "type": type_,
        "occurred_at": f"{WEEK_AGO}T10:{number:02}:00Z",
        "identities": [
            {"type": "user", "value": "anna"},
            {"type": "vendor.id", "value": ATTACK[:120], "space": "x"},
        ],
        "participants": [{"type": "vendor.id", "value": ATTACK[:120], "role": ATTACK[:60]}],
        "subject": ATTACK,
        "text": ATTACK,
        "medium": ATTACK[:60],
        "thread": ATTACK[:100],
        "attachments": [{"name": ATTACK, "url": "http://evil.example/a", "type": ATTACK}],
        "actor": {"type": ATTACK, "name": ATTACK, "id": ATTACK},
        "data": {
            **dict.fromkeys(
                ("title", "query", "form", "error", "due", "order_number", "score", "name", "reason"),
                ATTACK + "1",
            ),
            "traits": {"name": ATTACK, "email": ATTACK},
            ATTACK[:40]: {"nested": [ATTACK]},
        },
        **changes,
    }


TYPES = (
    "message.received",
    "article.viewed",
    "search.performed",
    "form.failed",
    "form.submitted",
    "promise.made",
    "complaint.opened",
    "survey.answered",
    "note.added",
    "identified",
    "email.received",
    "event.tracked",
)


async def test_no_field_becomes_markup_script_or_request(backend: Backend) -> None:
    batch = [hostile(number, type_) for number, type_ in enumerate(TYPES)]
    recorded = await backend.call("POST", "/v1/touchpoints", batch)
    assert recorded["accepted"] == len(TYPES), recorded
    id_ = await backend.hand_over(
        reason=ATTACK, **{"from": {"party": ATTACK[:150]}}, to={"channel": "chat", "queue": "refunds"}
    )
    tab = await backend.open_panel(f"queue=refunds&handoff={id_}")
    await tab.wait_until_live()
    story = tab.context
    await expect(story.locator(".entry")).to_have_count(len(TYPES) + 1)
    for details in await story.locator(".entry details").all():
        await details.evaluate("(it) => { it.open = true; }")
    await story.get_by_role("button", name="Changes since the handoff").click()
    found = await tab.page.evaluate(
        """() => {
          const roots = [...document.querySelectorAll('handoff-context, handoff-queue')]
            .map((it) => it.shadowRoot);
          const made = roots.flatMap((it) =>
            [...it.querySelectorAll('script, img, a, style, iframe, object')]);
          return { ran: window.ran ?? null, made: made.map((it) => it.outerHTML) };
        }"""
    )
    assert found == {"ran": None, "made": []}
    await expect(story.locator(".entry .text").first).to_contain_text("<script>window.ran=1</script>")
    host = urlsplit(backend.url).netloc
    assert {urlsplit(url).netloc for url in tab.requests if not url.startswith("data:")} == {host}
    assert not tab.errors


async def test_direction_marks_do_not_affect_the_text_around_them(backend: Backend) -> None:
    await backend.record("bidi", text=BIDI, actor={"type": "customer", "name": f"Anna{BIDI}"})
    tab = await backend.open_panel("identity=user:anna")
    entry = tab.entry("txet desrever")
    await expect(entry).to_be_visible()
    kept = await entry.locator(".text, .who bdi").evaluate_all(
        "(all) => all.map((it) => getComputedStyle(it).unicodeBidi)"
    )
    assert kept
    assert set(kept) <= {"isolate", "plaintext"}


async def test_a_text_of_100_kb_is_shortened_until_the_agent_expands_it(backend: Backend) -> None:
    await backend.record("long", text="x" * 100_000)
    tab = await backend.open_panel("identity=user:anna", viewport={"width": 320, "height": 700})
    text = tab.context.locator(".entry .text")
    await expect(text).to_be_visible()
    assert len(await text.text_content() or "") < 1000
    await tab.context.get_by_role("button", name="Show all 100000 characters").click()
    assert len(await text.text_content() or "") == 100_000
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= 320")


async def test_the_token_is_removed_from_the_url_and_kept_in_memory_only(backend: Backend) -> None:
    tab = await backend.open_panel("identity=user:anna")
    await tab.page.locator("handoff-context .who-part h2").wait_for()
    assert "hs_" not in await tab.page.evaluate("location.href + JSON.stringify(history.state)")
    assert await tab.page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert not [url for url in tab.requests if "hs_" in url]
