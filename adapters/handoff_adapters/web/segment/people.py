"""The person in a tracked event, and the assurance of their handles."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from handoff.adapter.contract import InboundRequest, Mentions
from handoff.adapter.signatures import any_equal
from handoff.domain.errors import HandoffError
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.text.memo import cached_if_short
from handoff_adapters.shared.fields import first_text, mapping, sequence, text
from handoff_adapters.shared.handles import HandleReader, StatedText, handle, of_customer
from handoff_adapters.shared.partial_json import readable_part

from .event import PROOFS, TrackedEvent, event
from .options import SegmentOptions
from .routes import BATCH, pixel_event, route

VERIFIED, CLAIMED = Assurance.VERIFIED, Assurance.CLAIMED
_PHONES = ("phone", "phone_number", "phoneNumber")
_MERGE_TYPES: Mapping[str, str] = {
    "user": "user",
    "userid": "user",
    "email": "email",
    "phone": "phone",
    "phonenumber": "phone",
    "mobile": "phone",
    "anonymousid": "anonymous",
}
"""Type of a merge property (letters only, in lower case) → type of our identity."""
_MERGE_ORDER = ("user", "email", "phone", "anonymous")
_FORM = "callback.requested"
_CONTACT_CALLS = frozenset({_FORM})
MAX_EVENTS = 100  # of an unreadable batch that are searched for people
_LOOKED_AT = 2_500  # values of such a batch that may be events
_OF_PERSON = ("email", *_PHONES, *PROOFS)
_OF_CONTEXT = ("sessionId", "traits", *PROOFS)


def identities(
    event: TrackedEvent, touchpoint_type: str, options: SegmentOptions, read: HandleReader
) -> tuple[Handle, ...]:
    """The person's handles, the home first; empty when the event names nobody.

    Email and phone come from the traits, and from the form of a callback request.
    """
    item, traits = event.item, event.traits
    form = event.properties if touchpoint_type in _CONTACT_CALLS else {}
    return read(
        text(item.get("anonymousId")),
        text(item.get("previousId")) if event.call == "alias" else None,
        text(item.get("userId")),
        "proved" if options.identity_proof_secret and _is_proved(event, options) else None,
        text(traits.get("email")) if traits else None,
        first_text(traits, *_PHONES) if traits else None,
        text(form.get("email")) if form else None,
        first_text(form, *_PHONES) if form else None,
    )


def identities_of(options: SegmentOptions, own: frozenset[tuple[str, str]]) -> HandleReader:
    """The function that reads a person's handles for one source.

    The order for a server is user, email, phone, anonymous. For a browser the visitor id comes first,
    because every repeat of an event carries it and nobody else knows it.
    """
    server, region, space = options.from_server, options.default_region, options.space
    by_trait = {
        trait: VERIFIED if server and trait in options.verified_traits else CLAIMED
        for trait in ("email", "phone")
    }

    @cached_if_short  # a visit has many events
    def read(
        visitor: StatedText,
        previous: StatedText,
        user: StatedText,
        proved: StatedText,
        email: StatedText,
        phone: StatedText,
        form_email: StatedText,
        form_phone: StatedText,
    ) -> tuple[Handle, ...]:
        visitors = (
            handle("anonymous", visitor, VERIFIED, space=space),
            # Anyone with a browser's write key can state any previous id, and ids before an alias are
            # often guessable, so only a server's alias joins identities.
            handle("anonymous", previous, VERIFIED if server else CLAIMED, space=space),
        )
        users = (handle("user", user, VERIFIED if server or proved else CLAIMED, space=options.user_space),)
        contacts = (
            handle("email", email, by_trait["email"]),
            handle("phone", phone, by_trait["phone"], region=region),
            handle("email", form_email, CLAIMED),
            handle("phone", form_phone, CLAIMED, region=region),
        )
        ordered = (users, contacts, visitors) if server else (visitors, users, contacts)
        return of_customer(chain.from_iterable(ordered), own)

    return read


def merged(
    item: Mapping[str, Any], options: SegmentOptions, own: frozenset[tuple[str, str]]
) -> tuple[Handle, ...]:
    """The handles that RudderStack's `merge` call states to be one person's; none from a browser.

    The business states it itself, so it joins what it names.
    """
    if not options.from_server:
        return ()
    handles = []
    for stated in map(mapping, sequence(item.get("mergeProperties"))):
        type_ = _MERGE_TYPES.get("".join(filter(str.isalpha, (text(stated.get("type")) or "").lower())))
        space = {"user": options.user_space, "anonymous": options.space}.get(type_ or "", "")
        region = options.default_region
        if type_:
            handles.append(handle(type_, stated.get("value"), VERIFIED, space=space, region=region))
    found = of_customer(handles, own)
    return tuple(sorted(found, key=lambda it: _MERGE_ORDER.index(it.identity.type)))


def mentions(
    request: InboundRequest, options: SegmentOptions, read: HandleReader, own: frozenset[tuple[str, str]]
) -> Mentions:
    """The people and sessions of all events that can be read."""
    items, whole = _events(request)
    found: dict[Identity, None] = {}
    threads: dict[tuple[str, str], None] = {}
    for item in items:
        tracked = event(item, (text(item.get("type")) or "").lower())
        for stated in (*identities(tracked, _FORM, options, read), *merged(item, options, own)):
            found[stated.identity] = None
        if session := text(tracked.context.get("sessionId")):
            threads[options.space, session] = None
    return Mentions(identities=tuple(found), threads=tuple(threads), complete=whole)


def _events(request: InboundRequest) -> tuple[list[Mapping[str, Any]], bool]:
    """The events that can be read, with what `mentions` looks at, and whether these are all."""
    try:
        where = route(request.path)
        if where.pixel:
            return [pixel_event(request)], True
        call = where.call
    except HandoffError:
        call = BATCH
    part = readable_part(request.body)
    body = mapping(part.value)
    if call != BATCH:
        return [{**_narrowed(body, {}), "type": call}] if body else [], part.whole
    stated: Sequence[object] = sequence(body["batch"]) if "batch" in body else (body,)
    found = [it for it in map(mapping, stated[:_LOOKED_AT]) if it]
    shared = mapping(body.get("context"))
    whole = part.whole and len(stated) <= _LOOKED_AT and len(found) <= MAX_EVENTS
    return [_narrowed(it, shared) for it in found[:MAX_EVENTS]], whole


def _narrowed(item: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """An event with only those parts of its contexts and traits that name people: the rest may be large."""
    context = _only(_OF_CONTEXT, shared) | _only(_OF_CONTEXT, mapping(item.get("context")))
    context["traits"] = _only(_OF_PERSON, mapping(context.get("traits")))
    traits = _only(_OF_PERSON, mapping(item.get("traits")))
    properties = sequence(item.get("mergeProperties"))[:MAX_EVENTS]
    return {**item, "context": context, "traits": traits, "mergeProperties": properties}


def _only(names: Sequence[str], stated: Mapping[str, Any]) -> dict[str, Any]:
    return {name: stated[name] for name in names if name in stated}


def _is_proved(event: TrackedEvent, options: SegmentOptions) -> bool:
    user_id = text(event.item.get("userId"))
    return user_id is not None and _proved(user_id, _proofs(event), options.identity_proof_secret)


def _proofs(event: TrackedEvent) -> list[str]:
    places = (event.context, mapping(event.item.get("traits")), mapping(event.context.get("traits")))
    return [proof for place in places for name in PROOFS if (proof := text(place.get(name)))]


def _proved(user_id: str, proofs: Sequence[str], secrets: Sequence[str]) -> bool:
    """Whether one of `proofs` is the hexadecimal HMAC-SHA256 of `user_id` under one of `secrets`."""
    message = user_id.encode("utf-8")
    expected = [hmac.new(key.encode(), message, hashlib.sha256).hexdigest().encode() for key in secrets]
    return any(any_equal(proof.lower().encode("utf-8"), expected) for proof in proofs)
