"""Checks across entries: names that must be known or unique, and rules that never apply."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from handoff.bootstrap.redaction import build_patterns
from handoff.bootstrap.settings import PatternSettings, TokenSettings
from handoff.delivery.connectors.transcribing import load_plugins
from handoff.delivery.settings import ConnectorSettings, TranscriberSettings, WebhookSettings
from handoff.domain.errors import ConfigurationError
from handoff.domain.policies import Policy
from handoff.domain.retention.rules import RetentionRule, check_rules
from handoff.services.access.access import Token, check_tokens
from handoff.services.privacy.settings import PrivacySettings
from handoff.services.webhooks.spec import useless_types

from .faults import FaultList

QUEUES = (("tokens", "queues"), ("webhooks", "queues"), ("connectors", "queues"))
"""Lists of queues. Policies name one queue each."""


def check_callers(faults: FaultList, tokens: Mapping[int, TokenSettings], admin: Token | None) -> None:
    """Tokens that share a name or a secret with an earlier one."""
    accepted: list[Token] = []
    for at, settings in tokens.items():
        token = settings.token()
        if admin is not None and token.secret_hash == admin.secret_hash:
            faults.add(("tokens", at, "secret"), "HANDOFF_ADMIN_TOKEN has the same secret: give each its own")
            continue
        try:
            check_tokens([*accepted, token])
        except ConfigurationError as error:
            key = "secret" if "same secret" in error.detail else "name"
            faults.add(("tokens", at, key), error.detail)
        else:
            accepted.append(token)


def check_subscriptions(
    faults: FaultList,
    webhooks: Mapping[int, WebhookSettings],
    connectors: Mapping[int, ConnectorSettings],
) -> None:
    """Subscriptions that the server would refuse, and types that match nothing."""
    known: set[bytes] = set()
    entries: list[tuple[str, int, WebhookSettings | ConnectorSettings]] = [
        *(("webhooks", at, it) for at, it in webhooks.items()),
        *(("connectors", at, it) for at, it in connectors.items()),
    ]
    for section, at, entry in entries:
        if isinstance(entry, WebhookSettings):
            for number, problem in useless_types(entry.types).items():
                faults.add(("webhooks", at, "types", number), problem)
        if "://" not in entry.url:
            faults.add((section, at, "url"), f"{entry.url[:80]!r} has no scheme: write https://…")
            continue
        try:
            configured = entry.configured()
        except ConfigurationError as error:
            problem = error.detail.partition(f"{entry.name or entry.url!r}: ")[2] or error.detail
            parameter = getattr(error.__cause__, "fields", {}).get("parameter")
            key = (str(parameter),) if parameter else _named_in(problem, entry)
            faults.add((section, at, *key), problem)
            continue
        if configured.id in known:
            faults.add((section, at, "url"), "duplicate URL: give each entry a different name")
        known.add(configured.id)


def check_transcribers(faults: FaultList, transcribers: Mapping[int, TranscriberSettings]) -> None:
    """Transcribers that the server would refuse, and plug-ins that are not installed."""
    names: set[tuple[str, str]] = set()
    for at, entry in transcribers.items():
        if (entry.tenant, entry.name) in names:
            faults.add(("transcribers", at, "name"), "duplicate name: give each entry a different one")
        names.add((entry.tenant, entry.name))
        try:
            entry.configured()
        except ConfigurationError as error:
            problem = error.detail.partition(f"{entry.name!r}: ")[2] or error.detail
            words = [it for it in re.findall(r"\w+", problem) if it in entry.__struct_fields__]
            faults.add(("transcribers", at, words[0] if words else "urls"), problem)
        try:
            load_plugins([entry.plugin])
        except ConfigurationError as error:
            faults.add(("transcribers", at, "plugin"), error.detail, severity="warning")


def _named_in(problem: str, entry: WebhookSettings | ConnectorSettings) -> tuple[str, ...]:
    """The key that an error is about."""
    words = [it for it in re.findall(r"\w+", problem) if it in entry.__struct_fields__]
    return (words[0],) if words else ("url",) if "URL" in problem else ()


def check_retention(
    faults: FaultList,
    rules: Mapping[int, RetentionRule],
    tenants: Collection[str],
    channels: Collection[str],
) -> None:
    """Rules that can never apply."""
    accepted: list[RetentionRule] = []
    for at, rule in rules.items():
        try:
            check_rules([*accepted, rule], tenants, channels)
        except ConfigurationError as error:
            faults.add(("retention", at), re.sub(r"retention: rule \d+ ", "this rule ", error.detail))
        else:
            accepted.append(rule)


def check_rotation(faults: FaultList, privacy: PrivacySettings) -> None:
    """A schedule of rotations that has no effect, or comes too late to be of use."""
    path, days = ("privacy", "sealing", "rotate_every_days"), privacy.sealing.rotate_every_days
    if days and not privacy.sealing.on:
        faults.add(path, "has no effect: privacy.sealing.keys is not set", severity="warning")
    elif privacy.backup_days and days > privacy.backup_days:
        problem = (
            f"backups are deleted after {privacy.backup_days} days (privacy.backup_days): epochs that are "
            "replaced less often make no backup unreadable before its end"
        )
        faults.add(path, problem, severity="warning")


def check_patterns(faults: FaultList, patterns: Mapping[int, PatternSettings]) -> None:
    """Patterns that RE2 does not accept, and more of them than a tenant may have."""
    accepted: list[PatternSettings] = []
    for at, pattern in patterns.items():
        try:
            build_patterns([*accepted, pattern])
        except ConfigurationError as error:
            faults.add(("redaction", at, "pattern"), error.detail)
        else:
            accepted.append(pattern)


def check_policies(faults: FaultList, policies: Mapping[int, Policy]) -> None:
    """Policies that can never request or redirect a handoff, and keys in them without effect."""
    earlier: list[Policy] = []
    names: dict[tuple[str, str], int] = {}
    for at, policy in policies.items():
        path = ("policies", at)
        if policy.when.transfers is None:
            _check_detecting(faults, policy, at, earlier)
        else:
            _check_transfers(faults, policy, at, earlier)
        earlier.append(policy)
        if policy.whom.deadline_s <= 0:
            faults.add((*path, "whom", "deadline_s"), "must be greater than 0: the handoff expires at once")
        if names.setdefault((policy.tenant, policy.name), at) != at:
            problem = f"another policy is named {policy.name!r}: logs and handoffs show only the name"
            faults.add((*path, "name"), problem, severity="warning")


def _check_detecting(faults: FaultList, policy: Policy, at: int, earlier: Sequence[Policy]) -> None:
    if policy.when.within_s <= 0:
        problem = "this policy never applies: no conversation is that new; must be greater than 0"
        faults.add(("policies", at, "when", "within_s"), problem)
        return
    for other in earlier:
        same = other.when.transfers is None and _watched(other) == _watched(policy)
        if same and other.when.within_s >= policy.when.within_s:
            problem = f"policy {other.name!r} comes first and takes every handoff of this one"
            faults.add(("policies", at), problem, severity="warning")
            return


def _watched(policy: Policy) -> tuple[object, ...]:
    return policy.tenant, policy.sender, policy.to, frozenset(policy.when.types)


def _check_transfers(faults: FaultList, policy: Policy, at: int, earlier: Sequence[Policy]) -> None:
    path, needed = ("policies", at, "when", "transfers"), policy.when.transfers or 0
    if needed < 1:
        faults.add(path, "must be at least 1: with 0, every handoff is redirected")
        return
    for other in earlier:
        if other.tenant == policy.tenant and 0 < (other.when.transfers or 0) <= needed:
            problem = (
                f"this policy never applies: policy {other.name!r} comes first and takes every handoff after "
                f"{other.when.transfers} transfers"
            )
            faults.add(path, problem)
            return
    if policy.when.types:
        problem = "has no effect with when.transfers"
        faults.add(("policies", at, "when", "types"), problem, severity="warning")


def check_queues(faults: FaultList, table: Mapping[str, Any]) -> None:
    """Queues that only one entry names, with a name that is almost another's: probably a misspelling."""
    used: dict[str, list[tuple[str | int, ...]]] = {}
    for name, path in _queues(table):
        used.setdefault(name, []).append(path)
    for number, (name, paths) in enumerate(used.items()):
        others = [it for at, it in enumerate(used) if at < number or len(used[it]) > 1]
        if len(paths) == 1 and (similar := _misspelt(name, others)):
            problem = f"only this entry names the queue {name!r}; did you mean {similar!r}?"
            faults.add(paths[0], problem, severity="warning")


