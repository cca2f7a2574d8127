"""The report of the measure, as the page that `docs/fidelity.md` holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from .journey import Journey
from .measure import RIVALS, Verdict

Judged = tuple[Journey, Verdict]

HEAD = """# Fidelity: how much of a customer's history reaches the next agent

`make fidelity` makes this page. It plays {count} customer journeys ({by_hand} written by hand, {made} made
from a scenario grammar) through the real adapters: Segment, Chatwoot and Twilio webhooks, SMTP mail, and the
API. At the end of each journey a handoff is requested and its context is read. Every journey states the facts
that the next agent must know. A fact counts if its words are in the brief. No model judges.

Journeys come from {industries} industries and in {languages} languages. A third of them, chosen by a hash of
the name, is set aside and only summed up. This is not a blind test. The authors of the rules wrote all
journeys, and looked at this third too while they tuned the rules. The figures show that the rules do what
their authors meant on these journeys. For how much of a stranger's history reaches the agent, see the
[blind journeys](#blind-journeys).

"""
BLIND_HEAD = """## Blind journeys

The author of these journeys had not read the rules. The rules were mended by kind on half a. Of half b, their
authors saw only these sums. `make fidelity ARGS=--blind` prints them with what is absent in half a.

"""
MORE_HEAD = """
## Further journeys

Their author had not read the rules when most of them were written. After that, the rules were mended on them.
`make fidelity ARGS=--more` prints what is absent.

"""
TAIL = """
## How to read it

- *In the brief*: the fact's words are in a line of the brief. *In the context*: they are anywhere
  in the answer.
- *Wrong*: the brief states something that the journey rules out, for example a value that was corrected.
- *Unmarked*: a line states a claim without marking it as one.
- *Complete*: briefs with every fact, nothing wrong and nothing unmarked.
- *Matters, F1*: pairs of asks that the brief puts into one matter, against the labels of the journey.
- *Silent cuts*: quotes that end early without an ellipsis.
- *Tokens* are words and punctuation marks.
- The limits of others are applied to the timeline of the same context: messages and notes
  only, as a transcript.

## Add a journey

Write a TOML file into `tests/fidelity/journeys/`; the form is described in `tests/fidelity/journey.py`, the
steps in `tests/fidelity/player.py`. Then run `make fidelity`, or `make fidelity ARGS="NAME …"` for single
journeys with what their briefs lack, and `make fidelity ARGS="--screen --write"` for what is on the panel's
first screen. To measure another product, play the same journeys through it, and judge
what its agents see with `tests/fidelity/measure.py`.
"""


def page(
    judged: Sequence[Judged], by_hand: int, blind: Sequence[Judged] = (), more: Sequence[Judged] = ()
) -> str:
    journeys = [journey for journey, _verdict in judged]
    head = HEAD.format(
        count=len(journeys),
        by_hand=by_hand,
        made=len(journeys) - by_hand,
        industries=len({it.industry for it in journeys}),
        languages=len({it.language for it in journeys}),
    )
    open_ = [it for it in judged if not it[0].set_aside]
    aside = [it for it in judged if it[0].set_aside]
    own = "\n".join([*_summary(open_, aside), "", *_kinds(open_, aside), "", *_rivals(judged)])
    further = MORE_HEAD + "\n".join(_languages(more))
    return "\n".join([head + own, "", BLIND_HEAD + "\n".join(_halves(blind)), further, TAIL])


def _halves(blind: Sequence[Judged]) -> list[str]:
    half_a = [it for it in blind if not it[0].sealed]
    half_b = [it for it in blind if it[0].sealed]
    return _summary(half_a, half_b, ("half a", "half b"))


def blind_page(judged: Sequence[Judged]) -> str:
    """The mistakes and gaps of half a, and the sums of both halves."""
    half_a = [it for it in judged if not it[0].sealed]
    half_b = [it for it in judged if it[0].sealed]
    rows = [row for journey, verdict in half_a for row in details(journey, verdict)]
    rows += ["", *_halves(judged)]
    for title, name in (("in the brief", "in_brief"), ("in the context", "in_context")):
        rows += ["", *_kinds(half_a, half_b, f"{title}, half a", "half b", name)]
    return "\n".join(rows)


def more_page(judged: Sequence[Judged]) -> str:
    """The mistakes and gaps of the journeys in `more`, and their sums."""
    rows = [row for journey, verdict in judged for row in details(journey, verdict)]
    return "\n".join([*rows, "", *_languages(judged)])


def _languages(judged: Sequence[Judged]) -> list[str]:
    ours = [it for it in judged if it[0].language == "en"]
    others = [it for it in judged if it[0].language != "en"]
    return _summary(ours, others, ("in English", "in other languages"))


def _summary(
    open_: Sequence[Judged], aside: Sequence[Judged], titles: tuple[str, str] = ("worked with", "set aside")
) -> list[str]:
    rows = [f"| | {titles[0]} | {titles[1]} |", "|---|---|---|"]
    for name, figure in _FIGURES.items():
        rows.append(f"| {name} | {figure(open_)} | {figure(aside)} |")
    return rows


def _sum(judged: Sequence[Judged], name: str) -> int:
    total = 0
    for _journey, verdict in judged:
        value = getattr(verdict, name)
        total += sum(value.values()) if isinstance(value, Counter) else len(value)
    return total


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _f1(judged: Sequence[Judged]) -> str:
    pairs: Counter[str] = Counter()
    for _journey, verdict in judged:
        pairs += verdict.pairs
    whole = pairs["right"] + pairs["ours"]
    return f"{2 * pairs['both'] / whole:.3f}" if whole else "–"


_FIGURES = {
    "journeys": lambda it: str(len(it)),
    "facts": lambda it: str(_sum(it, "facts")),
    "facts in the brief": lambda it: _share(_sum(it, "in_brief"), _sum(it, "facts")),
    "facts in the context": lambda it: _share(_sum(it, "in_context"), _sum(it, "facts")),
    "complete briefs": lambda it: str(sum(verdict.complete for _journey, verdict in it)),
    "wrong": lambda it: str(_sum(it, "wrong")),
    "unmarked": lambda it: str(_sum(it, "unmarked")),
    "out of order": lambda it: str(sum(verdict.disordered for _journey, verdict in it)),
    "silent cuts": lambda it: str(sum(verdict.silent_cuts for _journey, verdict in it)),
    "matters, F1": _f1,
    "characters, median": lambda it: f"{median([v.characters for _j, v in it] or [0]):.0f}",
    "tokens, median": lambda it: f"{median([v.tokens for _j, v in it] or [0]):.0f}",
}


def _kinds(
    open_: Sequence[Judged],
    aside: Sequence[Judged],
    title: str = "in the brief",
    aside_title: str = "set aside",
    counter: str = "in_brief",
) -> list[str]:
    rows = ["## By kind of fact", "", f"| kind | facts | {title} | {aside_title} |", "|---|---|---|---|"]
    kinds = sorted({kind for _journey, verdict in (*open_, *aside) for kind in verdict.facts})
    for kind in kinds:
        here = [sum(getattr(v, name)[kind] for _j, v in open_) for name in ("facts", counter)]
        there = [sum(getattr(v, name)[kind] for _j, v in aside) for name in ("facts", counter)]
        shares = [_share(it[1], it[0]) for it in (here, there)]
        rows.append(f"| {kind} | {here[0] + there[0]} | {shares[0]} | {shares[1]} |")
    return rows


def _rivals(judged: Sequence[Judged]) -> list[str]:
    facts = _sum(judged, "facts")
    rows = ["## Beside the limits of others", "", "| what is handed over | facts in it |", "|---|---|"]
    rows.append(f"| the brief | {_share(_sum(judged, 'in_brief'), facts)} |")
    rows += [f"| {name} | {_share(sum(v.rivals[name] for _j, v in judged), facts)} |" for name in RIVALS]
    return rows


def details(journey: Journey, verdict: Verdict) -> list[str]:
    """The mistakes and gaps in one journey's brief."""
    rows = [f"missing {it}" for it in verdict.missing]
    rows += [f"WRONG {it}" for it in verdict.wrong]
    rows += [f"UNMARKED {it}" for it in verdict.unmarked]
    if verdict.disordered:
        rows.append(f"out of order: {verdict.disordered}")
    if verdict.pairs["right"] != verdict.pairs["both"] or verdict.pairs["ours"] != verdict.pairs["both"]:
        rows.append(f"matters: {dict(verdict.pairs)}")
    return [f"{journey.id}: {it}" for it in rows]
