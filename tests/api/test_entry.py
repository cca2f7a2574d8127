"""`/` leads on: a page for browsers, JSON for everybody else."""

from __future__ import annotations

import re

import pytest

from .conftest import Api

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_gets_links_that_lead_somewhere(api: Api) -> None:
    answer = await api.get("/", token=None, headers={"Accept": BROWSER})
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    page = answer.raw.decode()
    assert page.count("<h1>") == page.count("<main>") == 1
    links = re.findall(r'href="([^"]+)"', page)
    assert {"docs", "panel/"} <= set(links)
    for link in links:
        assert not link.startswith(("/", "http")), "a proxy may serve us on any path"
        assert (await api.get(f"/{link}", token=None)).status == 200


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
async def test_programs_get_the_same_links(api: Api, accept: str) -> None:
    answer = await api.get("/", token=None, headers={"Accept": accept})
    assert answer.status == 200
    assert (answer.json["name"], answer.json["openapi"]) == ("conversation-handoff", "openapi.json")


async def test_nothing_else_is_there(api: Api) -> None:
    assert (await api.call("POST", "/", token=None)).status == 405
    assert (await api.get("/index.html", token=None)).status == 404
