"""The configuration: a TOML file, overridden by `HANDOFF_*` variables, with resolved secrets."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from handoff.api.http.cors import check_origin
from handoff.delivery.settings import ConnectorSettings, TranscriberSettings, WebhookSettings
from handoff.domain.errors import ConfigurationError
from handoff.domain.identity import Assurance
from handoff.domain.identity_rules import IdentityRules
from handoff.domain.policies import Policy
from handoff.domain.redaction.scan import ALL_DIGITS, CARD_CODE, CARD_NUMBER, TRACK_DATA
from handoff.domain.retention.rules import RetentionRule
from handoff.domain.said.zones import zone_named
from handoff.domain.text.urls import split_url
from handoff.domain.touchpoint import CHANNELS
from handoff.services.access.access import Token, check_tokens, hash_secret
from handoff.services.access.oidc import IssuerSettings
from handoff.services.access.principal import SCOPES, Audience, Role
from handoff.services.access.reader import ACCESS_AFTER_S
from handoff.services.access.sessions import token_tenant
from handoff.services.admission.limits import LimitSettings
from handoff.services.announcements.settings import AnnouncementSettings
from handoff.services.audit.settings import AuditSettings
from handoff.services.ledger.settings import PromiseSettings
from handoff.services.privacy.settings import PrivacySettings
from handoff.store.settings import StoreSettings

from .exposed import check_secret_file, check_secrets

T = TypeVar("T", bound=Struct)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
ADMIN_TOKEN = "HANDOFF_ADMIN_TOKEN"  # noqa: S105 - the name of a variable, not its value


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The listening address. `public_url` is the URL that vendors call, and that some of them sign."""

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    workers: int = 1
    protect_metrics: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError("server.port must be between 0 and 65535")
        if not 1 <= self.workers <= 64:
            raise ValueError("server.workers must be between 1 and 64")


class TokenSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bearer token. `audience = "customer"` is for bots and customer-facing tools: they see only verified
    touchpoints, unless a request asks for more, and nothing internal. `queues` limits the token to these
    queues, `agent` binds it to one agent."""

    name: str
    secret: str
    scopes: list[str]
    tenant: str = "default"
    audience: str = "agent"
    queues: list[str] | None = None
    agent: str | None = None
    role: Role = "agent"
    access_after_s: int = ACCESS_AFTER_S

    def __post_init__(self) -> None:
        unknown = set(self.scopes) - SCOPES
        if unknown:
            raise ValueError(f"token {self.name!r}: unknown scopes {', '.join(sorted(unknown))}")
        if len(self.secret) < 16:
            raise ValueError(f"token {self.name!r}: the secret must have at least 16 characters")
        if token_tenant(self.secret) is not None:
            raise ValueError(f"token {self.name!r}: the secret must not look like a session token")
        if self.audience not in ("agent", "customer"):
            raise ValueError(f"token {self.name!r}: audience must be agent or customer")
        if "admin" in self.scopes and (self.queues is not None or self.audience == "customer"):
            raise ValueError(f"token {self.name!r}: a token with admin has no limits")
        if self.access_after_s < 0:
            raise ValueError(f"token {self.name!r}: access_after_s must be 0 or more")

    def token(self) -> Token:
        customer = self.audience == "customer"
        return Token(
            name=self.name,
            tenant=self.tenant,
            scopes=frozenset(self.scopes),
            secret_hash=hash_secret(self.secret),
            min_assurance=Assurance.VERIFIED if customer else Assurance.INFERRED,
            agent=self.agent,
            audience=Audience(self.audience),
            queues=frozenset(self.queues) if self.queues is not None else None,
            role=self.role,
            access_after_s=self.access_after_s,
        )


class ChannelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A custom channel in addition to the four built-in ones."""

    name: str


class BusinessSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The business's clock, by which promises are due. `time_zone` counts for customers whose own is not
    known; "by Friday" means Friday at `day_ends`."""

    time_zone: str = "UTC"
    day_ends: str = "17:00"

    def __post_init__(self) -> None:
        if zone_named(self.time_zone) is None:
            raise ValueError("business.time_zone must be an IANA name, e.g. Europe/Helsinki")
        if not _CLOCK.fullmatch(self.day_ends):
            raise ValueError("business.day_ends must be a time, e.g. 17:00")

    @property
    def end_of_day(self) -> int:
        """Minutes after midnight."""
        hours, _, minutes = self.day_ends.partition(":")
        return int(hours) * 60 + int(minutes)


class PanelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The panel. `allowed_origins` may frame it and call the API from a browser.

    `sign_in_url` is the page on which agents get a session; the panel links to it when there is none.
    """

    allowed_origins: list[str] = field(default_factory=list)
    sign_in_url: str | None = None

    def __post_init__(self) -> None:
        for origin in self.allowed_origins:
            check_origin(origin)
        if self.sign_in_url is None:
            return
        parts = split_url(self.sign_in_url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.host or parts.fragment:
            raise ValueError(
                f"sign_in_url {self.sign_in_url!r} is not a URL such as https://desk.example.com/"
            )


class PatternSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pattern of a tenant for what must not be stored: an RE2 regular expression."""

    name: str
    pattern: str
    tenant: str = "default"
    keep_last: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", self.name):
            raise ValueError(f"redaction pattern {self.name!r}: names match [a-z][a-z0-9_]*")
        if self.name in (CARD_NUMBER, CARD_CODE, TRACK_DATA, ALL_DIGITS):
            raise ValueError(f"redaction pattern {self.name!r}: the name is built in")
        if not 0 <= self.keep_last <= 8:
            raise ValueError(f"redaction pattern {self.name!r}: keep_last must be 0 to 8")


class SecuritySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exceptions from the checks of secrets at the start."""

    allow_readable_secrets: bool = False
    allow_default_secrets: bool = False


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration. `sources` are tables, because each adapter defines its own keys."""

    server: ServerSettings = field(default_factory=ServerSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    sources: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[TokenSettings] = field(default_factory=list)
    webhooks: list[WebhookSettings] = field(default_factory=list)
    connectors: list[ConnectorSettings] = field(default_factory=list)
    transcribers: list[TranscriberSettings] = field(default_factory=list)
    channels: list[ChannelSettings] = field(default_factory=list)
    identity: IdentityRules = field(default_factory=IdentityRules)
    policies: list[Policy] = field(default_factory=list)
    panel: PanelSettings = field(default_factory=PanelSettings)
    oidc: list[IssuerSettings] = field(default_factory=list)
    redaction: list[PatternSettings] = field(default_factory=list)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    retention: list[RetentionRule] = field(default_factory=list)
    promises: PromiseSettings = field(default_factory=PromiseSettings)
    announcements: AnnouncementSettings = field(default_factory=AnnouncementSettings)
    business: BusinessSettings = field(default_factory=BusinessSettings)

    def __post_init__(self) -> None:
        check_tokens(it.token() for it in self.tokens)
        if not self.security.allow_default_secrets:
            check_secrets(self.server.host, _named_secrets(self))

    @property
    def channel_names(self) -> frozenset[str]:
        return frozenset(CHANNELS) | {it.name for it in self.channels}


def _named_secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    """The secrets with which others call the server."""
    for token in settings.tokens:
        yield f"token {token.name!r}", token.secret
    for source in settings.sources:
        given = source.get("secrets")
        for secret in given if isinstance(given, list) else ():
            if isinstance(secret, str):
                yield f"source {source.get('name', '?')!r}", secret


_OVERRIDABLE: dict[str, type[Struct]] = {"server": ServerSettings, "store": StoreSettings}
"""The sections that `HANDOFF_*` variables can override."""


def load_settings(path: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """Load a configuration file, or the defaults. ConfigurationError explains what is invalid."""
    env = os.environ if environment is None else environment
    table = _read(path) if path is not None else {}
    _override(table, env)
    resolved = _resolve(table, env, path.parent if path else Path(), _check_of_files(table))
    try:
        settings = msgspec.convert(resolved, Settings)
        if not settings.security.allow_default_secrets and env.get(ADMIN_TOKEN):
            check_secrets(settings.server.host, [(ADMIN_TOKEN, env[ADMIN_TOKEN])])
        return settings
    except (msgspec.ValidationError, ConfigurationError) as error:
        raise ConfigurationError(f"{path or 'configuration'}: {error}") from error


def load_source(path: Path, name: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The table of one source in a configuration file. Only its own secrets must be there."""
    env = os.environ if environment is None else environment
    whole = _read(path)
    tables = whole.get("sources")
    for table in tables if isinstance(tables, list) else ():
        if isinstance(table, dict) and table.get("name") == name:
            found: dict[str, Any] = _resolve(table, env, path.parent, _check_of_files(whole))
            return found
    raise ConfigurationError(f"{path}: no source is named {name!r}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error


def _override(table: dict[str, Any], env: Mapping[str, str]) -> None:
    """Apply variables: `HANDOFF_SERVER_PORT=9000` is `[server] port = 9000`. Other sections have none."""
    for (section, key), name in overriding_variables().items():
        if name in env:
            table.setdefault(section, {})[key] = plain_value(env[name])


def overriding_variables() -> dict[tuple[str, str], str]:
    """The variable that overrides each key, by section and key."""
    return {
        (section, key): f"HANDOFF_{section.upper()}_{key.upper()}"
        for section, settings in _OVERRIDABLE.items()
        for key in settings.__struct_fields__
    }


def plain_value(value: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return value


def allows_readable(table: Mapping[str, Any]) -> bool:
    security = table.get("security")
    return isinstance(security, dict) and security.get("allow_readable_secrets") is True


def _check_of_files(table: Mapping[str, Any]) -> Callable[[Path], None]:
    return _may_be_read if allows_readable(table) else check_secret_file


def _may_be_read(_path: Path) -> None:
    """Any permissions of a secret's file will do."""


def _resolve(value: Any, env: Mapping[str, str], base: Path, check: Callable[[Path], None]) -> Any:
    """Replace every `env:NAME` and `file:PATH` in the configuration by the value it refers to."""
    if isinstance(value, dict):
        return {key: _resolve(it, env, base, check) for key, it in value.items()}
    if isinstance(value, list):
        return [_resolve(it, env, base, check) for it in value]
    if isinstance(value, str) and value.startswith("env:"):
        name = value.removeprefix("env:")
        if not env.get(name):
            raise ConfigurationError(f"environment variable {name} is not set")
        return env[name]
    if isinstance(value, str) and value.startswith("file:"):
        path = base / value.removeprefix("file:")
        check(path)
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"cannot read secret file {path}: {error.strerror or error}") from error
    return value


def read_options(table: Mapping[str, Any], type_: type[T], former: Collection[str] = ()) -> T:
    """Convert a source's table to its adapter's options, without the `former` ones.

    ConfigurationError for unknown or invalid ones.
    """
    name = table.get("name", "?")
    known = {field.encode_name for field in msgspec.structs.fields(type_)}
    for key in table:
        if key not in known and key not in former:
            raise ConfigurationError(
                f"source {name!r}: the adapter {table.get('adapter', '?')} has no option {key!r}; "
                f"its options are {', '.join(sorted(known))}"
            )
    try:
        return msgspec.convert({key: it for key, it in table.items() if key in known}, type_)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"source {name!r}: {error}") from error
