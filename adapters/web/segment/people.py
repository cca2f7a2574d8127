"""Who a tracked event is about, and how sure that is."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from adapters.fields import first_text, mapping, text
from adapters.handles import handle, of_customer
from adapters.web.segment.event import PROOFS, Event
from adapters.web.segment.options import SegmentOptions
from handoff.domain.identity import Assurance, Handle
from handoff.services.signatures import any_equal

VERIFIED, CLAIMED = Assurance.VERIFIED, Assurance.CLAIMED
_PHONES = ("phone", "phone_number", "phoneNumber")
_CONTACT_CALLS = frozenset({"callback.requested"})


def identities(
    it: Event, touchpoint_type: str, options: SegmentOptions, own: frozenset[tuple[str, str]]
) -> tuple[Handle, ...]:
    """The handles of the person, the home first; empty when the event names nobody.

    From a server: user, email, phone, anonymous. From a browser the visitor id comes first, because
    every repeat of an event carries it and nobody else knows it.
    """
    contact = _contact(it, touchpoint_type, options)
    visitor = _visitors(it, options)
    user = handle("user", it.item.get("userId"), _user_assurance(it, options), space=options.user_space)
    ordered = (user, *contact, *visitor) if options.from_server else (*visitor, user, *contact)
    return of_customer(ordered, own)


def _visitors(it: Event, options: SegmentOptions) -> tuple[Handle | None, ...]:
    space = options.space
    visitor = handle("anonymous", it.item.get("anonymousId"), VERIFIED, space=space)
    if it.call != "alias":
        return (visitor,)
    # Anybody can name any previous id to a browser's write key, and ids before an alias are
    # often guessable: only a server's word for it joins.
    assurance = VERIFIED if options.from_server else CLAIMED
    return visitor, handle("anonymous", it.item.get("previousId"), assurance, space=space)


def _user_assurance(it: Event, options: SegmentOptions) -> Assurance:
    if options.from_server:
        return VERIFIED
    if not options.identity_proof_secret:
        return CLAIMED
    user_id = text(it.item.get("userId"))
    proved = user_id is not None and _proved(user_id, _proofs(it), options.identity_proof_secret)
    return VERIFIED if proved else CLAIMED


def _proofs(it: Event) -> list[str]:
    places = (it.context, mapping(it.item.get("traits")), mapping(it.context.get("traits")))
    return [proof for place in places for name in PROOFS if (proof := text(place.get(name)))]


def _proved(user_id: str, proofs: Sequence[str], secrets: Sequence[str]) -> bool:
    """Whether one of `proofs` is the hexadecimal HMAC-SHA256 of `user_id` under one of `secrets`."""
    message = user_id.encode("utf-8")
    expected = [hmac.new(key.encode(), message, hashlib.sha256).hexdigest().encode() for key in secrets]
    return any(any_equal(proof.lower().encode("utf-8"), expected) for proof in proofs)


def _contact(it: Event, touchpoint_type: str, options: SegmentOptions) -> list[Handle | None]:
    """Email and phone from the traits, and from the form in which somebody asks to be called."""
    traits, region = it.traits, options.default_region
    found: list[Handle | None] = []
    if traits:
        found.append(handle("email", traits.get("email"), _trait_assurance("email", options)))
        phone = first_text(traits, *_PHONES)
        found.append(handle("phone", phone, _trait_assurance("phone", options), region=region))
    if touchpoint_type in _CONTACT_CALLS:
        form = it.properties
        found.append(handle("email", form.get("email"), CLAIMED))
        found.append(handle("phone", first_text(form, *_PHONES), CLAIMED, region=region))
    return found


def _trait_assurance(trait: str, options: SegmentOptions) -> Assurance:
    return VERIFIED if options.from_server and trait in options.verified_traits else CLAIMED
