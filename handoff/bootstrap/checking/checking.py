"""Checks a configuration file: every fault at once, as far as it can be known without starting anything."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from handoff.bootstrap.exposed import check_secrets
from handoff.bootstrap.settings import (
    ADMIN_TOKEN,
    ServerSettings,
    Settings,
    allows_readable,
    load_settings,
    overriding_variables,
    plain_value,
)
from handoff.bootstrap.sources import build_sources
from handoff.delivery.settings import NOTED, TRANSCRIBED
from handoff.domain.errors import ConfigurationError
from handoff.domain.retention.rules import CLASSES
from handoff.domain.touchpoint import CHANNELS, TYPES
from handoff.services.access.access import Token, hash_secret
from handoff.services.access.oidc import ALGORITHMS
from handoff.services.access.principal import SCOPES, Audience
from handoff.services.audit.settings import AuditSettings
from handoff.services.privacy.settings import PrivacySettings
from handoff.services.sources.inbound import Source
from handoff.store.settings import StoreSettings

from . import machine, meaning
from .faults import ConfigurationFault, FaultList, KeyPath
from .key_lines import key_lines
from .references import OWN_VARIABLES, FileReferences, strange_variables
from .shape import ShapeCheck
from .source_tables import check_sources

T = TypeVar("T", bound=Struct)
_TENANTED = ("sources", "tokens", "webhooks", "connectors", "transcribers", "oidc")
"""Sections whose entries make a tenant known."""
_RULES = ("policies", "retention")
"""Sections whose entries depend on those before them."""


class CheckedConfiguration(Struct, frozen=True, kw_only=True):
    """The result: the faults in the order of their lines, and what was understood."""

    faults: list[ConfigurationFault]
    sources: list[Source]
    counts: dict[str, int]

    @property
    def valid(self) -> bool:
        return not any(it.severity == "error" for it in self.faults)


def check_file(path: Path, env: Mapping[str, str]) -> CheckedConfiguration:
    """Check a file together with the environment of this process."""
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return _refused(ConfigurationFault(key="", problem=f"cannot be read: {reason}"))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        problem = f"not valid TOML: {error}"
        return _refused(ConfigurationFault(key="", problem=problem, line=int(line[1]) if line else None))
    variables = _override(table, env)
    faults = FaultList(key_lines(text), variables)
    references = FileReferences(faults, env, path.parent, readable=allows_readable(table))
    resolved = references.resolve(table)
    sources = _ConfigurationCheck(faults, resolved, references.secret, env).run()
    _check_variables(faults, env, references.named)
    if not any(it.severity == "error" for it in faults.found):
        _check_loading(faults, path, env)
    faults.found.sort(key=lambda it: (it.line is None, it.line or 0))
    counts = {name: len(_entries(resolved, name)) for name in ("tokens", "webhooks", "connectors")}
    return CheckedConfiguration(faults=faults.found, sources=sources, counts=counts)


def _refused(fault: ConfigurationFault) -> CheckedConfiguration:
    return CheckedConfiguration(faults=[fault], sources=[], counts={})


def _override(table: dict[str, Any], env: Mapping[str, str]) -> dict[KeyPath, str]:
    """Apply the variables that override keys; returns which variable set which key."""
    found: dict[KeyPath, str] = {}
    for (section, key), name in overriding_variables().items():
        inner = table.setdefault(section, {}) if name in env else None
        if isinstance(inner, dict):
            inner[key] = plain_value(env[name])
            found[section, key] = name
    return found


def _check_variables(faults: FaultList, env: Mapping[str, str], named: Collection[str]) -> None:
    known = OWN_VARIABLES | frozenset(overriding_variables().values()) | frozenset(named)
    for name, similar in strange_variables(env, known):
        hint = f"; did you mean {similar}?" if similar else ""
        found = ConfigurationFault(
            key=name, problem=f"nothing reads this environment variable{hint}", severity="warning"
        )
        faults.found.append(found)


def _check_loading(faults: FaultList, path: Path, env: Mapping[str, str]) -> None:
    """Load the file as a start does. This finds more only if the other checks have a gap."""
    try:
        build_sources(load_settings(path, env), lambda _source, _option: None)
    except ConfigurationError as error:
        faults.add((), error.detail)


def _entries(table: Mapping[str, Any], name: str) -> list[Any]:
    given = table.get(name)
    return given if isinstance(given, list) else []


class _ConfigurationCheck:
    """The checks of one resolved table."""

    def __init__(
        self, faults: FaultList, table: dict[str, Any], secret: Collection[KeyPath], env: Mapping[str, str]
    ) -> None:
        self._faults = faults
        self._table = table
        self._env = env
        self._channels = frozenset(CHANNELS) | _strings(_entries(table, "channels"), "name")
        self._tenants = frozenset({"default"}).union(
            *(_strings(_entries(table, it), "tenant") for it in _TENANTED)
        )
        self._shape = ShapeCheck(faults, self._choices(), secret)

    def _choices(self) -> dict[tuple[str, ...], Collection[str]]:
        channels, tenants = self._channels, self._tenants
        return {
            ("tokens", "*", "scopes", "*"): SCOPES,
            ("tokens", "*", "audience"): [it.value for it in Audience],
            ("oidc", "*", "scopes", "*"): SCOPES - {"admin"},
            ("oidc", "*", "algorithms", "*"): ALGORITHMS,
            ("webhooks", "*", "channels", "*"): channels,
            ("connectors", "*", "channels", "*"): channels,
            ("connectors", "*", "on", "*"): NOTED,
            ("transcribers", "*", "channels", "*"): channels,
            ("transcribers", "*", "types", "*"): TRANSCRIBED,
            ("policies", "*", "from"): channels,
            ("policies", "*", "to"): channels,
            ("policies", "*", "whom", "channel"): channels,
            ("policies", "*", "when", "types", "*"): frozenset(TYPES),
            ("policies", "*", "tenant"): tenants,
            ("redaction", "*", "tenant"): tenants,
            ("privacy", "masking", "*", "tenant"): tenants,
            ("promises", "agents_confirm", "*"): tenants,
            ("promises", "proofs", "*", "tenant"): tenants,
            ("announcements", "rules", "*", "tenant"): tenants,
            ("announcements", "rules", "*", "whom", "channel"): channels,
            ("retention", "*", "tenant"): tenants,
            ("retention", "*", "channels", "*"): channels,
            ("retention", "*", "types", "*"): frozenset(CLASSES),
        }

    def run(self) -> list[Source]:
        """Check everything; returns the sources that are right."""
        faults, whole = self._faults, self._table
        shell = {key: it for key, it in whole.items() if key not in ("tokens", "sources")}
        self._shape.table(shell | {"sources": [], "tokens": []}, Settings, ())
        self._shape.value(whole.get("tokens", []), _type_of("tokens"), ("tokens",))
        sources = check_sources(faults, self._shape, whole.get("sources", []), self._channels)
        server = self._section("server", ServerSettings)
        store, audit = self._section("store", StoreSettings), self._section("audit", AuditSettings)
        if server is not None:
            machine.check_server(faults, server)
            machine.check_listeners(faults, server, sources)
            self._check_secrets(server)
        if store is not None:
            machine.check_store(faults, store)
        if audit is not None:
            machine.check_audit(faults, audit)
        if (privacy := self._section("privacy", PrivacySettings)) is not None:
            meaning.check_rotation(faults, privacy)
        self._check_lists()
        self._check_connected_sources(sources.values())
        return list(sources.values())

    def _section(self, name: str, type_: type[T]) -> T | None:
        return self._settings(self._table.get(name, {}), type_, (name,))

    def _settings(self, table: Any, type_: type[T], path: KeyPath) -> T | None:
        """The settings in a table without its wrong keys, so that one fault does not hide another."""
        if not isinstance(table, dict):
            return None
        known = {it.encode_name for it in msgspec.structs.fields(type_)}
        right = {
            key: it for key, it in table.items() if key in known and not self._faults.within((*path, key))
        }
        try:
            return msgspec.convert(self._faults.without_unknown(right, path), type_)
        except msgspec.ValidationError:
            return None  # reported with the wrong key, or needs it

    def _check_lists(self) -> None:
        faults, admin = self._faults, self._env.get(ADMIN_TOKEN)
        secret = hash_secret(admin) if admin else None
        nothing: frozenset[str] = frozenset()
        own = Token(name="admin", tenant="", scopes=nothing, secret_hash=secret) if secret else None
        meaning.check_callers(faults, self._each("tokens"), own)
        meaning.check_subscriptions(faults, self._each("webhooks"), self._each("connectors"))
        meaning.check_transcribers(faults, self._each("transcribers"))
        meaning.check_retention(faults, self._each("retention"), self._tenants, self._channels)
        meaning.check_patterns(faults, self._each("redaction"))
        meaning.check_policies(faults, self._each("policies"))
        meaning.check_queues(faults, self._table)

    def _each(self, name: str) -> dict[int, Any]:
        """The entries of a list, as settings. Rules with a fault are left out: without a wrong key, they
        would apply to more."""
        type_ = get_args(_type_of(name))[0]
        found = {}
        for at, entry in enumerate(_entries(self._table, name)):
            if not (name in _RULES and self._faults.within((name, at))):
                found[at] = self._settings(entry, type_, (name, at))
        return {at: it for at, it in found.items() if it is not None}

    def _check_secrets(self, server: ServerSettings) -> None:
        """Secrets that anyone can guess, where others reach the server."""
        security = self._table.get("security")
        if isinstance(security, dict) and security.get("allow_default_secrets") is True:
            return
        named: list[tuple[KeyPath, Any]] = []
        for at, token in enumerate(_entries(self._table, "tokens")):
            named.append((("tokens", at, "secret"), token.get("secret") if isinstance(token, dict) else None))
        for at, source in enumerate(_entries(self._table, "sources")):
            given = source.get("secrets") if isinstance(source, dict) else None
            secrets = given if isinstance(given, list) else []
            named += [(("sources", at, "secrets", number), it) for number, it in enumerate(secrets)]
        named.append(((ADMIN_TOKEN,), self._env.get(ADMIN_TOKEN) or None))
        for path, secret in named:
            if isinstance(secret, str) and secret and not self._faults.within(path):
                try:
                    check_secrets(server.host, [("this key", secret)])
                except ConfigurationError as error:
                    self._faults.add(path, error.detail)

    def _check_connected_sources(self, sources: Iterable[Source]) -> None:
        known = {it.name for it in sources} | _strings(_entries(self._table, "sources"), "name")
        known |= _strings(_entries(self._table, "tokens"), "name")
        for at, entry in self._each("connectors").items():
            if entry.source not in known:
                problem = f"no source or token is named {entry.source!r}: this connector never writes a note"
                path = ("connectors", at, "source")
                self._faults.add(path, problem, severity="warning", given=entry.source, allowed=known)


def _type_of(name: str) -> Any:
    return get_type_hints(Settings)[name]


def _strings(entries: Iterable[Any], key: str) -> frozenset[str]:
    found = (it.get(key) for it in entries if isinstance(it, dict))
    return frozenset(it for it in found if isinstance(it, str))
