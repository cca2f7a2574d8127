"""Facts not to ask for again: references, form entries, and what is known of the person.

The same fact from several touchpoints is one line: its newest value, those before it, and a count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.consent import CONSENT_TYPES, GIVEN, Consent, current_consents, is_purpose, stated_time
from handoff.domain.identity import Assurance

from ..lines import first_word, line, same, word
from ..matters import Matter
from ..shapes import BriefLine, EarlierHandoff, TimelineItem
from ..signals import NamedReference
from ..story import Story
from .answered import RECENT
from .languages import written_in
from .wants import quoted_items, words_of

MAX_BEFORE = 3  # older values shown beside the newest
MAX_PASSED_ON = 10  # facts from earlier handoffs, the newest
MAX_UNQUOTED = 4  # numbers of messages that are quoted in part
MANY = 12  # facts after which the customer's name might not be read
MAX_PARTS = 10  # of one structured value, such as an address

REFERENCES = frozenset(
    {
        *("order", "orderid", "ordernumber", "orderno", "booking", "bookingid", "bookingnumber"),
        *("bookingreference", "case", "caseid", "casenumber", "ticket", "ticketid", "ticketnumber"),
        *("policy", "policyid", "policynumber", "claim", "claimid", "claimnumber", "contract"),
        *("contractid", "contractnumber", "invoice", "invoiceid", "invoicenumber", "reference"),
        *("referencenumber", "customernumber", "accountnumber", "meternumber", "trackingnumber"),
        *("prescription", "prescriptionnumber", "permit", "permitnumber", "subscription"),
        *("subscriptionid", "licence", "license", "licensekey", "serialnumber", "flight", "flightnumber"),
    }
)
"""Names of `data` whose value is the number of an order, case, or contract, as they are compared."""

_SECRET = (
    "password",
    "passcode",
    "passwort",
    "cvv",
    "cvc",
    "securitycode",
    "cardnumber",
    "creditcard",
    "otp",
)
_SECRETS = frozenset({"pin", "pan", "token", "secret", "onetimecode", "verificationcode"})
_INTERNAL_TRAITS = frozenset(
    {"id", "avatar", "avatarurl", "thumbnail", "createdat", "updatedat", "lastactivityat", "identifier"}
)
"""Traits that systems keep for themselves."""
_VERIFIED = Assurance.VERIFIED.value
_CONTACTS: Mapping[str, str] = {
    **dict.fromkeys(("email", "emailaddress", "mail", "mailaddress", "eposti", "epost"), "email"),
    **dict.fromkeys(("phone", "phonenumber", "mobile", "mobilenumber", "telephone", "tel"), "phone"),
    **dict.fromkeys(("puhelin", "telefon", "telefonnummer", "handy", "telefono"), "phone"),
}
"""Names of addresses and numbers by which somebody is reached -> type of the identity."""
_NAMES = frozenset({"name", "fullname", "firstname", "lastname", "customername"})
_FORM_PARTS = ("fields", "values", "answers")
_LABELS = ("label", "title", "name", "id")
_CAMEL = re.compile(r"([a-z])([A-Z])([a-z]?)")


class Fact(Struct, frozen=True):
    """One statement of a value. `rank` orders kinds: references, then forms, then traits."""

    rank: int
    name: str
    value: str
    typed: bool = False
    """An address or number that somebody only typed in, however sure it is who they are."""


def known(story: Story) -> list[BriefLine]:
    """References first, then form fields, then traits; of each kind the newest first. Before them what
    the customer corrected and what earlier parties passed on, after them the customer's language."""
    facts = [*_withdrawn(story), *_corrected(story), *_passed_on(story), *_stated(story.items)]
    facts[:0] = _unquoted(story, facts)
    return _who_first([*facts, *written_in(story, facts)])


def _withdrawn(story: Story) -> list[BriefLine]:
    """Purposes for which the customer withdrew consent: what the agent must not do now."""
    items = {it.id: it for it in story.items if it.type in CONSENT_TYPES}
    stated = [
        Consent(
            purpose=str(it.data.get("purpose")),
            given=it.type == GIVEN,
            at=stated_time(it.data.get("at")) or it.occurred_at,
            assurance=Assurance(it.assurance),
            channel=it.channel,
            id=it.id,
        )
        for it in items.values()
        if is_purpose(it.data.get("purpose"))
    ]
    return [
        line("consent_withdrawn", {"purpose": it.purpose}, [items[it.id]], f"Consent withdrawn: {it.purpose}")
        for it in current_consents(stated)
        if not it.given
    ]


