"""Web self-service: what `web.segment` makes of pages, searches, forms and tracked events."""

from __future__ import annotations

from typing import Any

from bench.kinds.fact import Fact
from bench.people import Shop, Speaker, some_name, some_uuid


def _web(speaker: Speaker, shop: Shop, type: str, data: dict[str, Any], **more: Any) -> Fact:
    random = speaker.random
    return Fact(
        id=f"{random.choice(('', 'ajs-next-', 'node-next-'))}{some_uuid(random)}",
        source=shop.web,
        channel="web",
        type=type,
        data=data,
        medium=random.choice(("browser", "browser", "browser", "app", "server", None)),
        language=random.choice((speaker.customer.words.locale, speaker.customer.words.locale, None)),
        thread=random.choice((str(random.randrange(1_760_000_000_000, 1_790_000_000_000)), None)),
        **more,
    )


def _visited(speaker: Speaker, shop: Shop, path: str, title: str) -> dict[str, Any]:
    random = speaker.random
    campaign = f"?utm_source={random.choice(('newsletter', 'google', 'facebook'))}&utm_medium=email"
    query = random.choices(("", campaign, f"?ref={some_name(random)}"), (8, 1, 1))[0]
    site = random.choice((shop.host.removeprefix("www.").split(".")[0].capitalize(), shop.host))
    referrer = random.choice(
        (
            f"https://{shop.host}/",
            f"https://{shop.host}{random.choice(speaker.customer.words.pages)[0]}",
            "https://www.google.com/",
            "https://www.bing.com/",
            "",
        )
    )
    found = {
        "url": f"https://{shop.host}{path}{query}",
        "title": random.choice((title, f"{title} | {site}", f"{title} - {site}")),
        "path": path,
    }
    return found | ({"referrer": referrer} if referrer else {})


def page(speaker: Speaker, shop: Shop) -> Fact:
    random, words = speaker.random, speaker.customer.words
    path, title = random.choice(words.pages)
    if random.random() < 0.4:  # of the many pages that no list has
        product = speaker.values["product"]
        slug = product.lower().replace(" ", "-")
        path = random.choice(
            (
                f"/products/{slug}-{random.randrange(10**5)}",
                f"/{words.locale[:2]}/p/{random.randrange(10**7)}",
                f"/{some_name(random)}/{slug}",
                f"/account/orders/{random.randrange(10**6)}",
            )
        )
        title = f"{product.capitalize()} {some_name(random, 2).capitalize()}"
    data = _visited(speaker, shop, path, title)
    if random.random() < 0.3:
        data["name"] = title
    return _web(speaker, shop, "page.viewed", data, subject=data["title"])


def article(speaker: Speaker, shop: Shop) -> Fact:
    random, words = speaker.random, speaker.customer.words
    path, title = random.choice([known for known in words.pages if known[0].count("/") > 1])
    if random.random() < 0.5:
        path += f"-{random.randrange(1000)}"
    data = _visited(speaker, shop, path, title)
    if random.random() < 0.4:
        data |= {"category": "Help", "name": title}
    return _web(speaker, shop, "article.viewed", data, subject=data["title"])


def search(speaker: Speaker, shop: Shop) -> Fact:
    words = speaker.pick(speaker.customer.words.searches)
    data: dict[str, Any] = {
        "query": words,
        "name": speaker.random.choice(("Products Searched", "Search Performed")),
    }
    if speaker.random.random() < 0.5:
        data["results"] = speaker.random.randrange(40)
    data |= _visited(
        speaker, shop, speaker.random.choice(("/search", "/help/search", "/haku", "/suche")), "Search"
    )
    return _web(speaker, shop, "search.performed", data, subject=data["name"], text=words)


def form(speaker: Speaker, shop: Shop) -> Fact:
    random, words = speaker.random, speaker.customer.words
    failed = random.random() < 0.6
    name = random.choice(words.forms)
    data: dict[str, Any] = {"form": name, "name": "Form Failed" if failed else "Form Submitted"}
    error = random.choice(words.errors) if failed else None
    if error:
        data["error"], data["status"] = error, random.choice((400, 422, 500, 503))
    if random.random() < 0.6:
        data |= {"order_id": speaker.values["order"], "reason": speaker.pick(words.reasons)}
    data |= _visited(speaker, shop, random.choice((f"/forms/{name}", f"/{name}")), name.capitalize())
    type_ = "form.failed" if failed else "form.submitted"
    return _web(speaker, shop, type_, data, subject=data["name"], text=error)


_EVENTS = (
    "Product Viewed", "Product Added", "Product Removed", "Cart Viewed", "Checkout Started",
    "Order Completed", "Order Cancelled", "Coupon Applied", "Signed In", "Signed Out",
    "Account Created", "Plan Changed", "Invoice Downloaded", "Video Played", "Button Clicked",
    "Link Clicked", "Chat Opened", "Newsletter Subscribed",
)  # fmt: skip


def tracked(speaker: Speaker, shop: Shop) -> Fact:
    random = speaker.random
    name = random.choice(_EVENTS)
    data: dict[str, Any] = {"name": name}
    if name.startswith(("Product", "Cart", "Coupon")):
        price = round(random.uniform(3, 900), 2)
        data |= {"product_id": str(random.randrange(10**6)), "sku": some_name(random, 2).upper()}
        data |= {"property_name": speaker.values["product"], "price": price, "currency": "EUR", "quantity": 1}
    elif name.startswith("Order"):
        data |= {
            "order_id": speaker.values["order"],
            "total": round(random.uniform(5, 900), 2),
            "currency": "EUR",
        }
        bought = random.sample(speaker.customer.words.products, random.randint(1, 3))
        data["products"] = [
            {"product_id": str(random.randrange(10**6)), "name": product, "price": random.randrange(900)}
            for product in bought
        ]
    path, title = random.choice(speaker.customer.words.pages)
    return _web(speaker, shop, "event.tracked", data | _visited(speaker, shop, path, title), subject=name)


def identified(speaker: Speaker, shop: Shop) -> Fact:
    person = speaker.customer
    day = f"0{speaker.random.randint(1, 9)}-1{speaker.random.randrange(9)}"
    every = {"name": person.name, "email": person.email, "phone": person.phone, "plan": "premium"}
    every |= {"first_name": person.first, "last_name": person.last, "city": speaker.values["city"]}
    every |= {"created_at": f"20{speaker.random.randint(10, 26)}-{day}"}
    kept = speaker.random.sample(sorted(every), speaker.random.randint(1, 5))
    return _web(speaker, shop, "identified", {"call": "identify"}, traits={key: every[key] for key in kept})


def asked_for_call(speaker: Speaker, shop: Shop) -> Fact:
    words = speaker.pick(speaker.customer.words.reasons)
    data = {"name": "Callback Requested", "phone": speaker.customer.phone, "reason": words}
    data |= _visited(speaker, shop, "/contact", "Contact")
    return _web(speaker, shop, "callback.requested", data, subject="Callback Requested", text=words)
