"""The files that `handoff init` writes."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import fields

from handoff_adapters.registry import adapter_class

from .answers import SECRET_OF_VENDOR, SetupAnswers

BOT = ("context:read", "handoffs:write", "callbacks:write", "touchpoints:write")
DESKTOP = (*BOT, "links:write")
SMTP_PORT = 2525
_HEAD = """\
# Written by `handoff init`. docs/configuration.md lists every key, docs/vendors has a page per vendor.
# Check changes with `handoff check-config FILE`. A secret is env:NAME or file:PATH.
"""


class PlannedSource(Struct, frozen=True, kw_only=True):
    """A source of the new configuration. `secret` is the name of its file, if it has a secret."""

    name: str
    tenant: str
    adapter: str
    listen: str | None = None
    secret: str | None = None

    @property
    def wanted(self) -> str | None:
        """The vendor's secret that belongs into the file; None if the generated one is right."""
        return SECRET_OF_VENDOR.get(self.adapter)


class SetupPlan(Struct, kw_only=True):
    """A configuration, and its secrets by the names of their files."""

    text: str
    secrets: dict[str, str]
    sources: list[PlannedSource]
    tokens: dict[str, str] = field(default_factory=dict)
    """The names of the tokens' files, by what to call them."""
    pending: list[str] = field(default_factory=list)
    """Files in which something random stands for a vendor's secret."""


def plan(answers: SetupAnswers, folder: str) -> SetupPlan:
    """The configuration for these answers. `folder` is where the secrets will be, seen from the file."""
    made = SetupPlan(text=_HEAD, secrets={}, sources=list(_sources(answers)))
    parts = [_server(answers), _store(answers, made, folder)]
    parts += [_source(answers, made, it, folder) for it in made.sources]
    for tenant in answers.tenants:
        prefix = "" if answers.tenants == [tenant] else f"{tenant}-"
        for name, scopes in ("bot", BOT), ("desk", DESKTOP):
            file = made.tokens[f"{prefix}{name}"] = f"{prefix}{name}-token"
            made.secrets[file] = secrets.token_urlsafe(32)
            table = {"name": name, "scopes": list(scopes), "secret": f"file:{folder}/{file}"}
            parts.append(_table("tokens", table | _of_tenant(tenant)))
        if answers.webhook is not None:
            file = f"{prefix}webhook"
            made.secrets[file] = f"whsec_{_base64()}"
            table = {"url": answers.webhook, "types": ["handoff.*"], "secret": f"file:{folder}/{file}"}
            parts.append(_table("webhooks", table | _of_tenant(tenant)))
    made.text = "\n".join((_HEAD, *parts))
    return made


def _sources(answers: SetupAnswers) -> Iterator[PlannedSource]:
    channels = [it.partition(".")[0] for it in answers.adapters]
    port = SMTP_PORT
    for tenant in answers.tenants:
        for adapter, channel in zip(answers.adapters, channels, strict=True):
            short = channel if channels.count(channel) == 1 else adapter.replace(".", "-")
            name = short if answers.tenants == [tenant] else f"{tenant}-{short}"
            listen = f"{answers.host}:{port}" if adapter == "email.smtp" else None
            port += listen is not None
            known = {it.name for it in fields(adapter_class(adapter).options)}
            secret = name if "secrets" in known else None
            yield PlannedSource(name=name, tenant=tenant, adapter=adapter, listen=listen, secret=secret)


def _server(answers: SetupAnswers) -> str:
    table: dict[str, Any] = {"host": answers.host, "port": answers.port}
    if answers.public_url is not None:
        table["public_url"] = answers.public_url
    return _table("server", table, repeated=False)


def _store(answers: SetupAnswers, made: SetupPlan, folder: str) -> str:
    table: dict[str, Any] = {"data_dir": answers.data_dir}
    if answers.store is not None and "@" in answers.store:  # with a password
        made.secrets["store-url"] = answers.store
        table["url"] = f"file:{folder}/store-url"
    elif answers.store is not None:
        table["url"] = answers.store
    return _table("store", table, repeated=False)


def _source(answers: SetupAnswers, made: SetupPlan, source: PlannedSource, folder: str) -> str:
    table: dict[str, Any] = {"name": source.name, "adapter": source.adapter, **_of_tenant(source.tenant)}
    if source.secret is not None:
        known = answers.vendor_secrets.get(source.adapter) if answers.tenants == [source.tenant] else None
        made.secrets[source.secret] = known or secrets.token_urlsafe(32)
        if source.wanted is not None and known is None:
            made.pending.append(source.secret)
        table["secrets"] = [f"file:{folder}/{source.secret}"]
    if source.adapter == "web.segment":
        table["trust"] = "public"
    if source.listen is not None:
        table |= {"listen": source.listen, "recipients": answers.recipients}
    return _table("sources", table)


def _of_tenant(tenant: str) -> dict[str, str]:
    return {} if tenant == "default" else {"tenant": tenant}


def _table(name: str, values: Mapping[str, Any], *, repeated: bool = True) -> str:
    """A table in TOML, whose strings and lists are written as in JSON."""
    head = f"[[{name}]]" if repeated else f"[{name}]"
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    return "\n".join((head, *lines, ""))


def _base64() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