def _who_first(facts: list[BriefLine]) -> list[BriefLine]:
    """A long form does not push the customer's name off the screen."""
    if len(facts) <= MANY:
        return facts
    names = [it for it in facts[MANY:] if it.code == "fact" and same(word(it.params.get("name"))) in _NAMES]
    return names + [it for it in facts if it not in names]


def _unquoted(story: Story, facts: Sequence[BriefLine]) -> list[BriefLine]:
    """Numbers that wishes are about and that no line shows, because their message is quoted in part."""
    shown = {same(word(it.params.get("value"))) for it in facts}
    found: dict[str, BriefLine] = {}
    for matter in story.live():
        named = [it for it in (*matter.references.values(), *_given(story, matter)) if it.value not in shown]
        if len(found) == MAX_UNQUOTED:
            named = [it for it in named if it.value in found]  # a later matter may show it as its own
        if not named:
            continue
        quoted = "\n".join(
            [same(words_of(story, matter, it)) + same(it.subject or "") for it in quoted_items(story, matter)]
        )
        named = [it for it in named if it.value not in quoted]
        proofs = _proofs(story, matter) if named else {}
        for reference in named:
            proof = proofs.get(reference.value)
            if proof and (len(found) < MAX_UNQUOTED or reference.value in found):
                name = reference.label or "number"
                params = {"name": name, "value": reference.shown}
                found[reference.value] = line("fact", params, proof, f"{name}: {reference.shown}")
    return list(found.values())


def _given(story: Story, matter: Matter) -> Iterator[NamedReference]:
    """Numbers in answers that are too old to be quoted."""
    for answer in matter.answers:
        if story.now - answer.at > RECENT:
            yield from (it for it in answer.references if not matter.named(it))


def _proofs(story: Story, matter: Matter) -> dict[str, list[TimelineItem]]:
    """The messages of a matter that name each value."""
    found: dict[str, list[TimelineItem]] = {}
    for signal in (*(ask.signal for ask in matter.asks), *matter.answers):
        for value in dict.fromkeys([it.value for it in signal.references]):
            found.setdefault(value, []).append(story.by_id[signal.id])
    return found


def _stated(items: Sequence[TimelineItem]) -> list[BriefLine]:
    facts: dict[tuple[str, str], list[tuple[Fact, TimelineItem]]] = {}
    for item in items:
        if not (item.data or item.traits):
            continue
        for fact in item.once("facts", partial(_all_facts, item)):
            assurance = Assurance.CLAIMED if fact.typed and item.assurance == _VERIFIED else item.assurance
            facts.setdefault((assurance, same(fact.name)), []).append((fact, item))
    verified = {
        (_CONTACTS.get(name, name), same(stated[-1][0].value))
        for (assurance, name), stated in facts.items()
        if assurance == Assurance.VERIFIED
    }
    lines = []
    for (assurance, name), stated in facts.items():
        contact = (_CONTACTS.get(name, name), same(stated[-1][0].value))
        repeats = assurance != _VERIFIED and contact in verified
        if not repeats:  # a claim adds nothing to a verified fact
            last = stated[-1][1].occurred_at
            rank = min(fact.rank for fact, _ in stated)
            lines.append(((rank, -last, name, assurance), _marked(_line(stated), assurance)))
    return [it for _order, it in sorted(lines, key=lambda found: found[0])]


def _marked(made: BriefLine, assurance: str) -> BriefLine:
    """A line that is less sure than the touchpoints that state it."""
    if assurance == _VERIFIED or made.assurance != _VERIFIED:
        return made
    return msgspec.structs.replace(made, assurance=str(assurance), text=f"({assurance}) {made.text}")


def _corrected(story: Story) -> list[BriefLine]:
    """Numbers that the customer corrected, with the earlier values."""
    lines = []
    for matter in story.folded.matters:
        for value, old in matter.before.items():
            reference = matter.references.get(value)
            if reference is None or not matter.unsettled:
                continue
            proof = [
                story.by_id[ask.signal.id]
                for ask in matter.asks
                if any(it.value == value for it in ask.signal.references)
            ]
            asked = [story.by_id[ask.signal.id] for ask in matter.asks]
            name = reference.label or "number"
            params = {"name": name, "value": reference.shown, "before": [old]}
            text = f"{name}: {reference.shown} (before: {old}), corrected"
            lines.append(line("fact", params, proof, text, [it for it in asked if old in (it.text or "")]))
    return lines


