"""Mail as `email.smtp` files it: received, sent, bounced and answered by machines."""

from __future__ import annotations

from typing import Any

from bench.kinds.fact import Fact
from bench.people import Shop, Speaker, hexadecimal, some_name, some_uuid
from handoff.domain.identity import Identity
from handoff.domain.touchpoint import Direction, Participant

_ATTACHMENTS = (
    ("image001.png", "image/png", True),
    ("IMG_2043.jpeg", "image/jpeg", False),
    ("receipt.pdf", "application/pdf", False),
    ("invoice.pdf", "application/pdf", False),
)


def _message_id(speaker: Speaker, shop: Shop) -> str:
    random = speaker.random
    name = random.choice(
        (
            f"{hexadecimal(random, 32)}@{speaker.customer.email.partition('@')[2]}",
            f"CA{hexadecimal(random, 40)}@mail.gmail.com",
            f"{some_uuid(random).upper()}@{some_name(random)}.example",
            f"{hexadecimal(random, 24)}@{shop.host}",
        )
    )
    return f"<{name}>"


def _mail(speaker: Speaker, shop: Shop, type: str, data: dict[str, Any], **more: Any) -> Fact:
    random = speaker.random
    id_ = _message_id(speaker, shop)
    about: dict[str, Any] = {"mailbox": shop.address, "envelope_from": speaker.customer.email}
    replied = random.random() < 0.4
    if replied:
        about["in_reply_to"] = _message_id(speaker, shop)
    return Fact(
        id=id_,
        source=shop.mail,
        channel="email",
        type=type,
        data=data | about | more.pop("about_text", {}),
        subject=speaker.pick(speaker.customer.words.subjects),
        thread=about["in_reply_to"] if replied else id_,
        **more,
    )


def received(speaker: Speaker, shop: Shop) -> Fact:
    random = speaker.random
    words = speaker.paragraphs(speaker.customer.words.mail, random.randint(2, 7))
    about_text: dict[str, Any] = {"text_from": "html"} if random.random() < 0.4 else {}
    if random.random() < 0.3:
        answer = speaker.paragraphs(speaker.customer.words.mail_agent, 2).replace("\n", "\n> ")
        quoted = f"\n\nOn Mon, 2 Feb 2026 at 10:1{random.randrange(10)}, {shop.address} wrote:\n> {answer}"
        about_text |= {"full_text_length": len(words) + len(quoted), "quoted_at": len(words)}
        about_text["quoted"] = quoted
    copy = Participant(Identity("email", "", f"{some_name(random)}@{some_name(random)}.example"), "cc")
    return _mail(
        speaker,
        shop,
        "email.received",
        {"dmarc": random.choice(("pass", "none", "fail"))} if random.random() < 0.6 else {},
        text=words,
        about_text=about_text,
        attachments=_attachments(speaker) if random.random() < 0.2 else (),
        participants=(copy,) if random.random() < 0.15 else (),
        actor={"type": "customer", "name": speaker.customer.name},
        traits={"name": speaker.customer.name},
    )


def _attachments(speaker: Speaker) -> tuple[dict[str, Any], ...]:
    random = speaker.random
    chosen = random.sample(_ATTACHMENTS, random.choice((1, 1, 2)))
    return tuple(
        {
            "name": name,
            "content_type": type_,
            "size": random.randrange(10**6),
            "sha256": hexadecimal(random, 64),
            "inline": inline,
        }
        for name, type_, inline in chosen
    )


def sent(speaker: Speaker, shop: Shop) -> Fact:
    words = speaker.paragraphs(speaker.customer.words.mail_agent, speaker.random.randint(1, 4))
    by = {"type": "agent", "name": speaker.random.choice(shop.agents)[1]}
    return _mail(speaker, shop, "email.sent", {}, text=words, actor=by)


def came_back(speaker: Speaker, shop: Shop) -> Fact:
    if speaker.random.random() < 0.5:
        data: dict[str, Any] = {"auto": ["auto-submitted"]}
        by = {"type": "customer", "name": speaker.customer.name}
        return _mail(
            speaker,
            shop,
            "email.auto_replied",
            data,
            text=speaker.pick(speaker.customer.words.mail_agent),
            actor=by,
        )
    status = speaker.random.choice(("5.1.1", "5.2.2", "4.4.1", "5.7.1", "5.4.1"))
    diagnostic = f"smtp; 550 {status} <{speaker.customer.email}>: Recipient address rejected: User unknown"
    data = {"status": status, "action": "failed", "diagnostic": diagnostic}
    data["original_message_id"] = _message_id(speaker, shop)
    return _mail(speaker, shop, "email.bounced", data, direction=Direction.OUTBOUND, actor={"type": "system"})
