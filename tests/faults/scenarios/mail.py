"""Mail as load: SMTP senders with a ledger of what was answered with 250."""

from __future__ import annotations

import asyncio
import smtplib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.faults.load import Ledger

RECIPIENT = "support@shop.example"
HOST = "mx.shop.example"
SENDERS = 2
PACE_S = 0.02
PATIENCE_S = 60.0  # for taking all mails again


class Mails:
    """Each sender writes as one customer, one mail at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ledger = Ledger(homes=SENDERS)

    def configuration(self) -> str:
        return (
            '[[sources]]\nname = "mail"\nadapter = "email.smtp"\n'
            f'listen = "127.0.0.1:{self.port}"\nrecipients = ["{RECIPIENT}"]\n'
            f'trusted_authserv_ids = ["{HOST}"]\n'
        )

    def identity(self, home: int) -> str:
        return f"email:customer{home}@mail.example"

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        stopping = asyncio.Event()

        async def sender(number: int) -> None:
            while not stopping.is_set():
                touchpoint = self.ledger.touchpoint(number)
                await asyncio.to_thread(self._send, touchpoint)
                await asyncio.sleep(PACE_S)

        async with asyncio.TaskGroup() as group:
            for number in range(SENDERS):
                group.create_task(sender(number))
            try:
                yield
            finally:
                stopping.set()

    async def send_all_again(self) -> None:
        """Send every mail once more, acknowledged or not; all of them must be taken now."""

        def work() -> None:
            deadline = time.monotonic() + PATIENCE_S
            for touchpoint in self.ledger.sent:
                while not self._send(touchpoint):
                    assert time.monotonic() < deadline, (
                        f"mail {touchpoint['id']} was not taken the second time"
                    )
                    time.sleep(0.1)

        await asyncio.to_thread(work)

    def _send(self, touchpoint: dict[str, Any]) -> bool:
        address = self.identity(self.ledger.home_of(touchpoint["id"])).removeprefix("email:")
        raw = (
            f"Authentication-Results: {HOST}; dmarc=pass header.from=mail.example\r\n"
            f"From: {address}\r\nTo: {RECIPIENT}\r\nSubject: Order\r\n"
            f"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{touchpoint['id']}@mail.example>\r\n"
            f"\r\n{touchpoint['id']}\r\n"
        )
        try:
            server = smtplib.SMTP("127.0.0.1", self.port, local_hostname="sender.example", timeout=15)
            try:
                server.sendmail(address, [RECIPIENT], raw)
            finally:
                server.close()
            self.ledger.acknowledge(touchpoint["id"])
            return True
        except smtplib.SMTPServerDisconnected:
            self.ledger.statuses[0] += 1
        except smtplib.SMTPRecipientsRefused as refused:
            self._refused(*next(iter(refused.recipients.values())))
        except smtplib.SMTPResponseException as refused:
            self._refused(refused.smtp_code, refused.smtp_error)
        except OSError:
            self.ledger.statuses[0] += 1
        return False

    def _refused(self, code: int, reply: bytes | str) -> None:
        self.ledger.statuses[code] += 1
        if not 400 <= code < 500:
            self.ledger.wrong.append(f"{code} {reply!r}")
