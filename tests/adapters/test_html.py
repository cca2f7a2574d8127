"""HTML to text: what is read, and that no HTML takes long or becomes a text without bounds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.adapter.contract import InboundRequest
from handoff_adapters.chat.chatwoot.adapter import ChatwootAdapter
from handoff_adapters.chat.chatwoot.content import MAX_RENDERED, plain_text
from handoff_adapters.chat.chatwoot.options import ChatwootOptions
from handoff_adapters.shared.html import CUT, MAX_INPUT, MAX_RENDERED_TAGS, html_to_text, is_markup

SIZE = 64 * 1024
MAX_S = 0.2  # of processor time for SIZE: an idle machine takes a tenth, a quadratic reader many times more
NAMES = "".join(f"a{number} " for number in range(9_000))


def filled(text: str) -> str:
    return text * (SIZE // len(text))


HOSTILE = {
    "tables in tables": filled("<table><tr><td>x"),
    "a cell of a million columns": filled(
        "<table><tr><td colspan=1000000 rowspan=1000000>x</td></tr></table>"
    ),
    "divs in divs": filled("<div>"),
    "lists in lists": filled("<ul><li>x"),
    "lists in lists, just few enough": "<ul><li>x\n" * 490 + "y " * 25_000,
    "quotes in quotes": filled("<blockquote>x"),
    "spans in spans": "<span>" * 490 + "x" + "</span>" * 490,
    "breaks": filled("<br>"),
    "small elements": filled("<b>x</b>"),
    "one long attribute": f'<div a="{filled("x")}">x</div>',
    "many attributes": f"<div {NAMES}>x</div>",
    "many attributes after a quoted end": f'<div a=b=" c="> " {NAMES}>x</div>',
    "many attributes after a stray quote": f'<div a"b="> " {NAMES}>x</div>',
    "many attributes after a lone sign": f"<div = {NAMES}>x</div>",
    "many attributes without blanks": f"<div {NAMES.replace(' ', '/')}>x</div>",
    "entities": filled("&nbsp;"),
    "broken entities": filled("&#x"),
    "blanks": "<p>" + filled(" "),
    "lines": "<pre>" + filled("\n"),
    "open comments": filled("<!--"),
    "open scripts": filled("<script>"),
    "open tags": filled("<a "),
    "less-than signs": filled("<"),
    "doctypes": filled("<!doctype "),
    "hidden": filled("<p style='display:none'>x</p>"),
    "an ordinary mail": filled("<p>Hello <b>Anna</b>, your order is on its way to you.</p>"),
}


def seconds(work: Callable[[], object]) -> float:
    """Of the processor: the least of some runs, for the machine may be busy."""

    def once() -> float:
        began = time.thread_time()
        work()
        return time.thread_time() - began

    return min(once() for _ in range(4))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_html_takes_long_or_makes_more_text_than_it_is(name: str) -> None:
    source = HOSTILE[name]
    assert len(html_to_text(source)) <= 2 * len(source)
    assert seconds(lambda: html_to_text(source)) < MAX_S
    assert seconds(lambda: is_markup(source)) < MAX_S


@pytest.mark.parametrize("name", HOSTILE)
def test_a_chat_message_of_it_is_read_as_fast(name: str) -> None:
    """Chatwoot's mail inboxes send HTML in the same events as chat, and these are read on the event loop."""
    adapter = ChatwootAdapter(ChatwootOptions(name="chat", adapter="chat.chatwoot", allow_unsigned=True))
    raw = json.dumps(
        {
            "event": "message_created",
            "id": 7,
            "account": {"id": 1},
            "message_type": "incoming",
            "content_type": "incoming_email",
            "content": HOSTILE[name],
            "sender": {"id": 3, "email": "anna@example.com", "type": "contact"},
            "conversation": {"id": 5, "channel": "Channel::Email"},
        }
    ).encode()
    request = InboundRequest(
        method="POST", path="", url="", query=(), headers={}, raw=raw, body=raw, received_at=1
    )
    parsed = adapter.parse(request)
    assert len(parsed.touchpoints) == 1, parsed.malformed
    assert len(parsed.touchpoints[0].text or "") <= MAX_RENDERED
    assert seconds(lambda: adapter.parse(request)) < 1.5 * MAX_S


DENSE = "<i></i>" * (MAX_RENDERED_TAGS // 2 + 1)
"""Too many tags to be rendered: what follows is flattened."""


@pytest.mark.parametrize("dense", ["", DENSE])
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>one</p><p>two &amp; three<br>four</p>", "one\n\ntwo & three\nfour"),
        ("a\n  b\n<b>c</b>d", "a b cd"),
        ("<p>x</p><div style='color:red; DISPLAY : none'>hidden</div>y", "x\n\ny"),
        ("<style>p{}</style>a<script>x()</script>b", "ab"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<pre>a\nb</pre>", "a\nb"),
        ("<div>" * 3_000 + "deep" + "</div>" * 3_000 + "tail", "deep\ntail"),
    ],
)
def test_dense_html_reads_as_other_html_does(dense: str, source: str, text: str) -> None:
    read = [line.strip() for line in html_to_text(dense + source).strip().split("\n")]
    assert [line for line in read if line] == [line for line in text.split("\n") if line]


def test_where_the_text_is_cut_there_is_a_mark() -> None:
    long = "<p>" + "word " * 50_000
    assert (plain_text(long) or "").endswith(CUT)
    assert len(plain_text(long) or "") <= MAX_RENDERED
    assert html_to_text("x" * (MAX_INPUT + 1)).endswith(CUT)
    assert not html_to_text("x" * 1_000).endswith(CUT)


WORDS = "<p> </p> <div> <ul> <li> <table> <td <td> < > <!-- --> & &amp; &#x </ \" ' = a"
PIECES = st.sampled_from([*WORDS.split(), " ", "\n", "\0"])


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map("".join)))
def test_any_text_is_read(source: str) -> None:
    for read in (html_to_text(source), html_to_text(DENSE + source), plain_text(source) or ""):
        assert isinstance(read, str)
