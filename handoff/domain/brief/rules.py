"""The configuration of the rules: the language packs, and the declarations of the sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from handoff.domain.said import SpeechRules

from .packs.pack import Packs, compile_packs


class SourceRules(Struct, frozen=True, kw_only=True):
    """A source's declarations: who writes our outbound messages there, and the forms that need no answer.

    Names of forms are as `lines.same` compares them.
    """

    outbound: Literal["bot", "person"] | None = None
    no_answer_forms: frozenset[str] = frozenset()


class BriefRules(Struct, frozen=True, kw_only=True):
    """Everything the rules need beside the touchpoints. Sources by name."""

    packs: Packs = field(default_factory=lambda: compile_packs(()))
    sources: Mapping[str, SourceRules] = field(default_factory=dict)
    time_zone: str = "UTC"
    """Of customers whose zone is not known."""
    day_ends: int = 17 * 60
    """When the business day ends, in minutes after midnight."""
    speech_key: bytes = b""
    """Keys the ids of candidates."""

    def speech(self) -> SpeechRules:
        """The rules of promises and complaints."""
        return SpeechRules(grammars=self.packs.grammars, key=self.speech_key, day_ends=self.day_ends)
