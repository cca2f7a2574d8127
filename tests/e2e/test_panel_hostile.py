"""What the panel shows may be anybody's: it stays text, runs nothing and asks nobody."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.e2e.desks import Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

BIDI = "\u202etxet desrever\u202c \u2066isolate \u2067"
ATTACK = (
    "<script>window.ran=1</script><img src=http://evil.example/x onerror=window.ran=1>"
    "<svg onload=window.ran=1><a href='javascript:window.ran=1'>go</a></svg>"
    "{{constructor}} ${window.ran=1} </style><style>*{display:none}</style>" + BIDI
)


def hostile(number: int, type_: str, **changes: Any) -> dict[str, Any]:
    """A touchpoint with the attack in every field that takes anybody's words."""
    return {
        "id": f"hostile-{number}",
        "channel": "web",
        "type": type_,
        "occurred_at": f"2026-11-21T10:{number:02}:00Z",
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


async def test_no_field_becomes_markup_script_or_request(shop: Office) -> None:
    batch = [hostile(number, type_) for number, type_ in enumerate(TYPES)]
    recorded = await shop.call("POST", "/v1/touchpoints", batch)
    assert recorded["accepted"] == len(TYPES), recorded
    id_ = await shop.hand_over(
        reason=ATTACK, **{"from": {"party": ATTACK[:150]}}, to={"channel": "chat", "queue": "refunds"}
    )
    desk = await shop.desk(f"queue=refunds&handoff={id_}")
    await desk.live()
    story = desk.story
    await expect(story.locator(".entry")).to_have_count(len(TYPES) + 1)
    for details in await story.locator(".entry details").all():
        await details.evaluate("(it) => { it.open = true; }")
    await story.get_by_role("button", name="What is new since?").click()
    found = await desk.page.evaluate(
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
    host = urlsplit(shop.url).netloc
    assert {urlsplit(url).netloc for url in desk.asked if not url.startswith("data:")} == {host}
    assert not desk.complaints


async def test_marks_of_direction_stay_within_their_own_words(shop: Office) -> None:
    await shop.tell("bidi", text=BIDI, actor={"type": "customer", "name": f"Anna{BIDI}"})
    desk = await shop.desk("identity=user:anna")
    entry = desk.entry("txet desrever")
    await expect(entry).to_be_visible()
    kept = await entry.locator(".text, .who bdi").evaluate_all(
        "(all) => all.map((it) => getComputedStyle(it).unicodeBidi)"
    )
    assert kept
    assert set(kept) <= {"isolate", "plaintext"}


async def test_a_line_of_100_kb_is_cut_until_it_is_asked_for(shop: Office) -> None:
    await shop.tell("long", text="x" * 100_000)
    desk = await shop.desk("identity=user:anna", viewport={"width": 320, "height": 700})
    text = desk.story.locator(".entry .text")
    await expect(text).to_be_visible()
    assert len(await text.text_content() or "") < 1000
    await desk.story.get_by_role("button", name="Show all 100000 characters").click()
    assert len(await text.text_content() or "") == 100_000
    assert await desk.page.evaluate("document.documentElement.scrollWidth <= 320")


async def test_a_token_leaves_the_address_at_once_and_is_kept_in_memory_only(shop: Office) -> None:
    desk = await shop.desk("identity=user:anna")
    await desk.page.locator("handoff-context .who-part h2").wait_for()
    assert "hs_" not in await desk.page.evaluate("location.href + JSON.stringify(history.state)")
    assert await desk.page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert not [url for url in desk.asked if "hs_" in url]
