"""The configuration as operators may see it.

Only what is listed here is shown: a key that somebody adds, and every option of an adapter from another
package, is hidden until it is known to hold no secret. Numbers and switches are always shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from handoff.domain.text.urls import split_url

from .settings import Settings

SET = "(set)"
_NAMES = frozenset({"name", "tenant", "channels", "queues", "types", "scopes", "allow_networks"})
SHOWN: Mapping[str, frozenset[str]] = {
    "server": frozenset({"host"}),
    "store": frozenset({"data_dir", "durability", "maxmemory"}),
    "sources": _NAMES
    | {"adapter", "outbound", "no_answer_forms", "account", "id_space", "user_space", "default_region", "own"}
    | {"trust", "verified_traits", "allowed_origins", "article_categories", "article_paths", "events"}
    | {"recipients", "listen", "protocol", "trusted_authserv_ids"},
    "tokens": _NAMES | {"audience", "agent", "role"},
    "webhooks": _NAMES | {"include", "signatures"},
    "connectors": _NAMES | {"kind", "source", "account", "on"},
    "transcribers": _NAMES | {"plugin", "types", "content_types", "requires_consent"},
    "business": frozenset({"time_zone", "day_ends"}),
    "channels": _NAMES,
    "identity": frozenset(),
    "policies": _NAMES | {"from", "to", "queue", "agent", "channel"},
    "panel": frozenset({"allowed_origins"}),
    "oidc": _NAMES | {"audience", "algorithms", "agent_claim", "scope_claim", "queues_claim", "role_claim"},
    "redaction": _NAMES,
    "security": frozenset(),
    "limits": frozenset(),
    "privacy": frozenset({"on_missing_consent", "handoff", "export"}),
    "audit": frozenset({"dir", "fsync", "on_failure", "journal_dir", "also_read"}),
    "retention": _NAMES,
    "promises": frozenset({"agents_confirm", "proofs"}),
    "announcements": frozenset({"rules"}),
}
"""By section: the keys whose texts are shown."""
URLS = frozenset({"url", "public_url", "issuer", "jwks_url", "ship_url", "sign_in_url"})
"""Shown without user, password, path, and query: any of them may be a secret."""
_TABLES = frozenset({"whom", "when", "require_consent", "limits"})
"""Tables inside an entry that have keys of their own."""
OF_TENANTS = (
    *("sources", "tokens", "webhooks", "connectors", "transcribers"),
    *("policies", "oidc", "redaction", "retention"),
)
"""Sections whose entries belong to tenants. The others concern the whole server."""
_ALL_TENANTS = frozenset({"retention"})
"""Sections whose entries without a tenant apply to all of them."""


def shown_settings(settings: Settings, tenant: str | None) -> dict[str, Any]:
    """The sections with what may be shown: of one tenant, or the whole configuration (None)."""
    whole: dict[str, Any] = msgspec.to_builtins(settings)
    if tenant is None:
        return {section: _shown(value, SHOWN.get(section, frozenset())) for section, value in whole.items()}
    return {
        section: [
            _shown(it, SHOWN[section])
            for it in whole[section]
            if (it.get("tenant") or (tenant if section in _ALL_TENANTS else "default")) == tenant
        ]
        for section in OF_TENANTS
    }


def _shown(value: Any, shown: frozenset[str], key: str = "") -> Any:
    if isinstance(value, dict):
        if not key or key in _TABLES:
            return {name: _shown(it, shown, name) for name, it in value.items()}
        # Names in a table of an option are the operator's own, and may be equal to those of keys.
        return {name: _shown(it, shown, key) for name, it in value.items()}
    if isinstance(value, list):
        return [_shown(it, shown, key) for it in value]
    if not isinstance(value, str) or not value:
        return value
    if key in URLS:
        return _origin(value)
    return value if key in shown else SET


def _origin(url: str) -> str:
    """Scheme and hosts of a URL, also of one with several hosts."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return SET
    authority = rest.partition("/")[0].partition("?")[0].partition("#")[0]
    hosts = authority.rpartition("@")[2]
    parts = split_url(url)
    more = parts is None or parts.path not in ("", "/") or bool(parts.query)
    return f"{scheme}://{hosts}" + ("/…" if more else "")
