"""Mail received, sent, bounced and answered by machines."""

from __future__ import annotations

from typing import Any

from bench.kinds.chat import agent
from bench.kinds.fact import Fact
from bench.people import Shop, Speaker, hexadecimal, some_name, some_uuid
from handoff.domain.identity import Identity
from handoff.domain.touchpoint import Direction, Participant


def _mail(it: Speaker, shop: Shop, type: str, data: dict[str, Any], **more: Any) -> Fact:
    random = it.random
    message_id = random.choice(
        (
            f"{hexadecimal(random, 32)}@{it.customer.email.partition('@')[2]}",
            f"CA{hexadecimal(random, 40)}@mail.gmail.com",
            f"{some_uuid(random).upper()}@{some_name(random)}.example",
        )
    )
    stated = {"message_id": f"<{message_id}>", "from": it.customer.email, "to": [shop.address]}
    if random.random() < 0.4:
        stated["in_reply_to"] = f"<{hexadecimal(random, 24)}@{shop.host}>"
    return Fact(
        id=message_id,
        source=shop.mail,
        channel="email",
        type=type,
        data=stated | data,
        subject=it.pick(it.customer.words.subjects),
        thread=f"<{hexadecimal(random, 24)}@{it.customer.email.partition('@')[2]}>",
        **more,
    )


def received(it: Speaker, shop: Shop) -> Fact:
    random = it.random
    signed = random.choice(("pass", "none"))
    checks = {"spf": "pass", "dkim": signed, "dmarc": random.choice(("pass", "none"))}
    words = it.paragraphs(it.customer.words.mail, random.randint(2, 7))
    if random.random() < 0.3:
        quoted = it.paragraphs(it.customer.words.mail_agent, 2).replace("\n", "\n> ")
        words += f"\n\nOn Mon, 2 Feb 2026 at 10:1{random.randrange(10)}, {shop.address} wrote:\n> {quoted}"
    attachments: tuple[dict[str, Any], ...] = ()
    if random.random() < 0.2:
        size = random.randrange(10**6)
        attachments = ({"name": "image001.png", "content_type": "image/png", "size": size},)
    copy = Participant(Identity("email", "", f"{some_name(random)}@{some_name(random)}.example"), "cc")
    return _mail(
        it,
        shop,
        "email.received",
        {"authentication": checks},
        text=words,
        attachments=attachments,
        participants=(copy,) if random.random() < 0.15 else (),
        traits={"name": it.customer.name},
    )


def sent(it: Speaker, shop: Shop) -> Fact:
    words = it.paragraphs(it.customer.words.mail_agent, it.random.randint(1, 4))
    data = {"from": shop.address, "to": [it.customer.email]}
    return _mail(it, shop, "email.sent", data, text=words, actor=agent(it, shop))


def came_back(it: Speaker, shop: Shop) -> Fact:
    if it.random.random() < 0.5:
        data: dict[str, Any] = {"auto_submitted": "auto-replied"}
        return _mail(it, shop, "email.auto_replied", data, text=it.pick(it.customer.words.mail_agent))
    code = it.random.choice(("5.1.1", "5.2.2", "4.4.1"))
    data = {"from": "MAILER-DAEMON", "action": "failed", "status": code}
    data |= {"recipient": it.customer.email, "diagnostic": "smtp; 550 5.1.1 The email account does not exist"}
    return _mail(it, shop, "email.bounced", data, direction=Direction.OUTBOUND)
