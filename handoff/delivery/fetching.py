"""Small documents from configured URLs, through the guard of outgoing requests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import aiohttp

from handoff.services.webhooks.destinations import EgressPolicy, check_url

from .guard import Resolver, guarded_connector

TIMEOUT_S = 5.0
MAX_BYTES = 256 * 1024


async def fetch(url: str, policy: EgressPolicy) -> bytes:
    """The body of a 200 response. ConnectionError for anything else; no redirect is followed."""
    target = check_url(url, policy)
    threads = ThreadPoolExecutor(1, thread_name_prefix="fetch")
    try:
        connector = guarded_connector(policy, Resolver(threads))
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.get(target, allow_redirects=False) as response,
        ):
            body = await response.content.read(MAX_BYTES + 1)
            while len(body) <= MAX_BYTES and (more := await response.content.read(MAX_BYTES + 1 - len(body))):
                body += more
            if response.status != 200 or len(body) > MAX_BYTES:
                raise ConnectionError(f"the server answered {response.status}")
            return body
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ConnectionError(f"cannot read {target.origin()}") from error
    finally:
        threads.shutdown(wait=False)
