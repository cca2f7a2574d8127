"""Card numbers typed over several messages, and the ordinary numbers that people type one after the other."""

from __future__ import annotations

from random import Random

import pytest

from handoff.bootstrap.redaction import build_redaction
from handoff.bootstrap.settings import PatternSettings
from handoff.domain.clock import SECOND
from handoff.domain.redaction.redaction import Redaction
from handoff.domain.touchpoint import Touchpoint
from handoff.services.timeline.recording import record
from handoff.store.store import Store
from tests.samples import NOON, touchpoint

from .numbers import order, phone, readable

VISA, AMEX = "4111111111111111", "378282246310005"
PAIRS = 10_000
DAYS = range(1, 29)


def message(event: str, text: str, at: int = 0) -> Touchpoint:
    return touchpoint(event, at=NOON + at * SECOND, text=text, type="message.received")


def shown(*texts: str) -> list[Touchpoint]:
    """The messages of one conversation, ten seconds apart, as they are stored."""
    redaction = Redaction()
    return [
        redaction.touchpoint("t", message(str(place), text, 10 * place), lambda value: str(len(value)))
        for place, text in enumerate(texts)
    ]


def pieces(digits: str, sizes: tuple[int, ...]) -> list[str]:
    found = []
    for size in sizes:
        found.append(digits[:size])
        digits = digits[size:]
    return found


@pytest.mark.parametrize(
    ("digits", "sizes"),
    [
        (VISA, (4, 4, 4, 4)),
        (VISA, (8, 8)),
        (VISA, (4, 12)),
        (VISA, (12, 4)),
        (VISA, (11, 5)),
        (VISA, (6, 10)),
        (AMEX, (4, 6, 5)),
        (AMEX, (4, 11)),
    ],
)
@pytest.mark.parametrize("first", ["{}", "my card: {}", "order 1234567: {}"])
@pytest.mark.parametrize("last", ["{}", "{} thanks", "({})"])
def test_a_number_in_pieces_is_masked_in_the_message_that_completes_it(
    digits: str, sizes: tuple[int, ...], first: str, last: str
) -> None:
    one, *between, end = pieces(digits, sizes)
    messages = shown(first.format(one), *between, last.format(end))
    assert messages[-1].redacted == {"card_number": 1}
    assert end not in readable(messages[-1].text or "")


def test_two_pieces_in_each_message_are_found() -> None:
    messages = shown("4111 1111", "moment", "1111 1111 12/27")
    assert readable(messages[-1].text or "") == ""


def _number(random: Random) -> str:
    """A number that customers type: a date, an order number, a telephone number, a postcode, an amount."""
    any_ = random.randrange
    day, month, year = random.choice(DAYS), any_(1, 13), any_(1940, 2030)
    return random.choice(
        (
            lambda: random.choice((f"{day}.{month}.{year}", f"{day:02}{month:02}{year}", f"{year}")),
            lambda: random.choice((f"{year}-{month:02}-{day:02}", f"{year}{month:02}{day:02}")),
            lambda: order(random),
            lambda: f"{any_(10**5, 10**6)}",
            lambda: f"{any_(10**7, 10**8)}",
            lambda: f"{any_(10**5, 10**6)} and {any_(1000, 10_000)}",
            lambda: phone(random),
            lambda: f"01{any_(50, 80)}{any_(10**6, 10**8)}",
            lambda: f"0{any_(30, 900)} {any_(10**4, 10**8)}",
            lambda: f"+49{any_(150, 180)}{any_(10**6, 10**8)}",
            lambda: random.choice(
                (f"{any_(10_000, 99_999)}", f"{any_(1000, 9999)}", f"{any_(1000, 9999)} AB")
            ),
            lambda: random.choice(
                (f"{any_(1, 5000)}.{any_(0, 99):02}", f"{any_(1, 500)},{any_(0, 99):02} €")
            ),
            lambda: f"{any_(1, 5000)}",
        )
    )()


def test_ordinary_numbers_in_consecutive_messages_stay() -> None:
    random = Random(20)
    alarms = []
    for _ in range(PAIRS):
        texts = [
            random.choice(("{}", "{}", "it is {}", "{} please", "my number: {}")).format(_number(random))
            for _ in range(2)
        ]
        alone = [shown(it)[0].redacted for it in texts]
        if any(alone):
            continue  # masked by itself, which `test_measure` counts
        if any(it.redacted for it in shown(*texts)):
            alarms.append(texts)
    assert len(alarms) <= PAIRS / 1000, alarms


@pytest.mark.parametrize(
    "texts",
    [
        ("order 12345678", f"12345678, my card is {VISA}"),
        ("1234", "5 items, cvv 123"),
    ],
)
def test_a_number_before_a_card_number_of_the_same_message_stays(texts: tuple[str, str]) -> None:
    _first, second = shown(*texts)
    assert (second.text or "")[:8] == texts[1][:8]
    assert sum(second.redacted.values()) == 1


def test_a_telephone_number_begins_no_card_number() -> None:
    number, end = "+411111111111", "1111"
    assert shown(number[1:], end)[-1].redacted == {"card_number": 1}
    assert [it.text for it in shown(number, end)] == [number, end]


def test_the_ends_of_messages_are_forgotten_with_the_people_who_wrote_them() -> None:
    redaction = Redaction()
    redaction.touchpoint("t", message("1", "4111 1111"), str)
    redaction.forget()
    assert redaction.touchpoint("t", message("2", "1111 1111", 10), str).redacted == {}


@pytest.mark.parametrize("masked_first", [True, False])
async def test_a_retry_that_another_worker_masks_otherwise_is_a_duplicate(
    store: Store, tenant: str, masked_first: bool
) -> None:
    parts = [message("first", "4111 1111", 0), message("second", "1111 1111", 10)]
    if masked_first:
        results = await record(store, tenant, parts)
        store.redaction = Redaction()  # as another worker has it
        (again,) = await record(store, tenant, parts[1:])
    else:
        results = await record(store, tenant, parts[1:])
        store.redaction = Redaction()
        _first, again = await record(store, tenant, parts)
    assert (results[-1].status, again.status) == ("accepted", "duplicate")
    assert again.id == results[-1].id


async def test_a_retry_after_a_pattern_was_added_is_a_duplicate(store: Store, tenant: str) -> None:
    sent = message("first", "my number is LC12345678")
    (first,) = await record(store, tenant, [sent])
    pattern = PatternSettings(name="loyalty", pattern=r"\bLC[0-9]{8}\b", tenant=tenant)
    store.redaction = build_redaction([pattern])
    (again,) = await record(store, tenant, [sent])
    assert (first.status, again.status) == ("accepted", "duplicate")


async def test_masked_content_under_a_used_id_is_refused(store: Store, tenant: str) -> None:
    texts = [f"my card is {VISA}", f"{VISA}, and a word more", f"my card is {VISA}"]
    results = await record(store, tenant, [message("one", it) for it in texts])
    assert [it.code or it.status for it in results] == ["accepted", "id_reused", "duplicate"]
