"""What each kind of touchpoint holds: types, texts and the keys of `data` as our adapters write them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from bench.people import Shop, Speaker, hexadecimal, public_id, some_name, some_uuid
from handoff.domain.identity import Identity
from handoff.domain.touchpoint import Direction, Participant, Visibility


class Fact(Struct, frozen=True, kw_only=True):
    """A touchpoint apart from whom it is about and when it happened."""

    id: str
    source: str
    channel: str
    type: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    subject: str | None = None
    text: str | None = None
    language: str | None = None
    medium: str | None = None
    thread: str | None = None
    seq: int | None = None
    amends: str | None = None
    direction: Direction | None = None
    visibility: Visibility | None = None
    actor: dict[str, Any] | None = None
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    attachments: tuple[dict[str, Any], ...] = ()
    participants: tuple[Participant, ...] = ()


def _web(it: Speaker, shop: Shop, type: str, data: dict[str, Any], **more: Any) -> Fact:
    random = it.random
    return Fact(
        id=f"{random.choice(('', 'ajs-next-', 'node-next-'))}{some_uuid(random)}",
        source=shop.web,
        channel="web",
        type=type,
        data=data,
        medium=random.choice(("browser", "browser", "browser", "app", "server", None)),
        language=random.choice((it.customer.words.locale, it.customer.words.locale, None)),
        thread=random.choice((str(random.randrange(1_760_000_000_000, 1_790_000_000_000)), None)),
        **more,
    )


def _visited(it: Speaker, shop: Shop, path: str, title: str) -> dict[str, Any]:
    random = it.random
    campaign = f"?utm_source={random.choice(('newsletter', 'google', 'facebook'))}&utm_medium=email"
    query = random.choices(("", campaign, f"?ref={some_name(random)}"), (8, 1, 1))[0]
    site = random.choice((shop.host.removeprefix("www.").split(".")[0].capitalize(), shop.host))
    referrer = random.choice(
        (f"https://{shop.host}/", f"https://{shop.host}{random.choice(it.customer.words.pages)[0]}",
         "https://www.google.com/", "https://www.bing.com/", "")
    )  # fmt: skip
    found = {
        "url": f"https://{shop.host}{path}{query}",
        "title": random.choice((title, f"{title} | {site}", f"{title} - {site}")),
        "path": path,
    }
    return found | ({"referrer": referrer} if referrer else {})


def page(it: Speaker, shop: Shop) -> Fact:
    random, words = it.random, it.customer.words
    path, title = random.choice(words.pages)
    if random.random() < 0.4:  # of the many pages that no list has
        product = it.values["product"]
        slug = product.lower().replace(" ", "-")
        path = random.choice(
            (f"/products/{slug}-{random.randrange(10**5)}", f"/{words.locale[:2]}/p/{random.randrange(10**7)}",
             f"/{some_name(random)}/{slug}", f"/account/orders/{random.randrange(10**6)}")
        )  # fmt: skip
        title = f"{product.capitalize()} {some_name(random, 2).capitalize()}"
    data = _visited(it, shop, path, title)
    if random.random() < 0.3:
        data["name"] = title
    return _web(it, shop, "page.viewed", data, subject=data["title"])


def article(it: Speaker, shop: Shop) -> Fact:
    random, words = it.random, it.customer.words
    path, title = random.choice([known for known in words.pages if known[0].count("/") > 1])
    if random.random() < 0.5:
        path += f"-{random.randrange(1000)}"
    data = _visited(it, shop, path, title)
    if random.random() < 0.4:
        data |= {"category": "Help", "name": title}
    return _web(it, shop, "article.viewed", data, subject=data["title"])


def search(it: Speaker, shop: Shop) -> Fact:
    words = it.pick(it.customer.words.searches)
    data = {"query": words, "name": it.random.choice(("Products Searched", "Search Performed"))}
    if it.random.random() < 0.5:
        data["results"] = it.random.randrange(40)
    data |= _visited(it, shop, it.random.choice(("/search", "/help/search", "/haku", "/suche")), "Search")
    return _web(it, shop, "search.performed", data, subject=data["name"], text=words)


def form(it: Speaker, shop: Shop) -> Fact:
    random, words = it.random, it.customer.words
    failed = random.random() < 0.6
    name = random.choice(words.forms)
    data: dict[str, Any] = {"form": name, "name": "Form Failed" if failed else "Form Submitted"}
    error = random.choice(words.errors) if failed else None
    if error:
        data |= {"error": error, "status": random.choice((400, 422, 500, 503))}
    if random.random() < 0.6:
        data |= {"order_id": it.values["order"], "reason": it.pick(words.reasons)}
    data |= _visited(it, shop, random.choice((f"/forms/{name}", f"/{name}")), name.capitalize())
    type_ = "form.failed" if failed else "form.submitted"
    return _web(it, shop, type_, data, subject=data["name"], text=error)


_EVENTS = (
    "Product Viewed", "Product Added", "Product Removed", "Cart Viewed", "Checkout Started", "Order Completed",
    "Order Cancelled", "Coupon Applied", "Signed In", "Signed Out", "Account Created", "Plan Changed",
    "Invoice Downloaded", "Video Played", "Button Clicked", "Link Clicked", "Chat Opened", "Newsletter Subscribed",
)  # fmt: skip


def tracked(it: Speaker, shop: Shop) -> Fact:
    random = it.random
    name = random.choice(_EVENTS)
    data: dict[str, Any] = {"name": name}
    if name.startswith(("Product", "Cart", "Coupon")):
        price = round(random.uniform(3, 900), 2)
        data |= {"product_id": str(random.randrange(10**6)), "sku": some_name(random, 2).upper()}
        data |= {"property_name": it.values["product"], "price": price, "currency": "EUR", "quantity": 1}
    elif name.startswith("Order"):
        data |= {"order_id": it.values["order"], "total": round(random.uniform(5, 900), 2), "currency": "EUR"}
        count = random.randint(1, 3)
        data["products"] = [
            {"product_id": str(random.randrange(10**6)), "name": product, "price": random.randrange(900)}
            for product in random.sample(it.customer.words.products, count)
        ]
    path, title = random.choice(it.customer.words.pages)
    return _web(it, shop, "event.tracked", data | _visited(it, shop, path, title), subject=name)


def identified(it: Speaker, shop: Shop) -> Fact:
    person = it.customer
    every = {"name": person.name, "email": person.email, "phone": person.phone, "plan": "premium"}
    every |= {"first_name": person.first, "last_name": person.last, "city": it.values["city"]}
    every |= {"created_at": f"20{it.random.randint(10, 26)}-0{it.random.randint(1, 9)}-1{it.random.randrange(9)}"}
    kept = it.random.sample(sorted(every), it.random.randint(1, 5))
    return _web(it, shop, "identified", {"call": "identify"}, traits={key: every[key] for key in kept})


def asked_for_call(it: Speaker, shop: Shop) -> Fact:
    words = it.pick(it.customer.words.reasons)
    data = {"name": "Callback Requested", "phone": it.customer.phone, "reason": words}
    data |= _visited(it, shop, "/contact", "Contact")
    return _web(it, shop, "callback.requested", data, subject="Callback Requested", text=words)


def survey(it: Speaker, shop: Shop) -> Fact:
    words = it.pick(it.customer.words.surveys)
    answer = {"rating": it.random.randint(1, 5), "feedback_message": words}
    data = {"rating": answer["rating"], "answers": {"csat_survey_response": answer}}
    return _chat(it, shop, "survey.answered", data, text=words, direction=Direction.INBOUND)


def _chat(it: Speaker, shop: Shop, type: str, data: dict[str, Any], **more: Any) -> Fact:
    random = it.random
    traits = {"name": it.customer.name, "email": it.customer.email}
    return Fact(
        id=more.pop("id", f"message/{random.randrange(10**7)}"),
        source=shop.chat,
        channel="chat",
        type=type,
        data=data,
        thread=str(random.randrange(1, 10**5)),
        traits=random.choice(({}, traits, traits | {"additional_attributes": {"city": it.values["city"]}})),
        **more,
    )


def _message_data(it: Speaker, shop: Shop) -> dict[str, Any]:
    data: dict[str, Any] = {"content_type": "text", "inbox": shop.inbox}
    if it.random.random() < 0.15:
        data["source_id"] = hexadecimal(it.random, 24)
    return data


def _agent(it: Speaker, shop: Shop) -> dict[str, Any]:
    id_, name = it.random.choice(shop.agents)
    if it.random.random() < 0.4:
        return {"type": "bot", "id": id_, "name": it.random.choice(("Assistant", "Bot", "Captain", "Chatbot"))}
    return {"type": "agent", "id": id_, "name": name}


def message_in(it: Speaker, shop: Shop) -> Fact:
    words = it.customer.words
    said = " ".join(it.pick(words.chat) for _ in range(it.random.choices((1, 2, 3), (7, 2, 1))[0]))
    attachments: tuple[dict[str, Any], ...] = ()
    if it.random.random() < 0.08:
        name = it.random.choice(("IMG_20260314.jpg", "photo.jpg", "receipt.pdf", "screenshot.png"))
        url = f"https://{shop.host}/rails/active_storage/blobs/redirect/{hexadecimal(it.random, 40)}/{name}"
        attachments = ({"name": name, "url": url, "content_type": "image", "size": it.random.randrange(10**6)},)
    return _chat(it, shop, "message.received", _message_data(it, shop), text=said, attachments=attachments)


def message_out(it: Speaker, shop: Shop) -> Fact:
    said = " ".join(it.pick(it.customer.words.agent) for _ in range(it.random.choices((1, 2), (3, 1))[0]))
    return _chat(it, shop, "message.sent", _message_data(it, shop), text=said, actor=_agent(it, shop))


def message_status(it: Speaker, shop: Shop) -> Fact:
    status = it.random.choice(("delivered", "read", "failed"))
    message = f"message/{it.random.randrange(10**7)}"
    data = {"message": message} | ({"error": "Message undeliverable"} if status == "failed" else {})
    return _chat(it, shop, f"message.{status}", data, actor=_agent(it, shop), id=f"{message}/{status}")


def note(it: Speaker, shop: Shop) -> Fact:
    words = it.pick(it.customer.words.notes)
    return _chat(it, shop, "note.added", _message_data(it, shop), text=words, actor=_agent(it, shop))


def conversation(it: Speaker, shop: Shop) -> Fact:
    random = it.random
    by = _agent(it, shop)
    id_, name = random.choice(shop.agents)
    inside: dict[str, Any] = {"direction": Direction.INTERNAL}
    hidden = inside | {"visibility": Visibility.INTERNAL}
    key = f"conversation/{random.randrange(10**5)}/status/{random.randrange(1_760_000_000, 1_790_000_000)}"
    match random.randrange(5):
        case 0:
            data: dict[str, Any] = {"referer": f"https://{shop.host}{random.choice(it.customer.words.pages)[0]}"}
            return _chat(it, shop, "conversation.opened", data, id=key)
        case 1:
            data = {"status": "resolved", "previous_status": "open"}
            return _chat(it, shop, "conversation.resolved", data, actor=by, id=key, **inside)
        case 2:
            data = {"status": "open", "previous_status": random.choice(("resolved", "snoozed"))}
            return _chat(it, shop, "conversation.reopened", data, actor=by, id=key, **inside)
        case 3:
            data = {"status": "open", "previous_status": "pending", "from": "bot", "to": "human"}
            data["team"] = {"id": str(random.randrange(1, 40)), "name": random.choice(shop.queues)}
            return _chat(it, shop, "handoff.requested", data, actor=by, id=key)
    data = {"name": "conversation.assigned", "assignee": {"id": id_, "name": name}}
    data |= {"previous_assignee_id": None, "assignee_id": int(id_)}
    return _chat(it, shop, "event.tracked", data, actor=by, id=key, **hidden)


def whatsapp(it: Speaker, shop: Shop) -> Fact:
    random, person = it.random, it.customer
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
        text=it.pick(person.words.chat) if inbound else None,
        thread=f"{data['to']}/{data['from']}",
        traits={"name": person.name} if inbound else {},
    )


def _mail(it: Speaker, shop: Shop, type: str, data: dict[str, Any], **more: Any) -> Fact:
    random = it.random
    message_id = random.choice(
        (f"{hexadecimal(random, 32)}@{it.customer.email.partition('@')[2]}",
         f"CA{hexadecimal(random, 40)}@mail.gmail.com", f"{some_uuid(random).upper()}@{some_name(random)}.example")
    )  # fmt: skip
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


def mail_in(it: Speaker, shop: Shop) -> Fact:
    random = it.random
    checks = {"spf": "pass", "dkim": random.choice(("pass", "none")), "dmarc": random.choice(("pass", "none"))}
    words = it.paragraphs(it.customer.words.mail, random.randint(2, 7))
    if random.random() < 0.3:
        quoted = it.paragraphs(it.customer.words.mail_agent, 2).replace("\n", "\n> ")
        words += f"\n\nOn Mon, 2 Feb 2026 at 10:1{random.randrange(10)}, {shop.address} wrote:\n> {quoted}"
    attachments: tuple[dict[str, Any], ...] = ()
    if random.random() < 0.2:
        attachments = ({"name": "image001.png", "content_type": "image/png", "size": random.randrange(10**6)},)
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


def mail_out(it: Speaker, shop: Shop) -> Fact:
    words = it.paragraphs(it.customer.words.mail_agent, it.random.randint(1, 4))
    data = {"from": shop.address, "to": [it.customer.email]}
    return _mail(it, shop, "email.sent", data, text=words, actor=_agent(it, shop))


def mail_bounce(it: Speaker, shop: Shop) -> Fact:
    if it.random.random() < 0.5:
        data: dict[str, Any] = {"auto_submitted": "auto-replied"}
        return _mail(it, shop, "email.auto_replied", data, text=it.pick(it.customer.words.mail_agent))
    data = {"from": "MAILER-DAEMON", "action": "failed", "status": it.random.choice(("5.1.1", "5.2.2", "4.4.1"))}
    data |= {"recipient": it.customer.email, "diagnostic": "smtp; 550 5.1.1 The email account does not exist"}
    return _mail(it, shop, "email.bounced", data, direction=Direction.OUTBOUND)


def call(it: Speaker, shop: Shop) -> Fact:
    random = it.random
    sid = "CA" + hexadecimal(random, 32)
    outbound = random.random() < 0.6
    status = random.choice(("initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed"))
    ends = (shop.number, it.customer.phone) if outbound else (it.customer.phone, shop.number)
    data: dict[str, Any] = {"status": status, "from": ends[0], "to": ends[1]}
    if status == "completed":
        data["duration_s"] = random.randrange(1200)
    if status == "completed" and outbound and random.random() < 0.5:
        data["answered_by"] = random.choice(("human", "machine_start", "machine_end_beep"))
        if data["answered_by"] != "human":
            data["reason"] = "voicemail"
    if random.random() < 0.3:
        data |= {"parent_call": "CA" + hexadecimal(random, 32), "sip_code": random.choice(("200", "486", "480"))}
    if random.random() < 0.1:
        recordings = f"https://api.twilio.com/2010-04-01/Accounts/{shop.twilio}/Recordings"
        data["recording_url"] = f"{recordings}/RE{hexadecimal(random, 32)}"
    data["leg"] = "outbound-api" if outbound else "inbound"
    inbound_type = "call.started" if status in ("initiated", "ringing", "in-progress") else "call.ended"
    types = {"in-progress": "call.started", "initiated": "callback.attempted", "ringing": "callback.attempted"}
    types["completed"] = "callback.completed"
    number = random.randrange(5)
    return Fact(
        id=f"{sid}/{number}",
        source=shop.phone,
        channel="phone",
        type=types.get(status, "callback.missed") if outbound else inbound_type,
        data=data,
        medium="voice",
        direction=Direction.OUTBOUND if outbound else Direction.INBOUND,
        seq=number,
        thread=sid,
    )


def callback(it: Speaker, shop: Shop) -> Fact:
    """A step of one of our own call-backs."""
    random = it.random
    id_ = f"cb_{public_id(random)}"
    state = random.choice(("requested", "scheduled", "rescheduled", "due", "cancelled", "overdue", "given_up"))
    due = f"2026-{random.randint(10, 12)}-{random.randint(10, 28)}T{random.randint(10, 19)}:{random.choice('0134')}0:00.000000Z"
    data: dict[str, Any] = {"callback": id_, "state": state, "version": random.randint(1, 5)}
    data |= {"phone": it.customer.phone, "due_at": due, "queue": random.choice(shop.queues), "attempt": 1}
    if random.random() < 0.6:
        data["reason"] = it.pick(it.customer.words.reasons)
    return Fact(id=f"{id_}/{data['version']}", source="handoff", channel="phone", type=f"callback.{state}",
                data=data, thread=id_)  # fmt: skip


_HANDOFF_STATES = ("requested", "offered", "accepted", "viewed", "declined", "expired", "released",
                   "transferred", "completed", "withdrawn")  # fmt: skip


def handoff(it: Speaker, shop: Shop) -> Fact:
    """A transition of one of our hand-offs, as our own bookkeeping files it."""
    random = it.random
    id_ = f"ho_{public_id(random)}"
    state = random.choice(_HANDOFF_STATES)
    agent = f"agent:{random.choice(shop.agents)[1].split()[0].lower()}"
    data: dict[str, Any] = {"handoff": id_, "state": state, "version": random.randint(1, 6)}
    data["from"] = {"channel": random.choice(("web", "chat", "phone", "email")), "party": "bot"}
    data["to"] = {"channel": random.choice(("chat", "phone", "email")), "queue": random.choice(shop.queues)}
    data |= {"reason": it.pick(it.customer.words.reasons), "by": random.choice((agent, "token:desk", "timer"))}
    if state in ("accepted", "completed", "viewed"):
        data |= {"agent": agent, "owner": agent}
    return Fact(id=f"{id_}/{data['version']}", source="handoff", channel=data["from"]["channel"],
                type=f"handoff.{state}", data=data, thread=hexadecimal(random, 20))  # fmt: skip


def bookkeeping(it: Speaker, shop: Shop) -> Fact:
    random = it.random
    type_ = random.choice(("identity.linked", "identity.unlinked", "context.changed"))
    data = {"evidence": f"li_{public_id(random)}", "identity": f"email:{it.customer.email}"}
    data |= {"reason": random.choice(("confirmed by agent", "verified on the phone", "same person"))}
    return Fact(id=some_uuid(random), source="handoff", channel="web", type=type_, data=data,
                actor={"type": "agent", "id": random.choice(shop.agents)[1]})  # fmt: skip


def promise(it: Speaker, shop: Shop) -> Fact:
    random = it.random
    state = random.choice(("made", "made", "kept", "broken"))
    data = {"promise": f"pr_{hexadecimal(random, 12)}", "due_at": f"2026-11-{random.randint(10, 28)}T16:00:00Z"}
    return Fact(id=f"{data['promise']}/{state}", source=shop.chat, channel="chat", type=f"promise.{state}",
                text=it.pick(it.customer.words.promises), data=data, thread=str(random.randrange(10**5)))  # fmt: skip
