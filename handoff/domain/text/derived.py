"""Derived text: what a machine, or a person, read out of something else: a transcript, OCR, a translation.

Several texts may be derived from one original. One of them counts, the others are superseded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from msgspec import Struct, field

from handoff.domain.clock import Micros, parse_time
from handoff.domain.errors import Unprocessable

DERIVED = "text.derived"
_Name = TypeVar("_Name", bound=StrEnum)


class DerivedKind(StrEnum):
    """How a text was derived."""

    TRANSCRIPT = "transcript"
    OCR = "ocr"
    TRANSLATION = "translation"
    SUMMARY = "summary"


class DerivedSpeaker(StrEnum):
    """The speaker of the words in a transcript. `business`: somebody on our side, a person or a bot."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    BUSINESS = "business"


VERBATIM = frozenset({DerivedKind.TRANSCRIPT, DerivedKind.OCR})
"""Kinds that have the words of the original's author. The words of other kinds are somebody else's."""
UNSTATED = 0.5
"""The confidence by which a text ranks that states none."""
MAX_NAME = 200  # characters of `by`, `attachment`, `part_of`
MAX_REFERENCE = 2_000  # characters of `recording`, which may be a URL
MAX_PART = 1_000_000

_TEXTS: Mapping[str, int] = {"attachment": MAX_NAME, "recording": MAX_REFERENCE, "part_of": MAX_NAME}


class DerivedText(Struct, frozen=True, kw_only=True):
    """One derived text. `of` names its original, `where` the attachment or recording in it.

    Texts with one `part_of` make one text together, in the order of `part`. `order` is their place.
    """

    id: str
    of: str
    kind: DerivedKind
    by: str
    text: str
    order: tuple[Hashable, ...]
    confidence: float | None = None
    language: str | None = None
    where: str = ""
    speaker: DerivedSpeaker | None = None
    at: Micros | None = None
    """When the words were spoken, if it is stated."""
    part_of: str | None = None
    part: int | None = None

    @property
    def rank(self) -> float:
        return UNSTATED if self.confidence is None else self.confidence


class Standing(Struct, frozen=True):
    """The texts that count, in order, and the ids of those that others replace."""

    texts: list[DerivedText] = field(default_factory=list)
    superseded: frozenset[str] = frozenset()


def check_derived(text: str | None, data: Mapping[str, Any]) -> None:
    """Raise Unprocessable if this is not a derived text of something."""
    of = data.get("of")
    if not isinstance(of, str) or not 0 < len(of) <= 512:
        _refuse("/data/of", "It names the original: its id, or the thread of a call", "derived_of_missing")
    if not text or not text.strip():
        _refuse("/text", "A derived text has a text", "derived_without_text")
    if _one_of(DerivedKind, data.get("kind")) is None:
        _refuse("/data/kind", f"The kind is one of {', '.join(DerivedKind)}", "derived_kind_unknown")
    by = data.get("by")
    if not isinstance(by, str) or not 0 < len(by) <= MAX_NAME:
        _refuse("/data/by", f"It names what derived the text, in 1 to {MAX_NAME} characters")
    confidence = data.get("confidence")
    if confidence is not None and stated_confidence(confidence) is None:
        _refuse("/data/confidence", "The confidence is a number from 0 to 1", "confidence_out_of_range")
    _check_optional(data)


def _check_optional(data: Mapping[str, Any]) -> None:
    speaker, part, at = data.get("speaker"), data.get("part"), data.get("at")
    if speaker is not None and _one_of(DerivedSpeaker, speaker) is None:
        _refuse("/data/speaker", f"The speaker is one of {', '.join(DerivedSpeaker)}")
    if part is not None and _part(part) is None:
        _refuse("/data/part", f"The part is an integer from 0 to {MAX_PART}")
    if at is not None and _time(at) is None:
        _refuse("/data/at", "The time must be RFC 3339 with a zone")
    for name, most in _TEXTS.items():
        value = data.get(name)
        number = name == "attachment" and isinstance(value, int) and not isinstance(value, bool)
        if value is None or number:
            continue
        if not isinstance(value, str) or not 0 < len(value) <= most:
            _refuse(f"/data/{name}", f"It has 1 to {most} characters")


def _refuse(pointer: str, detail: str, code: str | None = None) -> NoReturn:
    raise Unprocessable(detail, code=code, pointers=[{"pointer": pointer, "detail": detail}])


def read_derived(
    id_: str, text: str | None, language: str | None, data: Mapping[str, Any], order: tuple[Hashable, ...]
) -> DerivedText | None:
    """The derived text of a stored touchpoint; None if its content is gone, or of a newer release."""
    of, by, kind = data.get("of"), data.get("by"), _one_of(DerivedKind, data.get("kind"))
    if not text or kind is None or not isinstance(of, str):
        return None
    where = data.get("attachment", data.get("recording"))
    part_of = data.get("part_of")
    return DerivedText(
        id=id_,
        of=of,
        kind=kind,
        by=by if isinstance(by, str) else "",
        text=text,
        order=order,
        confidence=stated_confidence(data.get("confidence")),
        language=language,
        where="" if where is None else str(where),
        speaker=_one_of(DerivedSpeaker, data.get("speaker")),
        at=_time(data.get("at")),
        part_of=part_of if isinstance(part_of, str) else None,
        part=_part(data.get("part")),
    )


def _one_of(names: type[_Name], value: object) -> _Name | None:
    return next((it for it in names if it == value), None) if isinstance(value, str) else None


def stated_confidence(value: object) -> float | None:
    """A confidence as a sender states it; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None


def _part(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_PART else None


def _time(value: object) -> Micros | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def standing(texts: Iterable[DerivedText]) -> Standing:
    """Which of the texts count: of each original, kind, and place in it the surest, of equals the newest.

    The languages of translations and summaries count apart. A recording was spoken in one language, so that
    its transcripts in two compete. The confidence of a text in parts is their mean. The result does not
    depend on the order in which the texts are given.
    """
    groups: dict[Hashable, dict[Hashable, list[DerivedText]]] = defaultdict(lambda: defaultdict(list))
    for one in texts:
        language = None if one.kind in VERBATIM else one.language
        whole = ("part_of", one.part_of) if one.part_of is not None else ("id", one.id)
        groups[one.of, one.kind, one.where, language][whole].append(one)
    chosen: list[DerivedText] = []
    beaten: set[str] = set()
    for wholes in groups.values():
        surest = max(wholes.values(), key=_whole_rank)
        parts = _surest_parts(surest)
        kept = {it.id for it in parts}
        chosen += parts
        beaten.update(it.id for whole in wholes.values() for it in whole if it.id not in kept)
    return Standing(sorted(chosen, key=_reading_order), frozenset(beaten))


def _whole_rank(parts: list[DerivedText]) -> tuple[float, tuple[Hashable, ...]]:
    surest = _surest_parts(parts)
    mean = sum(sorted(it.rank for it in surest)) / len(surest)
    return round(mean, 6), max(it.order for it in parts)


def _surest_parts(parts: list[DerivedText]) -> list[DerivedText]:
    """Of the texts for the same part, the surest one, of equals the newest."""
    found: dict[Hashable, DerivedText] = {}
    for one in parts:
        key: Hashable = one.id if one.part is None else (one.part, one.speaker)
        known = found.get(key)
        if known is None or (known.rank, known.order) < (one.rank, one.order):
            found[key] = one
    return list(found.values())


def _reading_order(one: DerivedText) -> tuple[Any, ...]:
    part = -1 if one.part is None else one.part
    return one.at or 0, one.where, one.part_of or "", part, one.order
