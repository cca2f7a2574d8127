"""Longer descriptions and examples in the command line's help, wrapped for 80 columns."""

from __future__ import annotations

TOP_EXAMPLES = """\
environment:
  HANDOFF_URL, HANDOFF_TOKEN  the server and token for commands that ask a
                              running server
  HANDOFF_ADMIN_TOKEN         the server's admin token; without it,
                              `handoff serve` prints a new one
  HANDOFF_SERVER_*            override [server] in the configuration file
  HANDOFF_STORE_*             override [store] in the configuration file

examples:
  handoff demo
  handoff init /etc/handoff.toml
  handoff check-config /etc/handoff.toml
  handoff serve --config /etc/handoff.toml
  handoff context email:anna@example.com

`handoff COMMAND --help` describes a command.
"""
SERVE_EXAMPLES = """\
examples:
  handoff serve --data /var/lib/handoff
  handoff serve --config /etc/handoff.toml --workers 4
  HANDOFF_STORE_URL=redis://store.internal:6379 handoff serve

Options override the HANDOFF_SERVER_* and HANDOFF_STORE_* variables, which
override the configuration file. SIGTERM and Ctrl-C stop the server after the
requests in flight have finished.
"""
DEMO_EXAMPLES = """\
examples:
  handoff demo                # then open the URLs that it prints; Ctrl-C stops it
  handoff demo --once         # print the journey and the agent's context, then exit

The demo is idempotent: running it again records nothing twice.
"""
CONTEXT_EXAMPLES = """\
examples:
  handoff context user:anna
  handoff context phone:+358401234567 email:anna@example.com
  handoff context user:anna --json | jq .brief
"""
HANDOFFS_EXAMPLES = """\
examples:
  handoff handoffs --state requested --queue refunds
  handoff handoffs --agent mia --json
"""
ERASE_EXAMPLES = """\
examples:
  handoff customer erase email:anna@example.com --wait
  handoff customer erase CUSTOMER_ID --reason "request 118" --yes --json
  handoff customer erase user:anna --identity phone:+358401234567

The customer is out of sight at once; the rest is deleted in the background.
It cannot be undone. `handoff erasures list` shows what was erased.
"""
CUSTOMER_EXAMPLES = """\
examples:
  handoff customer links user:anna
  handoff customer link user:anna email:anna@example.com \\
      --reason "confirmed on the phone" --dry-run
  handoff customer withdraw user:anna LINK_ID --reason "shared address"
  handoff customer split user:anna phone:+358401234567 --reason "family phone"
  handoff customer assign TOUCHPOINT_ID user:anna --reason "she called from the family's phone"
  handoff customer candidates user:anna
  handoff customer export user:anna --output anna.json
  handoff customer erase user:anna --wait

Try every change with --dry-run first: it shows the customers that the change
would create.
"""
API_KEY_EXAMPLES = """\
examples:
  handoff tokens create billing-desk --scope context:read --scope handoffs:write \\
      --queue billing --network 10.0.0.0/8
  handoff tokens rotate 4kX2mPq9TzR1 --overlap 3600
  handoff tokens revoke 4kX2mPq9TzR1

A key is printed once. The server keeps its HMAC.
"""
AUDIT_EXAMPLES = """\
examples:
  handoff audit search --customer email:anna@example.com --since 30d
  handoff audit search --agent ville --action exportCustomer
  handoff audit verify --data /var/lib/handoff
  handoff audit verify --dir /mnt/archive/audit --expect 3f…

verify exits with 1 if a line or a file was changed, removed, or reordered.
search needs the scope audit:read.
"""
WEBHOOK_EXAMPLES = """\
examples:
  handoff webhooks test https://desk.example.com/handoff --secret whsec_…
  handoff webhooks test http://127.0.0.1:9000/hook \\
      --allow-insecure --allow-network 127.0.0.0/8

The exit status is 0 if the receiver accepted the event, otherwise 1.
"""
UPGRADE = """\
Let the store use this release's formats. Run this command after you have
upgraded every worker: older workers cannot read records in the new formats,
and the store cannot return to the old ones.
"""
ACCEPT_LOSS = """\
Resume writes after the store lost acknowledged data, for example because an
old backup was restored. Until then, the servers answer writes with 503.
Restore the missing data first if you can: this command only confirms the
loss.
"""
ROTATE = """\
Begin a new key epoch and wrap all data keys in it, beside the running
servers. An interrupted run is continued with --resume. The old epoch stays
until you destroy it.
"""
DESTROY = """\
Destroy retired epochs. Backups of the store whose data keys they wrap can
then no longer be read, by anyone. The command refuses while the store still
needs them. Destroy other copies of the key file, too.
"""
SEAL = """\
Seal what was stored before [privacy.sealing] was set, beside the running
servers. An interrupted run is continued by running the command again. Older
backups and replicas keep the clear data.
"""
IMPORT = """\
Import touchpoints from an NDJSON file, one touchpoint per line, plain or
gzip-compressed.

You can stop an import at any time and run the command again: FILE.progress
records what the server has stored, and the command checks it with the server
before it continues. An import is quiet: touchpoints appear in timelines,
contexts and links, but trigger no webhooks, connectors, policies or
notifications.
"""
IMPORT_EXAMPLES = """\
exit status:
  0    every line is stored
  1    not finished; the message gives the reason, and the same command
       continues the import
  3    finished, but the server rejected some lines: FILE.rejected.ndjson
       has them with line number, code and detail
  130  interrupted; the same command continues the import

examples:
  handoff import history.ndjson --url https://handoff.example.com
  handoff import history.ndjson.gz --rejected to-fix.ndjson
  handoff import to-fix.ndjson        # after you have corrected its lines
  handoff import yesterday.ndjson --announce

The token needs the scopes touchpoints:write and operate; with --announce, only
touchpoints:write.
"""
