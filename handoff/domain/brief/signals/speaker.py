"""The speaker of a touchpoint: a machine's mark beats the stated actor, which beats the type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..packs.pack import Packs, mentions
from ..shapes import TimelineItem
from .signal import Speaker

_STATED: Mapping[str, Speaker] = {
    **dict.fromkeys(
        ("agent", "user", "human", "person", "operator", "employee", "admin", "staff"), Speaker.PERSON
    ),
    **dict.fromkeys(("teammate", "representative", "supervisor", "colleague"), Speaker.PERSON),
    **dict.fromkeys(
        (
            *("bot", "agent_bot", "agentbot", "assistant", "captain_assistant", "ai", "ai_agent", "chatbot"),
            *(
                "system",
                "automation",
                "workflow",
                "template",
                "trigger",
                "macro",
                "campaign",
                "virtual_agent",
            ),
        ),
        Speaker.BOT,
    ),
    **dict.fromkeys(("customer", "contact", "end_user", "visitor", "lead"), Speaker.CUSTOMER),
}
"""Kind of actor -> who it is. Any other is unknown."""

MACHINE_MARKS = frozenset(
    (
        *(
            "auto",
            "auto_submitted",
            "auto_reply",
            "autoreply",
            "automated",
            "automatic",
            "is_bot",
            "bot",
            "by_bot",
        ),
        *("machine", "generated", "is_automated", "is_automatic", "automation_rule_id", "campaign_id"),
    )
)
"""Keys of `data` that, with any value but a false one, mark a program as the author."""
_REPLIES = ("auto", "auto_submitted", "auto_reply", "autoreply")
_FALSE: tuple[object, ...] = (None, False, 0, "", "no", "false", "0", [], {})
MAX_MARKED = 60  # tokens of the beginning of a text in which a machine may identify itself


def marked(data: Mapping[str, Any]) -> bool:
    """Whether a touchpoint's data marks a program as its author."""
    found = MACHINE_MARKS.intersection(data) if data else ()
    return any(data[name] not in _FALSE for name in found)


def automatic(data: Mapping[str, Any]) -> bool:
    """Whether a touchpoint's data marks it as an automatic reply: an acknowledgement, not a bot's words."""
    return any(data.get(name) not in _FALSE for name in _REPLIES)


def speaker_of(item: TimelineItem, packs: Packs, outbound: str | None, tokens: Sequence[str] = ()) -> Speaker:
    """The sender of a touchpoint; `outbound` is its source's declaration for our outbound messages,
    `tokens` are those of the beginning of a sent message.

    Adapters whose vendors leave it open state an actor of no known kind, whose words do
    not count as an answer. A sender that states no actor at all speaks for a person.
    """
    if item.direction == "inbound":
        return Speaker.CUSTOMER
    stated = _STATED.get(item.by.lower()) if item.by else None
    if (
        stated is Speaker.BOT
        or outbound == "bot"
        or marked(item.data)
        or item.type == "email.auto_replied"
        or item.by == "template"
    ):
        return Speaker.BOT
    if tokens and _identifies_machine(tokens[:MAX_MARKED], packs):
        return Speaker.BOT
    if stated is not None:
        return stated
    if outbound == "person":
        return Speaker.PERSON
    return Speaker.UNKNOWN if item.by else Speaker.PERSON


def _identifies_machine(tokens: Sequence[str], packs: Packs) -> bool:
    if packs.first_words["machine"].isdisjoint(tokens):
        return False
    return any(
        mentions(tokens, table)
        for pack in packs.chosen(None, tokens)
        if (table := pack.phrases.get("machine"))
    )
