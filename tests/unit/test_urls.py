"""URLs that somebody else wrote: they have all of their parts, or they are none."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handoff.api.http.cors import check_origin
from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.domain.text.urls import is_host, split_url
from handoff.services.webhooks.destinations import MAX_URL, EgressPolicy, check_url, parse_url
from handoff.store.resp.address import parse_address

ANYWHERE = EgressPolicy(insecure=True)
NONE = [
    "https://xn--/",
    "https://xn--a/",
    "https://xn--zzzzzzzzzzzzzzzzzzzz/",
    "https://xn--\u00e4/",
    "https://\ud800.example.com/",
    "https://example.com/\ud800",
    "https://\u200d/",
    "https://a..b/",
    "https://.example.com/",
    "https://-a.example.com/",
    "https://%00/",
    "https://a%2fb/",
    "https://[::1/",
    "https://]/",
    "https://[v1.a]/",
    "https://[fe80::1%eth0",
    "https://example.com:port/",
    "https://example.com:99999/",
    "https://example.com:-1/",
    "https:///path",
    "https://" + "a" * 64 + ".example.com/",
    "https://" + "a." * 200 + "com/",
    "https://example.com/" + "a" * MAX_URL,
    "https://exam\x00ple.com/",
    "",
    "https:",
    "//",
]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_url_is_refused_with_its_code(text: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        check_url(text, ANYWHERE)
    assert refused.value.problem_code == "invalid_url"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("https://EXAMPLE.com./", "https://example.com./"),
        ("https://b\u00fccher.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("http://my_service:8080/in", "http://my_service:8080/in"),
        ("https://[2a00:1450:4001::1]:8443/", "https://[2a00:1450:4001::1]:8443/"),
    ],
)
def test_what_is_one_is_taken(text: str, whole: str) -> None:
    assert str(check_url(text, ANYWHERE)) == whole


WORDS = "https:// http:// xn-- [ ] ::1 %25 % eth0 : @ / ? # \\ . .. a 0x7f 1 99999"
PIECES = st.sampled_from(
    [*WORDS.split(), "\ud800", "\u00ad", "\u3002", "\u2488", "\u00df", "\0", " ", "\u202e", "a" * 70]
)
URLS = st.one_of(
    st.lists(PIECES, max_size=12).map("".join),
    st.text(max_size=40).map("https://{}/".format),
    st.text(max_size=40).map("https://xn--{}.example.com/".format),
    st.text(max_size=40).map("https://example.com:{}".format),
)


@given(URLS)
@example("https://[::1%25\ud800]/")
def test_any_text_is_a_url_or_refused(text: str) -> None:
    """No parser of ours lets another error out, and what it gives can be read whole."""
    for read in (lambda: check_url(text, ANYWHERE), lambda: parse_url(text)):
        try:
            url = read()
        except Unprocessable:
            continue
        assert is_host(url.raw_host or "")
        assert str(url).encode()
        assert all(map(str, (url.host, url.port, url.path, url.query, url.origin())))
    parts = split_url(text)
    if parts is not None:
        assert parts.path.encode() is not None
    with pytest.raises(ConfigurationError):
        parse_address(text)
    try:
        assert check_origin(text) == text
    except ValueError as error:
        kind = type(error)
        assert kind is ValueError, kind
