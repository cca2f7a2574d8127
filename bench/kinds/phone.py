"""Calls as `phone.twilio` reports them, and the steps of callbacks."""

from __future__ import annotations

from typing import Any

from bench.kinds.fact import Fact
from bench.people import Shop, Speaker, hexadecimal, public_id
from handoff.domain.identity import Identity
from handoff.domain.touchpoint import Direction, Participant
from handoff_adapters.phone.twilio.calls import INBOUND_TYPES, OUTBOUND_TYPES

_STATUSES = ("initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed")
_CALLBACK_STATES = ("requested", "scheduled", "rescheduled", "due", "cancelled", "overdue", "given_up")


def call(speaker: Speaker, shop: Shop) -> Fact:
    random = speaker.random
    sid = "CA" + hexadecimal(random, 32)
    outbound = random.random() < 0.6
    status = random.choice(_STATUSES)
    ends = (shop.number, speaker.customer.phone) if outbound else (speaker.customer.phone, shop.number)
    data: dict[str, Any] = {"status": status, "from": ends[0], "to": ends[1]}
    if status == "completed":
        data["duration_s"] = random.randrange(1200)
    if status == "completed" and outbound and random.random() < 0.5:
        data["answered_by"] = random.choice(("human", "machine_start", "machine_end_beep"))
        if data["answered_by"] != "human":
            data["reason"] = "voicemail"
    if random.random() < 0.3:
        data["parent_call"] = "CA" + hexadecimal(random, 32)
        data["sip_code"] = random.choice(("200", "486", "480"))
    if random.random() < 0.1:
        recordings = f"https://api.twilio.com/2010-04-01/Accounts/{shop.twilio}/Recordings"
        data["recording_url"] = f"{recordings}/RE{hexadecimal(random, 32)}"
    data["leg"] = "outbound-api" if outbound else "inbound"
    number = random.randrange(5)
    return Fact(
        id=f"{sid}/{number}",
        source=shop.phone,
        channel="phone",
        type=OUTBOUND_TYPES[status] if outbound else INBOUND_TYPES[status],
        data=data,
        medium="voice",
        direction=Direction.OUTBOUND if outbound else Direction.INBOUND,
        seq=number,
        thread=sid,
    )


def callback(speaker: Speaker, shop: Shop) -> Fact:
    """A step of a callback."""
    random = speaker.random
    id_ = f"cb_{public_id(random)}"
    state = random.choice(_CALLBACK_STATES)
    day = f"2026-{random.randint(10, 12)}-{random.randint(10, 28)}"
    data: dict[str, Any] = {"callback": id_, "attempts": random.randrange(4)}
    if random.random() < 0.7:
        data["due"] = f"{day}T{random.randint(10, 19)}:{random.choice('0134')}0:00.000000Z"
    return Fact(
        id=f"{id_}/{random.randint(1, 5)}/callback.{state}",
        source="callbacks",
        channel="phone",
        type=f"callback.{state}",
        data=data,
        text=speaker.pick(speaker.customer.words.reasons) if state == "requested" else None,
        thread=id_,
        participants=(Participant(Identity("phone", "", speaker.customer.phone), "called"),),
        actor={"name": random.choice(("desk", "bot", "timer", shop.agents[0][1]))},
    )
