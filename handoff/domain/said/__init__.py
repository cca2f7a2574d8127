"""Promises and complaints in people's own words, found by rule.

No platform reports that somebody wrote "I will call you tomorrow before noon". `candidates` finds such
sentences: promises in our own words, complaints in a customer's. Nobody has confirmed a candidate: it is
marked wherever it is shown, and it never becomes a fact by itself. The words and the date grammar of each
language are data, in the packs of `handoff.domain.brief.packs`.
"""

from .candidate import Candidate, Utterance, candidate_id
from .finding import SpeechRules, candidates

__all__ = ["Candidate", "SpeechRules", "Utterance", "candidate_id", "candidates"]
