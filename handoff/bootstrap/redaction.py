"""Builds what masks, from the configuration. Patterns run on RE2, whose search takes linear time."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from handoff.domain.errors import ConfigurationError
from handoff.domain.personal_numbers.masking import NumberMasking
from handoff.domain.personal_numbers.suspicion import Search
from handoff.domain.redaction.redaction import Redaction
from handoff.domain.redaction.scan import TenantPattern
from handoff.services.privacy.settings import MaskingRule

from .settings import PatternSettings

MAX_PATTERNS = 20  # of a tenant: each is searched in every text
MAX_LENGTH = 500  # characters of a pattern
MAX_MEMORY = 1024 * 1024  # bytes of a compiled pattern: bounds the time per character
_OWN_MEMORY = 8 * 1024 * 1024  # of the pattern of personal numbers and its cache


def build_redaction(settings: Sequence[PatternSettings]) -> Redaction:
    """The scrubber. ConfigurationError for a pattern that RE2 does not accept."""
    return Redaction(build_patterns(settings))


def build_patterns(settings: Sequence[PatternSettings]) -> dict[str, list[TenantPattern]]:
    """The compiled patterns by tenant. ConfigurationError as above."""
    patterns: dict[str, list[TenantPattern]] = {}
    for pattern in settings:
        known = patterns.setdefault(pattern.tenant, [])
        if len(known) == MAX_PATTERNS:
            tenant = pattern.tenant
            raise ConfigurationError(f"redaction: tenant {tenant!r} has more than {MAX_PATTERNS} patterns")
        known.append(_compiled(pattern))
    return patterns


def build_masking(rules: Sequence[MaskingRule]) -> NumberMasking:
    """Masks personal numbers in what readers get."""
    return NumberMasking(_search, masked_kinds(rules))


def masked_kinds(rules: Sequence[MaskingRule]) -> dict[str, tuple[str, ...]]:
    """The kinds of numbers that each tenant's readers get masked."""
    return {it.tenant: tuple(it.kinds) for it in rules}


def _search(pattern: str) -> Search:
    options = re2.Options()
    options.max_mem = _OWN_MEMORY
    search: Search = re2.compile(pattern, options).search
    return search


def _compiled(given: PatternSettings) -> TenantPattern:
    if len(given.pattern) > MAX_LENGTH:
        raise _invalid(given, f"it has more than {MAX_LENGTH} characters")
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        search = re2.compile(given.pattern, options)
    except re2.error as error:
        raise _invalid(given, str(error)) from error
    if search.search(""):
        raise _invalid(given, "it matches the empty text")
    return TenantPattern(name=given.name, search=search, keep_last=given.keep_last)


def _invalid(given: PatternSettings, why: str) -> ConfigurationError:
    return ConfigurationError(f"redaction pattern {given.name!r}: {why}")