def _queues(table: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    for section, key in QUEUES:
        for at, entry in enumerate(_tables(table.get(section))):
            given = entry.get(key)
            for number, name in enumerate(given if isinstance(given, list) else ()):
                if isinstance(name, str):
                    yield name, (section, at, key, number)
    for at, entry in enumerate(_tables(table.get("policies"))):
        whom = entry.get("whom")
        name = whom.get("queue") if isinstance(whom, dict) else None
        if isinstance(name, str):
            yield name, ("policies", at, "whom", "queue")


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [it if isinstance(it, dict) else {} for it in value] if isinstance(value, list) else []


def _misspelt(name: str, others: Iterable[str]) -> str | None:
    """The name that differs by one letter, by two neighbours in the wrong order, or by case."""
    return next((it for it in others if len(name) > 3 and _is_near(name.lower(), it.lower())), None)


def _is_near(one: str, other: str) -> bool:
    if len(one) > len(other):
        one, other = other, one
    if one[-1].isdigit() and other[-1].isdigit():
        return one == other  # queues may be numbered
    if len(one) == len(other):
        differing = [at for at in range(len(one)) if one[at] != other[at]]
        swapped = len(differing) == 2 and one[differing[0]] == other[differing[1]]
        swapped = swapped and one[differing[1]] == other[differing[0]] and differing[1] - differing[0] == 1
        return len(differing) <= 1 or swapped
    return any(one == other[:at] + other[at + 1 :] for at in range(len(other)))
