"""The panel's files: browsers ask for each once per release, and load all of a page's at once."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest

from .conftest import Api

LINK = re.compile(r'(?:href|src)="([^"]+\.(?:js|css|json))"')
IMPORT = re.compile(r"""(?:from|import) "(\.[^"]+)";""")


async def read(api: Api, path: str) -> tuple[int, str, str]:
    answer = await api.get(path, token=None)
    return answer.status, answer.raw.decode(), answer.headers.get("Cache-Control", "")


@pytest.mark.parametrize("page", ["/panel/", "/panel/ops/"])
async def test_a_page_names_every_script_that_it_will_run_under_an_address_that_never_changes(
    api: Api, page: str
) -> None:
    status, text, caching = await read(api, page)
    assert (status, caching) == (200, "no-cache")
    named = {urljoin(page, it) for it in LINK.findall(text)}
    assert len(named) > 10
    for path in named:
        status, body, caching = await read(api, path)
        assert status == 200, path
        assert caching == "public, max-age=31536000, immutable", path
        if path.endswith(".js"):
            assert {urljoin(path, it) for it in IMPORT.findall(body)} <= named, path


async def test_files_without_the_version_of_this_release_are_asked_for_again(api: Api) -> None:
    _status, text, _caching = await read(api, "/panel/")
    (version,) = set(re.findall(r"v/([0-9a-f]+)/", text))
    current = await read(api, f"/panel/v/{version}/context.js")
    for path in ("/panel/context.js", "/panel/v/0123456789abcdef/context.js"):
        assert await read(api, path) == (200, current[1], "no-cache")
    for path in (
        f"/panel/v/{version}/",
        f"/panel/v/{version}/index.html",
        f"/panel/v/{version}/../page.js%00",
    ):
        assert (await read(api, path))[0] == 404
