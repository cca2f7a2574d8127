"""Reading the configuration again while the server runs: tenants, tokens, sources, and what depends on them.

Everything is built and checked first. Then all of it takes effect in one turn of the event loop, so no
request sees half of it, and an invalid configuration changes nothing. Open streams and connections stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from msgspec import Struct

from handoff.adapter.contract import Listener
from handoff.api.http.app_keys import AppContext, Reloaded
from handoff.delivery.settings import subscriptions_of
from handoff.domain.errors import ConfigurationError, HandoffError, Unprocessable
from handoff.domain.retention.rules import check_rules
from handoff.services.access.access import Access, Token
from handoff.services.announcements.settings import announcement_policies, check_announcements
from handoff.services.events.reactions import Followers
from handoff.services.ledger.settings import check_promises, ledger_rules
from handoff.services.privacy.settings import check_masking
from handoff.services.retention.policy import RetentionPolicy
from handoff.services.sources.inbound import Source
from handoff.services.webhooks.configured import configure
from handoff.services.webhooks.spec import check
from handoff.store.store import Store

from .redaction import build_patterns, masked_kinds
from .settings import Settings
from .sources import brief_rules, build_sources, facts, spaces, tenants

_FIXED = ("server", "store", "identity", "panel", "audit", "limits", "transcribers")
"""Sections that only a restart applies."""

log = structlog.get_logger(__name__)


class RunningParts(Struct, frozen=True, kw_only=True):
    """The parts of a running server that a reload changes. `tenants` is changed in place."""

    site: AppContext
    store: Store
    tenants: list[str]
    followers: Followers
    retention: RetentionPolicy
    admin: Token


class Reloader:
    """Applies the configuration that `load` reads to a running server."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        parts: RunningParts,
        announce: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._transcribers = settings.transcribers  # those whose plug-ins run, until a restart
        self._load = load
        self._parts = parts
        self._announce = announce
        self._lock = asyncio.Lock()

    @property
    def settings(self) -> Settings:
        """The configuration in effect. Sections that need a restart are those of the file."""
        return self._settings

    async def reload(self) -> Reloaded:
        """ConfigurationError if the configuration is invalid. Nothing has changed then."""
        async with self._lock:
            try:
                result = await self._apply()
            except HandoffError as error:
                log.error("configuration_refused", error=error.detail)
                raise
            log.info("configuration_reloaded", tokens=result.tokens, sources=result.sources)
            return result

    async def reload_all(self) -> Reloaded:
        """The same, and the other workers do it as well."""
        result = await self.reload()
        if self._announce is not None:
            self._announce()
        return result

    async def _apply(self) -> Reloaded:
        parts, old, new = self._parts, self._settings, self._load()
        sources, waiting = self._sources(new)
        names = tenants(new, sources)
        tokens = [parts.admin, *(it.token() for it in new.tokens)]
        Access(tokens, names)  # checks them together
        patterns = build_patterns(new.redaction)
        check_rules(new.retention, names, new.channel_names)
        check_masking(new.privacy.masking, names)
        check_promises(new.promises, names)
        subscriptions = subscriptions_of(new.webhooks, new.connectors, self._transcribers)
        check_announcements(new.announcements, names)
        try:
            for subscription in subscriptions:
                check(subscription.wishes)
        except Unprocessable as error:
            raise ConfigurationError(error.detail) from error
        added = [it for it in names if it not in parts.tenants]
        await parts.store.prepare_tenants(added)
        await configure(parts.store, [*parts.tenants, *added], subscriptions)
        self._use(new, sources, names, tokens)
        parts.store.redaction.replace(patterns)
        parts.store.masking.replace(masked_kinds(new.privacy.masking))
        parts.tenants.extend(added)
        self._settings = new
        changed = [it for it in _FIXED if getattr(old, it) != getattr(new, it)]
        changed += ["privacy.sealing"] * (old.privacy.sealing != new.privacy.sealing)
        restart = changed + ["sources"] * waiting
        return Reloaded(tenants=added, tokens=len(new.tokens), sources=len(sources), needs_restart=restart)

    def _use(self, new: Settings, sources: dict[str, Source], names: list[str], tokens: list[Token]) -> None:
        """Put everything into effect. Nothing here waits or fails."""
        parts, site = self._parts, self._parts.site
        site.credentials.access.replace(tokens, names)
        site.credentials.issuers.replace(new.oidc)
        site.sources = sources
        site.identity_spaces = spaces(sources)
        site.channels = new.channel_names
        site.policies = new.policies
        site.privacy = new.privacy
        site.handoffs.consent = new.privacy.consent_policy
        parts.followers.replace(new.policies)
        site.ledger.replace(ledger_rules(new.promises))
        site.announcements.replace(announcement_policies(new.announcements))
        parts.retention.replace(new.retention, names, new.channel_names)
        site.monitor.replace(facts(sources))
        parts.store.use_rules(brief_rules(new, sources, parts.store.brief_rules.packs))
        parts.store.forget_reads()  # it was read by the rules from before
        site.recent.clear()
        for use in site.on_reload:
            use()

    def _sources(self, new: Settings) -> tuple[dict[str, Source], bool]:
        """The sources of a configuration, and whether a listener waits for a restart.

        A source that stays as it was keeps its adapter. A port is opened or closed at a start only.
        """
        built, known = build_sources(new), self._parts.site.sources
        before = {it.get("name"): it for it in self._settings.sources}
        after = {it.get("name"): it for it in new.sources}
        sources: dict[str, Source] = {}
        waiting = False
        for name, source in built.items():
            same = name in known and before.get(name) == after[name]
            if same:
                sources[name] = known[name]
            elif not isinstance(source.adapter, Listener):
                sources[name] = source
            else:
                waiting = True
        for name, source in known.items():
            if isinstance(source.adapter, Listener) and name not in sources:
                sources[name], waiting = source, True
        return sources, waiting
