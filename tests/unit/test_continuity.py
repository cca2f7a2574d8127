"""The forms of continuity codes: nothing else is recognised as one."""

from __future__ import annotations

import random
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.domain.continuity.carried import Carried, find_carried, may_carry
from handoff.domain.continuity.code import CodeState, CodeUse, ContinuityCode, Use, judge
from handoff.domain.continuity.forms import (
    DIGITS,
    RANDOM,
    TOKEN_CHARACTERS,
    grouped,
    plus_address,
    read_digits,
    read_token,
    spoken,
    write_digits,
    write_token,
)
from tests.samples import NOON, touchpoint

TEXTS = 100_000
CONFUSED = str.maketrans("10", "lo")


def signs(random_bytes: bytes, tenant: str = "ours") -> bytes:
    return blake2b(random_bytes, key=tenant.encode(), digest_size=16).digest()


def carried_by(**fields: Any) -> Carried | None:
    message = touchpoint("m", at=NOON, **fields)
    found = find_carried(message, signs)
    assert found is None or may_carry(message)
    return found


@given(st.binary(min_size=RANDOM, max_size=RANDOM))
def test_tokens_are_read_in_any_case(random_bytes: bytes) -> None:
    token = write_token(random_bytes, signs)
    assert len(token) == TOKEN_CHARACTERS
    for written in (token, token.lower(), token.translate(CONFUSED), token.lower().translate(CONFUSED)):
        read = read_token(written)
        assert read is not None
        assert read[0] == random_bytes
        found = carried_by(text=f"Hello (#h-{written}).")
        assert found is not None
        assert (found.token, found.touchpoint.text) == (random_bytes, "Hello (#h-…).")


@given(st.integers(0, 10 ** (DIGITS - 1) - 1), st.integers(0, DIGITS - 1), st.integers(1, 9))
def test_digits_are_read_in_any_grouping_and_a_wrong_digit_is_noticed(number: int, at: int, by: int) -> None:
    digits = write_digits(number)
    assert len(digits) == DIGITS
    for written in (digits, grouped(digits), spoken(digits), f"{digits}#", f" {digits[:5]}-{digits[5:]}."):
        assert read_digits(written) == digits
    wrong = digits[:at] + str((int(digits[at]) + by) % 10) + digits[at + 1 :]
    assert read_digits(wrong) is None


def test_nothing_in_random_texts_and_order_numbers_is_a_code() -> None:
    chosen = random.Random(58)
    alphabet = "0123456789abcdefghjkmnpqrstvwxyzABCDEFGHJKMNPQRSTVWXYZ"
    looks = 0
    for number in range(TEXTS):
        word = "".join(chosen.choices(alphabet, k=chosen.choice((8, 10, 23, 24, 24, 24, 25, 32))))
        head = chosen.choice(("#H-", "#h-", "handoff=", "?a=1&handoff=", "support+h-", "#", "order ", "A-"))
        order = chosen.randrange(10**10)
        message = touchpoint(f"m{number}", at=NOON, text=f"Where is {order:010d}, {head}{word}@x.example?")
        looks += may_carry(message)
        assert find_carried(message, signs) is None
    assert looks > TEXTS / 10, "the texts must look like codes"


def test_a_token_of_another_tenant_and_a_changed_one_are_text() -> None:
    token = write_token(b"0123456789", lambda it: signs(it, "theirs"))
    assert carried_by(text=f"#H-{token}") is None
    own = write_token(b"0123456789", signs)
    changed = own[:-1] + ("A" if own[-1] != "A" else "B")
    for text in (f"#H-{changed}", f"#H-{own}0", f"#H-{own[:-1]}", own, f"x#X-{own}"):
        assert carried_by(text=text) is None


def test_a_code_is_masked_wherever_it_is_read_and_the_surest_place_counts() -> None:
    first, second = write_token(b"first-----", signs), write_token(b"second----", signs)
    address = plus_address("support@example.com", first)
    found = carried_by(
        subject=f"Re: [#H-{second}]",
        text=f"https://shop.example/?handoff={second} and #H-{second}",
        data={
            "mailboxes": [address, "x@example.com"],
            "url": f"/?handoff={second}",
            "quoted": f"#H-{second}",
            "n": 1,
        },
    )
    assert found is not None
    assert (found.way, found.token) == ("address", b"first-----")
    stored = found.touchpoint
    assert stored.subject == "Re: [#H-…]"
    assert stored.text == "https://shop.example/?handoff=… and #H-…"
    masked = ["support+h-…@example.com", "x@example.com"]
    assert stored.data == {"mailboxes": masked, "url": "/?handoff=…", "quoted": "#H-…", "n": 1}
    assert stored.envelope == ("continuity",)


@pytest.mark.parametrize(
    "data",
    [
        {"quoted": "> see https://shop.example/?a=1&handoff=TOKEN"},
        {"quoted": "> Your code: #H-TOKEN"},
        {"search": "?handoff=TOKEN&b=2"},
        {"referrer": "https://shop.example/?handoff=TOKEN"},
        {"mailbox": "support+H-TOKEN@example.com"},
        {"tagged": ["a@example.com", "support+h-TOKEN@example.com"]},
    ],
)
def test_every_place_is_looked_at(data: dict[str, Any]) -> None:
    token = write_token(b"0123456789", signs)
    named = {
        name: [it.replace("TOKEN", token) for it in value]
        if isinstance(value, list)
        else value.replace("TOKEN", token)
        for name, value in data.items()
    }
    found = carried_by(data=named, text=None)
    assert found is not None
    assert found.token == b"0123456789"
    assert token not in str(found.touchpoint)


def test_a_hostile_text_is_looked_at_in_bounded_time() -> None:
    fake = "#H-" + "7" * TOKEN_CHARACTERS + " "
    found = carried_by(text=(fake * 7_000)[:190_000])
    assert found is None


HOME, OTHER, TALK, POINT = b"h" * 16, b"o" * 16, b"c" * 16, b"t" * 16


@pytest.mark.parametrize(
    ("now", "by_digits", "changes", "expected"),
    [
        (99, False, {}, CodeState.JOINED),
        (100, False, {}, CodeState.EXPIRED),
        (49, True, {}, CodeState.JOINED),
        (50, True, {}, CodeState.EXPIRED),
        (0, False, {"revoked_at": 1}, CodeState.REVOKED),
        (10**18, False, {"used": (HOME, TALK, POINT, False)}, CodeState.JOINED),
        (10**18, False, {"used": (HOME, TALK, b"x" * 16, False)}, CodeState.REPEATED),
        (0, False, {"used": (OTHER, TALK, b"x" * 16, False)}, CodeState.USED),
        (0, False, {"used": (HOME, TALK, POINT, True)}, CodeState.REVOKED),
    ],
)
def test_when_a_use_counts(now: int, by_digits: bool, changes: dict[str, Any], expected: CodeState) -> None:
    used = changes.pop("used", None)
    uses = ()
    if used:
        home, conversation, point, undone = used
        known = {"at": 1, "channel": "chat", "way": "text", "undone": undone}
        uses = (CodeUse(home=home, conversation=conversation, touchpoint=point, **known),)
    code = ContinuityCode(
        id=b"i" * 16,
        home=b"a" * 16,
        conversation=b"b" * 16,
        channel="chat",
        opened_at=0,
        issued_at=0,
        expires_at=100,
        digits=b"d" * 16,
        digits_until=50,
        by="agent:mia",
        uses=uses,
        **changes,
    )
    use = Use(home=HOME, touchpoint=POINT, conversation=TALK, by_digits=by_digits)
    assert judge(code, use, now) is expected
