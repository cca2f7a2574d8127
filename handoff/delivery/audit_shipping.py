"""Sends shipped audit lines to an HTTP endpoint, through the guard, or to a command's standard input."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.services.audit.settings import AuditSettings
from handoff.services.audit.shipping import Send, ShippedBatch
from handoff.services.webhooks.destinations import EgressPolicy, check_url, parse_networks

from .sender import BoundedResponse, Sender

COMMAND_S = 60.0
WRITER_HEADER = "Handoff-Audit-Writer"
WRITER_VARIABLE = "HANDOFF_AUDIT_WRITER"


@asynccontextmanager
async def shipping_to(settings: AuditSettings) -> AsyncIterator[Send]:
    """How batches are sent. ConfigurationError for a URL that may not be called."""
    if settings.ship_url is None:
        yield _to_command(settings.ship_command)
        return
    url, policy = destination_of(settings.ship_url, settings)
    async with Sender() as sender:
        yield _to_url(sender, url, policy, settings.ship_token)


def destination_of(url: str, settings: AuditSettings) -> tuple[str, EgressPolicy]:
    """Where batches go, and what may be called. ConfigurationError for a URL that may not be."""
    try:
        policy = EgressPolicy(
            networks=parse_networks(settings.ship_allow_networks), insecure=settings.ship_allow_insecure
        )
        return str(check_url(url, policy)), policy
    except Unprocessable as error:
        raise ConfigurationError(f"audit.ship_url: {error.detail}") from error


def _to_url(sender: Sender, url: str, policy: EgressPolicy, token: str | None) -> Send:
    async def send(batch: ShippedBatch) -> None:
        headers = {"Content-Type": "application/x-ndjson", WRITER_HEADER: batch.writer}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        outcome = await sender.request(
            "POST", url, policy, headers=headers, body=batch.lines, reading=BoundedResponse(total_s=20.0)
        )
        if outcome.status is None or not 200 <= outcome.status < 300:
            raise ConnectionError(f"the receiver answered {outcome.status or outcome.error}")

    return send


def _to_command(command: tuple[str, ...]) -> Send:
    async def send(batch: ShippedBatch) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                env={**os.environ, WRITER_VARIABLE: batch.writer},
            )
        except OSError as error:
            raise ConnectionError(f"cannot run {command[0]}: {error.strerror or error}") from error
        try:
            async with asyncio.timeout(COMMAND_S):
                await process.communicate(batch.lines)
        except TimeoutError as error:
            raise ConnectionError(f"{command[0]} takes too long") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise ConnectionError(f"{command[0]} ended with {process.returncode}")

    return send
