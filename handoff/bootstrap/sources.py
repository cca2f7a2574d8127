"""Sources as configured: their adapters, built and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.registry import adapter_class
from handoff.domain.brief import SourceRules
from handoff.domain.brief.lines import same
from handoff.domain.errors import ConfigurationError
from handoff.services.completeness import SourceFacts
from handoff.services.inbound import Source

from .settings import Settings, read_options


def build_sources(settings: Settings) -> dict[str, Source]:
    """Every source by name. ConfigurationError for an unknown adapter, key or a name used twice."""
    sources: dict[str, Source] = {}
    for table in settings.sources:
        source = _build(table)
        if source.name in sources:
            raise ConfigurationError(f"two sources are named {source.name!r}")
        sources[source.name] = source
    return sources


def _build(table: Mapping[str, Any]) -> Source:
    for key in ("name", "adapter"):
        if not isinstance(table.get(key), str):
            raise ConfigurationError(f"a source needs {key!r}: {dict(table).get('name', '?')!r}")
    adapter = adapter_class(table["adapter"])
    options = read_options(table, adapter.options)
    return Source(options=options, adapter=adapter(options))


def facts(sources: Mapping[str, Source]) -> list[SourceFacts]:
    """What completeness needs to know of the sources."""
    return [
        SourceFacts(
            name=it.name,
            tenant=it.tenant,
            secret=bool(it.options.secrets) and it.options.trust != "public",
            expected_every_s=it.options.expected_every_s,
        )
        for it in sources.values()
    ]


def source_rules(sources: Mapping[str, Source]) -> dict[str, SourceRules]:
    """What sources say of themselves that the rules of the brief need to know."""
    return {
        it.name: SourceRules(
            outbound=it.options.outbound,
            no_answer_forms=frozenset(same(name) for name in it.options.no_answer_forms),
        )
        for it in sources.values()
        if it.options.outbound or it.options.no_answer_forms
    }


def spaces(sources: Mapping[str, Source]) -> dict[str, list[tuple[str, str]]]:
    """By tenant: the (type, space) pairs its sources' handles may have."""
    found: dict[str, list[tuple[str, str]]] = {}
    for it in sources.values():
        known = found.setdefault(it.tenant, [])
        known += [pair for pair in it.adapter.identity_spaces if pair not in known]
    return found


def tenants(settings: Settings, sources: Mapping[str, Source]) -> Sequence[str]:
    """Every tenant that the configuration names; `default` always."""
    named = ["default", *(it.tenant for it in sources.values())]
    named += [it.tenant for it in settings.tokens] + [it.tenant for it in settings.webhooks]
    named += [it.tenant for it in settings.connectors]
    return list(dict.fromkeys(named))