def _passed_on(story: Story) -> list[BriefLine]:
    """Context that earlier parties wrote into their handoffs; the newest value of each name."""
    lines: dict[str, BriefLine] = {}
    for handoff in sorted(story.handoffs, key=lambda it: it.requested_at):
        for name, value in _context(handoff):
            proof = [it for it in story.items if it.data.get("handoff") == handoff.id][:1]
            params: dict[str, Any] = {"name": _spaced(name), "value": value, "from": handoff.sender}
            text = f"{params['name']}: {value} (from {handoff.sender})"
            if _secret(name):
                params |= {"value": None, "withheld": True}
                text = f"{params['name']}: given, not shown"
            lines.pop(same(name), None)
            lines[same(name)] = line("passed_on", params, proof, text)
    story.left_out["known"] += max(len(lines) - MAX_PASSED_ON, 0)
    return list(lines.values())[-MAX_PASSED_ON:]


def _context(handoff: EarlierHandoff) -> Iterator[tuple[str, str]]:
    if isinstance(handoff.context, Mapping):
        for name, value in handoff.context.items():
            shown = _value(value)
            if shown and same(str(name)):
                yield str(name), shown
    elif shown := _value(handoff.context):
        yield "context", shown


def _line(stated: Sequence[tuple[Fact, TimelineItem]]) -> BriefLine:
    newest = stated[-1][0]
    proof = list({it.id: it for _fact, it in stated}.values())
    if _secret(newest.name):
        params: dict[str, Any] = {"name": newest.name, "value": None, "withheld": True}
        return line("fact", params, proof, f"{newest.name}: given, not shown")
    older = dict.fromkeys(fact.value for fact, _it in reversed(stated))
    before = [value for value in older if same(value) != same(newest.value)][:MAX_BEFORE]
    params = {"name": newest.name, "value": newest.value}
    text = f"{newest.name}: {newest.value}"
    if before:
        params["before"] = before
        text += f" (before: {', '.join(before)})"
    return line("fact", params, proof, text)


def _all_facts(item: TimelineItem) -> tuple[Fact, ...]:
    return tuple(_facts(item))


def _facts(item: TimelineItem) -> Iterator[Fact]:
    """The facts in a touchpoint of the customer's own; our notes and messages are left out."""
    if item.visibility != "public" or item.direction != "inbound":
        return
    yield from _references(item.data)
    if item.type in ("form.submitted", "form.failed"):
        for part in _FORM_PARTS:
            for fact in _fields(item.data.get(part)):
                typed = same(fact.name) in _CONTACTS
                yield Fact(fact.rank, fact.name, fact.value, True) if typed else fact
    traits = {name: value for name, value in item.traits.items() if same(name) not in _INTERNAL_TRAITS}
    for fact in _named(2, traits):
        typed = _CONTACTS.get(same(fact.name)) in item.claims
        yield Fact(fact.rank, fact.name, fact.value, True) if typed else fact


def _references(data: Mapping[str, Any]) -> Iterator[Fact]:
    """Numbers of orders, cases, contracts; a value without a digit does not count."""
    for name, value in data.items():
        if same(name) in REFERENCES:
            shown = word(value)
            if any(it.isdigit() for it in shown):
                yield Fact(0, _spaced(name), shown)


def _named(rank: int, stated: Mapping[str, Any]) -> Iterator[Fact]:
    for name, value in stated.items():
        shown = _value(value)
        if shown and same(name):
            yield Fact(0 if same(name) in REFERENCES else rank, _spaced(name), shown)


def _fields(stated: object) -> Iterator[Fact]:
    """Fields of a form: by name, or a list of {label | title | name | id, value}."""
    if isinstance(stated, Mapping):
        yield from _named(1, stated)
    elif isinstance(stated, list):
        for field in stated:
            if isinstance(field, Mapping):
                yield from _named(1, {first_word(*(field.get(key) for key in _LABELS)): field.get("value")})


def _value(value: object) -> str:
    """A value in words; one level of structure, such as an address, is put on one line."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        parts = [found for part in value[:MAX_PARTS] if (found := word(part))]
        return word(", ".join(parts))
    return word(value)


def _spaced(name: str) -> str:
    """`order_number` and `orderNumber` as people write them."""
    apart = _CAMEL.sub(
        lambda found: f"{found[1]} {found[2].lower() if found[3] else found[2]}{found[3]}", name
    )
    return word(apart.replace("_", " ").replace("-", " "))


def _secret(name: str) -> bool:
    """Passwords and card numbers: the brief may show that they were given, but not their values."""
    plain = same(name)
    return plain in _SECRETS or any(part in plain for part in _SECRET)
