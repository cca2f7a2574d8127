"""What the rules are told by the configuration: the language packs, and what sources say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from .packs.pack import Packs, compile_packs


class SourceRules(Struct, frozen=True, kw_only=True):
    """What a source declares: who writes what we send there, and forms that nobody waits for after.

    Names of forms are as `lines.same` compares them.
    """

    outbound: Literal["bot", "person"] | None = None
    no_answer_forms: frozenset[str] = frozenset()


class BriefRules(Struct, frozen=True, kw_only=True):
    """Everything the rules need beside the touchpoints. Sources by name."""

    packs: Packs = field(default_factory=lambda: compile_packs(()))
    sources: Mapping[str, SourceRules] = field(default_factory=dict)
