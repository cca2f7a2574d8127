"""The codes of all lines: names of rules that screens and agents' feedback use. Frozen: only add."""

from __future__ import annotations

CODES = frozenset(
    {
        *("handoff_requested", "ping_pong", "handed_before", "returned", "callback_missed", "waiting"),
        *("continues", "code_refused"),
        *("given_back", "bot_after_person", "assigned", "transfer_not_followed", "unclear", "solved"),
        *("callback_not_followed", "mail_not_followed"),
        *("said", "asked_for_call", "sent_files", "dormant", "candidate_words"),
        *("read_article", "searched", "form_failed", "form_submitted", "bot_answered", "asked_call_back"),
        *("call_unanswered", "not_delivered", "nobody_took_it", "declined", "withdrawn", "deleted"),
        *("answered", "noted", "spoke", "handoff_ended", "held"),
        *("callback", "promise", "promise_candidate"),
        *("fact", "passed_on", "writes_in", "consent_withdrawn"),
        *("survey", "complaint", "complaint_candidate"),
    }
)
