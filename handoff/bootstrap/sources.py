"""Builds the configured sources and their adapters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

import structlog

from handoff.adapter.manifest import CHANNEL_OF_SOURCE
from handoff.adapter.poller import Poller
from handoff.delivery.polling.client import check_poller
from handoff.domain.brief import BriefRules, SourceRules
from handoff.domain.brief.lines import same
from handoff.domain.brief.packs import Packs
from handoff.domain.errors import ConfigurationError
from handoff.services.announcements.settings import follow_rules
from handoff.services.context.completeness import SourceFacts
from handoff.services.sources.inbound import Source
from handoff_adapters.registry import adapter_class

from .settings import Settings, read_options

log = structlog.get_logger(__name__)


def _log_ignored(source: str, option: str) -> None:
    log.warning("source_option_ignored", source=source, option=option)


def build_sources(
    settings: Settings, ignored: Callable[[str, str], None] = _log_ignored
) -> dict[str, Source]:
    """All sources by name. ConfigurationError for an unknown adapter or key, or a duplicate name.

    `ignored` gets the source's name and the option, for options that earlier releases accepted without
    using them, and for options that others make ineffective.
    """
    sources: dict[str, Source] = {}
    for table in settings.sources:
        source = _build(table)
        if (channel := foreign_channel(source, settings.channel_names)) is not None:
            known = ", ".join(sorted(settings.channel_names))
            raise ConfigurationError(
                f"source {source.name!r}: `channel` is {channel!r}; known channels are {known}"
            )
        for option in _ignored(table, source):
            ignored(source.name, option)
        if source.name in sources:
            raise ConfigurationError(f"duplicate source name {source.name!r}")
        sources[source.name] = source
    return sources


def _build(table: Mapping[str, Any]) -> Source:
    for key in ("name", "adapter"):
        if not isinstance(table.get(key), str):
            raise ConfigurationError(f"source {table.get('name', '?')!r}: {key!r} is missing")
    adapter = adapter_class(table["adapter"])
    options = read_options(table, adapter.options, adapter.options.former)
    source = Source(options=options, adapter=adapter(options))
    if isinstance(source.adapter, Poller):
        check_poller(source.adapter)
    return source


def foreign_channel(source: Source, known: Collection[str]) -> str | None:
    """The channel that a source states, if it is none of the `known` ones."""
    stated = source.adapter.manifest.channel == CHANNEL_OF_SOURCE
    return source.adapter.channel if stated and source.adapter.channel not in known else None


def _ignored(table: Mapping[str, Any], source: Source) -> list[str]:
    name = source.options.adapter
    former = [f"`{key}` is not an option of {name}" for key in table if key in source.options.former]
    return former + source.options.without_effect()


def facts(sources: Mapping[str, Source]) -> list[SourceFacts]:
    """The facts about sources that completeness is computed from."""
    return [
        SourceFacts(
            name=it.name,
            tenant=it.tenant,
            secret=it.options.authenticated,
            expected_every_s=it.options.expected_every_s,
            channel=it.adapter.channel,
        )
        for it in sources.values()
    ]


def brief_rules(settings: Settings, sources: Mapping[str, Source], packs: Packs) -> BriefRules:
    """The rules of briefs as the configuration states them."""
    business = settings.business
    return BriefRules(
        packs=packs,
        sources=source_rules(sources),
        time_zone=business.time_zone,
        day_ends=business.end_of_day,
        following=follow_rules(settings.announcements),
    )


def source_rules(sources: Mapping[str, Source]) -> dict[str, SourceRules]:
    """The properties that sources declare and the rules of the brief need."""
    return {
        it.name: SourceRules(
            outbound=outbound_of(it),
            no_answer_forms=frozenset(same(name) for name in it.options.no_answer_forms),
        )
        for it in sources.values()
        if outbound_of(it) or it.options.no_answer_forms
    }


def outbound_of(source: Source) -> Literal["bot", "person"] | None:
    """The writer of the business's messages there: the source's option, else its adapter's default."""
    return source.options.outbound or source.adapter.manifest.outbound


def spaces(sources: Mapping[str, Source]) -> dict[str, tuple[tuple[str, str], ...]]:
    """The (type, space) pairs of the handles that each tenant's sources may send."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for source in sources.values():
        known = found.get(source.tenant, ())
        found[source.tenant] = tuple(dict.fromkeys((*known, *source.adapter.identity_spaces)))
    return found


def regions(sources: Mapping[str, Source]) -> dict[str, tuple[str, ...]]:
    """The regions of each tenant's sources, in the order of the configuration."""
    found: dict[str, tuple[str, ...]] = {}
    for source in sources.values():
        region = getattr(source.options, "default_region", None)
        known = found.get(source.tenant, ())
        if region and region not in known:
            found[source.tenant] = (*known, region)
    return found


def tenants(settings: Settings, sources: Mapping[str, Source]) -> list[str]:
    """All tenants in the configuration, and `default`."""
    named = ["default", *(it.tenant for it in sources.values())]
    named += [it.tenant for it in settings.tokens] + [it.tenant for it in settings.webhooks]
    named += [it.tenant for it in settings.connectors] + [it.tenant for it in settings.transcribers]
    named += [it.tenant for it in settings.oidc]
    return list(dict.fromkeys(named))
