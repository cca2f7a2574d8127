"""Shops, customers and their words: seeded random values from which the benchmarks' touchpoints are made."""

from __future__ import annotations

import base64
import re
import tomllib
import uuid
from functools import cache
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

CORPUS = Path(__file__).parent / "corpus"
LANGUAGES = {"en": 40, "fi": 18, "sv": 12, "de": 12, "nl": 5, "fr": 5, "es": 4, "da": 4}
"""Language -> share of the customers in percent."""

_SYLLABLES = (
    "ka", "lo", "mi", "ter", "va", "sun", "pel", "no", "ri", "dam", "so", "lin",
    "be", "gra", "fo", "ne", "tu", "var", "hol", "mer", "ast", "vik", "ora", "zen",
)  # fmt: skip
_DOMAINS = {"en": "com", "nl": "nl"}
_MAILBOXES = ("gmail.com", "outlook.com", "hotmail.com", "icloud.com", "yahoo.com", "proton.me")
_SLOT = re.compile(r"\{(\w+)\}")


class Wording(Struct, frozen=True, kw_only=True):
    """Sentences of people, agents and web sites in one language, with slots like `{order}`."""

    language: str
    locale: str
    phone: str
    cities: list[str]
    first: list[str]
    last: list[str]
    products: list[str]
    greetings: list[str]
    closings: list[str]
    chat: list[str]
    agent: list[str]
    mail: list[str]
    mail_agent: list[str]
    subjects: list[str]
    searches: list[str]
    pages: list[tuple[str, str]]
    forms: list[str]
    errors: list[str]
    notes: list[str]
    reasons: list[str]
    promises: list[str]
    surveys: list[str]


@cache
def wording(language: str) -> Wording:
    raw = tomllib.loads((CORPUS / f"{language}.toml").read_text(encoding="utf-8"))
    return msgspec.convert(raw, Wording)


class Shop(Struct, frozen=True, kw_only=True):
    """One business: its site, its sources and its people. All of it random, none of it learnable."""

    host: str
    web: str
    chat: str
    phone: str
    mail: str
    account: str
    inbox: str
    twilio: str
    number: str
    address: str
    agents: tuple[tuple[str, str], ...]
    queues: tuple[str, ...]


class Customer(Struct, frozen=True, kw_only=True):
    """A person who writes in one language and is known by several handles."""

    words: Wording
    first: str
    last: str
    user: str
    visitor: str
    email: str
    phone: str
    contact: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


def some_name(random: Random, syllables: int = 3) -> str:
    """A word that means nothing."""
    return "".join(random.choice(_SYLLABLES) for _ in range(syllables))


def hexadecimal(random: Random, digits: int) -> str:
    return f"{random.getrandbits(digits * 4):0{digits}x}"


def public_id(random: Random) -> str:
    """The part of a public id after its prefix: 16 bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(random.randbytes(16)).rstrip(b"=").decode()


def some_uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def some_phone(random: Random, pattern: str) -> str:
    """A number with a random digit for every `#` of the pattern."""
    return re.sub("#", lambda _: str(random.randrange(10)), pattern)


def some_shop(random: Random, language: str = "en") -> Shop:
    name = some_name(random)
    host = f"www.{name}.{_DOMAINS.get(language, language if language != 'da' else 'dk')}"
    first, last = wording(language).first, wording(language).last
    agents = tuple(
        (str(random.randrange(1, 400)), f"{random.choice(first)} {random.choice(last)}") for _ in range(6)
    )
    return Shop(
        host=host.replace(".sv", ".se"),
        web=random.choice(("web", "shop-web", "website", f"{name}-web", "app")),
        chat=random.choice(("chat", "chatwoot", "support-chat", f"{name}-chat")),
        phone=random.choice(("phone", "twilio", "calls", f"{name}-phone")),
        mail=random.choice(("mail", "email", "support-mail", f"{name}-mail")),
        account=str(random.randrange(1, 5000)),
        inbox=random.choice(("Website", "Web chat", "Support", "Chat", "Customer service", "WhatsApp")),
        twilio="AC" + hexadecimal(random, 32),
        number=some_phone(random, wording(language).phone),
        address=f"{random.choice(('support', 'info', 'service', 'help'))}@{name}.example",
        agents=agents,
        queues=tuple(random.sample(("support", "billing", "sales", "claims", "technical", "returns"), 4)),
    )


def some_customer(random: Random) -> Customer:
    words = wording(random.choices(list(LANGUAGES), list(LANGUAGES.values()))[0])
    first, last = random.choice(words.first), random.choice(words.last)
    if random.random() < 0.6:  # more names than any list has
        last = some_name(random, 2).capitalize() + random.choice(("", "nen", "son", "mann", "sen"))
    number = random.choice(("", random.randrange(100)))
    spelled = f"{first}{random.choice(('.', '', '_'))}{last}{number}".lower()
    local = re.sub(r"[^a-z0-9._]", "", spelled) or some_name(random)
    domain = random.choice(_MAILBOXES) if random.random() < 0.7 else f"{some_name(random)}.example"
    return Customer(
        words=words,
        first=first,
        last=last,
        user=random.choice((str(random.randrange(1000, 10**7)), some_uuid(random), local)),
        visitor=some_uuid(random),
        email=f"{local}@{domain}",
        phone=some_phone(random, words.phone),
        contact=str(random.randrange(1, 10**6)),
    )


class Speaker(Struct, frozen=True):
    """Fills in what a sentence leaves open, the same order number and amount throughout."""

    random: Random
    customer: Customer
    values: dict[str, str]

    def fill(self, sentence: str) -> str:
        return _SLOT.sub(lambda slot: self.values[slot[1]], sentence)

    def pick(self, sentences: list[str]) -> str:
        return self.fill(self.random.choice(sentences))

    def paragraphs(self, sentences: list[str], count: int) -> str:
        """A message of `count` different sentences between greeting and name."""
        random, words = self.random, self.customer.words
        chosen = [self.fill(it) for it in random.sample(sentences, min(count, len(sentences)))]
        cut = random.randint(1, len(chosen))
        body = "\n\n".join(" ".join(part) for part in (chosen[:cut], chosen[cut:]) if part)
        closing = f"{random.choice(words.closings)}\n{self.customer.name}"
        return f"{random.choice(words.greetings)},\n\n{body}\n\n{closing}"


def speaker(random: Random, customer: Customer) -> Speaker:
    words = customer.words
    amount, cents = random.randrange(5, 900), random.choice(("00", "90", "95", "50", "99"))
    euros = f"{amount},{cents} €"
    if words.language == "en":
        euros = random.choice((f"£{amount}.{cents}", f"€{amount}"))
    day, month = random.randint(1, 28), random.randint(1, 12)
    number = random.randrange(10**5, 10**8)
    prefixed = f"{some_name(random, 1).upper()}{number}"
    values = {
        "order": random.choice((str(number), f"#{number}", f"A-{number % 10**6}", prefixed)),
        "product": random.choice(words.products),
        "amount": euros,
        "date": f"{day}/{month}" if words.language == "en" else f"{day}.{month}.",
        "days": str(random.choice((2, 3, 4, 5, 7, 10, 14))),
        "small": str(random.randint(1, 12)),
        "name": customer.first,
        "phone": customer.phone,
        "email": customer.email,
        "city": random.choice(words.cities),
        "code": some_name(random, 2).upper() + str(random.randint(5, 30)),
        "case": f"{random.choice(('', 'CS-', 'T-', '#'))}{random.randrange(10**4, 10**7)}",
    }
    return Speaker(random, customer, values)
