"""The numbers that the panel shows after a reveal."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from handoff.bootstrap.redaction import build_masking
from handoff.services.privacy.settings import MaskingRule

SCRIPT = Path(__file__).resolve().parents[2] / "handoff" / "panel" / "data" / "revealed.js"
IBAN = "DE89 3704 0044 0532 0130 00"


def revealed(*touchpoints: dict[str, Any]) -> list[list[dict[str, str]]]:
    """The revealed numbers of each touchpoint, which is masked as for readers."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing")
    masking = build_masking([MaskingRule(tenant="shop")])
    pairs = [(masking.value("shop", it), it) for it in touchpoints]
    call = f"import {{ revealedIn }} from {json.dumps(SCRIPT.as_uri())};"
    call += (
        f"console.log(JSON.stringify({json.dumps(pairs)}.map(([masked, real]) => revealedIn(masked, real))));"
    )
    done = subprocess.run(
        [node, "--input-type=module", "-e", call], capture_output=True, check=True, timeout=60, text=True
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_each_number_is_shown_whole_with_its_member_and_the_words_around_it() -> None:
    long = "x" * 60
    ibans, members, same, two = revealed(
        {"text": f"{long} pay to {IBAN}, please {long}", "deleted": False},
        {
            "subject": "131052-308T",
            "data": {"customer": {"bsn": 111222333, "12345678Z": [IBAN.replace(" ", "")]}},
        },
        {"text": "nothing ** here", "data": {"n": 1}},
        {"text": f"{IBAN} or GB29NWBK60161331926819"},
    )
    (iban,) = ibans
    assert iban["number"] == IBAN
    assert iban["before"] == "…" + "x" * 32 + " pay to "
    assert iban["after"] == ", please " + "x" * 31 + "…"
    assert [(it["name"], it["number"]) for it in members] == [
        ("subject", "131052-308T"),
        ("bsn", "111222333"),
        ("customer", "12345678Z"),
        ("12345678Z", "DE89370400440532013000"),
    ]
    assert same == []
    assert [it["number"] for it in two] == [IBAN, "GB29NWBK60161331926819"]


def test_a_member_that_only_one_of_them_has_is_no_number() -> None:
    """The masked touchpoint has a mark, and may lack what the whole one has."""
    touchpoint = {
        "id": "tp_1",
        "conversation_id": "co_1",
        "occurred_at": "2026-11-28T10:00:00Z",
        "recorded_at": "2026-11-28T10:00:00Z",
        "assurance": "verified",
        "text": IBAN,
    }
    masking = build_masking([MaskingRule(tenant="shop")])
    assert masking.value("shop", touchpoint)["masked"] is True
    assert "masked" not in masking.value("shop", {**touchpoint, "text": "hello"})
    ((shown,),) = revealed(touchpoint)
    assert shown["number"] == IBAN
