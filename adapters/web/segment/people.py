"""Who a tracked event is about, and how sure that is."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.fields import data, first_text, mapping, text
from adapters.handles import handle, of_customer
from adapters.web.segment.options import SegmentOptions
from handoff.domain.identity import Assurance, Handle
from handoff.services.signatures import any_equal

VERIFIED, CLAIMED = Assurance.VERIFIED, Assurance.CLAIMED
_PROOFS = ("userHash", "user_hash", "identityProof", "identity_proof")
_PHONES = ("phone", "phone_number", "phoneNumber")
_CONTACT_CALLS = frozenset({"callback.requested"})


def traits_of(item: Mapping[str, Any], call: str) -> dict[str, Any]:
    """What is stated about the person: Segment says it at the top, RudderStack under `context`.

    The top-level traits of a `group` call describe the account, not the person.
    """
    context_traits = mapping(mapping(item.get("context")).get("traits"))
    top = {} if call == "group" else mapping(item.get("traits"))
    return {key: value for key, value in {**context_traits, **top}.items() if key not in _PROOFS}


def identities(
    item: Mapping[str, Any],
    call: str,
    touchpoint_type: str,
    options: SegmentOptions,
    own: frozenset[tuple[str, str]],
) -> tuple[Handle, ...]:
    """The handles of the person, the home first; empty when the event names nobody.

    From a server: user, email, phone, anonymous. From a browser the visitor id comes first, because
    every repeat of an event carries it and nobody else knows it.
    """
    contact = _contact(item, call, touchpoint_type, options)
    visitor = _visitors(item, call, options)
    user = [handle("user", item.get("userId"), _user_assurance(item, options), space=options.user_space)]
    ordered = [*user, *contact, *visitor] if options.from_server else [*visitor, *user, *contact]
    return of_customer(ordered, own)


def _visitors(item: Mapping[str, Any], call: str, options: SegmentOptions) -> list[Handle | None]:
    found = [handle("anonymous", item.get("anonymousId"), VERIFIED, space=options.space)]
    if call == "alias":
        # Anybody can name any previous id to a browser's write key, and ids before an alias are
        # often guessable: only a server's word for it joins.
        assurance = VERIFIED if options.from_server else CLAIMED
        found.append(handle("anonymous", item.get("previousId"), assurance, space=options.space))
    return found


def _user_assurance(item: Mapping[str, Any], options: SegmentOptions) -> Assurance:
    if options.from_server:
        return VERIFIED
    user_id = text(item.get("userId"))
    proved = user_id is not None and _proved(user_id, _proofs(item), options.identity_proof_secret)
    return VERIFIED if proved else CLAIMED


def _proofs(item: Mapping[str, Any]) -> list[str]:
    context = mapping(item.get("context"))
    places = (context, mapping(item.get("traits")), mapping(context.get("traits")))
    return [proof for place in places for name in _PROOFS if (proof := text(place.get(name)))]


def _proved(user_id: str, proofs: Sequence[str], secrets: Sequence[str]) -> bool:
    """Whether one of `proofs` is the hexadecimal HMAC-SHA256 of `user_id` under one of `secrets`."""
    message = user_id.encode("utf-8")
    expected = [hmac.new(key.encode(), message, hashlib.sha256).hexdigest().encode() for key in secrets]
    return any(any_equal(proof.lower().encode("utf-8"), expected) for proof in proofs)


def _contact(
    item: Mapping[str, Any], call: str, touchpoint_type: str, options: SegmentOptions
) -> list[Handle | None]:
    """Email and phone from the traits, and from the form in which somebody asks to be called."""
    traits = traits_of(item, call)
    found = [
        handle("email", traits.get("email"), _trait_assurance("email", options)),
        handle(
            "phone",
            first_text(traits, *_PHONES),
            _trait_assurance("phone", options),
            region=options.default_region,
        ),
    ]
    if touchpoint_type in _CONTACT_CALLS:
        form = mapping(item.get("properties"))
        found.append(handle("email", form.get("email"), CLAIMED))
        found.append(handle("phone", first_text(form, *_PHONES), CLAIMED, region=options.default_region))
    return found


def _trait_assurance(trait: str, options: SegmentOptions) -> Assurance:
    return VERIFIED if options.from_server and trait in options.verified_traits else CLAIMED


def bounded_traits(item: Mapping[str, Any], call: str) -> dict[str, Any]:
    """`traits_of` as a touchpoint may carry them. Unprocessable when they are nested too deep."""
    return data(traits_of(item, call))
