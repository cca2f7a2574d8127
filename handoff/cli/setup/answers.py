"""The input of `handoff init`: flags, answers on a terminal, and defaults."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable, Iterable

from msgspec import Struct

from handoff.domain.errors import ConfigurationError
from handoff_adapters.registry import BUILT_IN, adapter_class

EMBEDDED = "embedded"
BY_CHANNEL = {name.partition(".")[0]: name for name in BUILT_IN}
BY_DEFAULT = ("web", "chat", "phone")  # mail needs its recipients
SECRET_OF_VENDOR = {
    "chat.chatwoot": "the secret of Chatwoot's webhook",
    "phone.twilio": "the auth token of your Twilio account",
}
"""Secrets that a vendor makes. All others are generated here."""
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class SetupAnswers(Struct, kw_only=True):
    """The answers. `vendor_secrets` has those that are known already, by adapter."""

    adapters: list[str]
    tenants: list[str]
    store: str | None = None
    data_dir: str = ".handoff"
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    recipients: list[str]
    webhook: str | None = None
    vendor_secrets: dict[str, str]


class Interview:
    """Asks on a terminal. `ask` shows a question and returns a line; `ask_secret` does not echo it."""

    def __init__(self, ask: Callable[[str], str], ask_secret: Callable[[str], str]) -> None:
        self._ask = ask
        self._ask_secret = ask_secret

    def complete(self, flags: Namespace) -> SetupAnswers:
        """The answers, with a question for everything that the flags leave open."""
        adapters = _from_flags(flags)
        if adapters is None:
            question = f"Channels: {', '.join(BY_CHANNEL)}"
            adapters = self._until_valid(question, " ".join(BY_DEFAULT), read_channels)
        tenants = flags.tenant or self._until_valid("Tenants (organisations)", "default", read_tenants)
        store = flags.store or self._line("Store: embedded, or the URL of a Redis or Valkey", EMBEDDED)
        public_url = flags.public_url or self._line("Public URL of this server, for webhooks", "")
        recipients = list(flags.recipient or ())
        if "email.smtp" in adapters and not recipients:
            recipients = self._until_valid("Addresses that mail is accepted for", "", read_recipients)
        webhook = flags.webhook or self._line("URL of a platform that gets handoff events", "")
        asked = adapters if len(tenants) == 1 else []  # each tenant has its own accounts
        secrets = {it: self._secret(it) for it in asked if it in SECRET_OF_VENDOR}
        return _answers(
            flags,
            adapters=adapters,
            tenants=read_tenants(" ".join(tenants)),
            store=store,
            public_url=public_url,
            recipients=recipients,
            webhook=webhook,
            vendor_secrets={name: secret for name, secret in secrets.items() if secret},
        )

    def _line(self, question: str, default: str) -> str:
        return self._ask(f"{question} [{default or 'none'}]: ").strip() or default

    def _secret(self, adapter: str) -> str:
        return self._ask_secret(f"{SECRET_OF_VENDOR[adapter].capitalize()} [later]: ").strip()

    def _until_valid(self, question: str, default: str, read: Callable[[str], list[str]]) -> list[str]:
        while True:
            try:
                return read(self._line(question, default))
            except ConfigurationError as error:
                question = f"{error.detail}\n{question.rpartition(chr(10))[2]}"


def by_default(flags: Namespace) -> SetupAnswers:
    """The answers without asking. ConfigurationError if a flag is missing."""
    adapters = _from_flags(flags)
    if adapters is None:
        adapters = read_channels(" ".join((*BY_DEFAULT, "email") if flags.recipient else BY_DEFAULT))
    if "email.smtp" in adapters and not flags.recipient:
        raise ConfigurationError("email needs the addresses that mail is accepted for: use --recipient")
    return _answers(
        flags,
        adapters=adapters,
        tenants=read_tenants(" ".join(flags.tenant or ["default"])),
        store=flags.store or EMBEDDED,
        public_url=flags.public_url or "",
        recipients=list(flags.recipient or ()),
        webhook=flags.webhook or "",
        vendor_secrets={},
    )


def _answers(flags: Namespace, *, store: str, public_url: str, webhook: str, **given: object) -> SetupAnswers:
    optional = {"data_dir": flags.data, "host": flags.host, "port": flags.port}
    given |= {name: value for name, value in optional.items() if value is not None}
    return SetupAnswers(
        store=None if store == EMBEDDED else store,
        public_url=public_url or None,
        webhook=webhook or None,
        **given,  # type: ignore[arg-type]
    )


def _from_flags(flags: Namespace) -> list[str] | None:
    if flags.channel is None and flags.vendor is None:
        return None
    names = [BY_CHANNEL[it] for it in flags.channel or ()] + list(flags.vendor or ())
    for name in names:
        adapter_class(name)  # raises ConfigurationError, with the known ones
    return list(dict.fromkeys(names))


def read_channels(text: str) -> list[str]:
    """The built-in adapters of channels. ConfigurationError for an unknown one."""
    names = _words(text)
    for name in names:
        if name not in BY_CHANNEL:
            raise ConfigurationError(f"unknown channel {name!r}: choose from {', '.join(BY_CHANNEL)}")
    return [BY_CHANNEL[it] for it in names]


def read_tenants(text: str) -> list[str]:
    names = _words(text)
    for name in names:
        if not _TENANT.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} is not a tenant: use lower-case letters, digits and hyphens, at most 40"
            )
    return names or ["default"]


def read_recipients(text: str) -> list[str]:
    names = _words(text)
    if not names or not all("@" in it for it in names):
        raise ConfigurationError("write addresses such as support@shop.example, or @shop.example for all")
    return names


def _words(text: str) -> list[str]:
    words: Iterable[str] = re.split(r"[,\s]+", text.strip())
    return list(dict.fromkeys(it for it in words if it))
