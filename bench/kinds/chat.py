"""Chat: what `chat.chatwoot` and, for WhatsApp and SMS, `phone.twilio` make of messages."""

from __future__ import annotations

from typing import Any

from bench.kinds.fact import Fact
from bench.people import Shop, Speaker, hexadecimal
from handoff.domain.touchpoint import Direction, Visibility


def _chat(speaker: Speaker, shop: Shop, type: str, data: dict[str, Any], **more: Any) -> Fact:
    random = speaker.random
    traits = {"name": speaker.customer.name, "email": speaker.customer.email}
    return Fact(
        id=more.pop("id", f"message/{random.randrange(10**7)}"),
        source=shop.chat,
        channel="chat",
        type=type,
        data=data,
        thread=str(random.randrange(1, 10**5)),
        traits=random.choice(
            ({}, traits, traits | {"additional_attributes": {"city": speaker.values["city"]}})
        ),
        **more,
    )


def _message_data(speaker: Speaker, shop: Shop) -> dict[str, Any]:
    data: dict[str, Any] = {"content_type": "text", "inbox": shop.inbox}
    if speaker.random.random() < 0.15:
        data["source_id"] = hexadecimal(speaker.random, 24)
    return data


def agent(speaker: Speaker, shop: Shop) -> dict[str, Any]:
    id_, name = speaker.random.choice(shop.agents)
    if speaker.random.random() < 0.4:
        name = speaker.random.choice(("Assistant", "Bot", "Captain", "Chatbot"))
        return {"type": "bot", "id": id_, "name": name}
    return {"type": "agent", "id": id_, "name": name}


def message_in(speaker: Speaker, shop: Shop) -> Fact:
    words = speaker.customer.words
    text = " ".join(speaker.pick(words.chat) for _ in range(speaker.random.choices((1, 2, 3), (7, 2, 1))[0]))
    attachments: tuple[dict[str, Any], ...] = ()
    if speaker.random.random() < 0.08:
        name = speaker.random.choice(("IMG_20260314.jpg", "photo.jpg", "receipt.pdf", "screenshot.png"))
        stored = f"rails/active_storage/blobs/redirect/{hexadecimal(speaker.random, 40)}/{name}"
        size = speaker.random.randrange(10**6)
        url = f"https://{shop.host}/{stored}"
        attachments = ({"name": name, "url": url, "content_type": "image", "size": size},)
    return _chat(
        speaker, shop, "message.received", _message_data(speaker, shop), text=text, attachments=attachments
    )


def message_out(speaker: Speaker, shop: Shop) -> Fact:
    text = " ".join(
        speaker.pick(speaker.customer.words.agent) for _ in range(speaker.random.choices((1, 2), (3, 1))[0])
    )
    return _chat(
        speaker, shop, "message.sent", _message_data(speaker, shop), text=text, actor=agent(speaker, shop)
    )


def message_status(speaker: Speaker, shop: Shop) -> Fact:
    status = speaker.random.choice(("delivered", "read", "failed"))
    message = f"message/{speaker.random.randrange(10**7)}"
    data = {"message": message} | ({"error": "Message undeliverable"} if status == "failed" else {})
    return _chat(
        speaker, shop, f"message.{status}", data, actor=agent(speaker, shop), id=f"{message}/{status}"
    )


def note(speaker: Speaker, shop: Shop) -> Fact:
    words = speaker.pick(speaker.customer.words.notes)
    return _chat(
        speaker, shop, "note.added", _message_data(speaker, shop), text=words, actor=agent(speaker, shop)
    )


def conversation(speaker: Speaker, shop: Shop) -> Fact:
    random = speaker.random
    by = agent(speaker, shop)
    id_, name = random.choice(shop.agents)
    inside: dict[str, Any] = {"direction": Direction.INTERNAL}
    hidden = inside | {"visibility": Visibility.INTERNAL}
    key = f"conversation/{random.randrange(10**5)}/status/{random.randrange(1_760_000_000, 1_790_000_000)}"
    match random.randrange(5):
        case 0:
            path = random.choice(speaker.customer.words.pages)[0]
            data: dict[str, Any] = {"referer": f"https://{shop.host}{path}"}
            return _chat(speaker, shop, "conversation.opened", data, id=key)
        case 1:
            data = {"status": "resolved", "previous_status": "open"}
            return _chat(speaker, shop, "conversation.resolved", data, actor=by, id=key, **inside)
        case 2:
            data = {"status": "open", "previous_status": random.choice(("resolved", "snoozed"))}
            return _chat(speaker, shop, "conversation.reopened", data, actor=by, id=key, **inside)
        case 3:
            data = {"status": "open", "previous_status": "pending", "from": "bot", "to": "human"}
            data["team"] = {"id": str(random.randrange(1, 40)), "name": random.choice(shop.queues)}
            return _chat(speaker, shop, "handoff.requested", data, actor=by, id=key)
    data = {"name": "conversation.assigned", "assignee": {"id": id_, "name": name}}
    data |= {"previous_assignee_id": None, "assignee_id": int(id_)}
    return _chat(speaker, shop, "event.tracked", data, actor=by, id=key, **hidden)


def whatsapp(speaker: Speaker, shop: Shop) -> Fact:
    random, person = speaker.random, speaker.customer
    sid = "SM" + hexadecimal(random, 32)
    inbound = random.random() < 0.6
    ends = ("from", "to") if inbound else ("to", "from")
    scheme = random.choice(("whatsapp:", ""))
    data: dict[str, Any] = {ends[0]: scheme + person.phone, ends[1]: scheme + shop.number}
    if not inbound:
        data |= {"message": sid, "status": "delivered"}
    return Fact(
        id=sid,
        source=shop.phone,
        channel="chat",
        type="message.received" if inbound else "message.delivered",
        data=data,
        medium="whatsapp" if scheme else "sms",
        text=speaker.pick(person.words.chat) if inbound else None,
        thread=f"{data['to']}/{data['from']}",
        traits={"name": person.name} if inbound else {},
    )


def survey(speaker: Speaker, shop: Shop) -> Fact:
    words = speaker.pick(speaker.customer.words.surveys)
    answer = {"rating": speaker.random.randint(1, 5), "feedback_message": words}
    data = {"rating": answer["rating"], "answers": {"csat_survey_response": answer}}
    return _chat(speaker, shop, "survey.answered", data, text=words, direction=Direction.INBOUND)
