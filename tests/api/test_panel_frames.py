"""Which frames get the panel, and which the reason why not."""

from __future__ import annotations

import msgspec

from handoff.bootstrap.settings import PanelSettings
from tests import serving
from tests.conftest import fresh_tenant

DESKTOP, SIGN_IN, FOREIGN = "https://desk.example.com", "https://sso.example.com", "https://other.example.com"


async def test_a_sign_in_page_may_send_the_agent_back_into_the_frame(valkey: str) -> None:
    """The browser then states the sign-in page, not the desktop around the frame."""
    tenant = fresh_tenant()
    plain = serving.settings_for(valkey, [serving.token("desk", tenant, "context:read")])
    panel = PanelSettings(allowed_origins=[DESKTOP], sign_in_url=f"{SIGN_IN}/agents?next=panel")
    async with serving.in_process(msgspec.structs.replace(plain, panel=panel)) as (server, http):
        for origin, status, ancestors in (
            (DESKTOP, 200, f"'self' {DESKTOP}"),
            (SIGN_IN, 200, f"'self' {DESKTOP}"),  # it may not frame the page: the browser refuses that
            (FOREIGN, 403, f"{FOREIGN} {DESKTOP}"),  # the desktop shows the reason, too
            ("https://a.example;script-src.x", 200, f"'self' {DESKTOP}"),
        ):
            headers = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site", "Referer": f"{origin}/"}
            async with http.get(f"{server.url}/panel/", headers=headers) as response:
                assert response.status == status, origin
                policy = response.headers["Content-Security-Policy"].split("; ")
                assert f"frame-ancestors {ancestors}" in policy
                assert policy[0] == "default-src 'none'"
