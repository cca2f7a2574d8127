"""The answers of the operator's commands, for people."""

from __future__ import annotations

from typing import Any

from .tables import print_fields, print_more, print_rows, printable, short_time


def print_sources(answer: Any) -> None:
    rows = [
        (
            it["name"],
            it["adapter"],
            short_time(it["last_heard"]) + _condition(it),
            it["last_hour"]["accepted"],
            it["last_hour"]["duplicates"],
            it["last_hour"]["refused"],
            it["quarantined"],
            _reason(it["last_refusal"]),
        )
        for it in answer["sources"]
    ]
    print_rows(
        (
            "Source",
            "Adapter",
            "Last heard (UTC)",
            "Accepted/h",
            "Duplicates/h",
            "Refused/h",
            "Quarantined",
            "Last refusal",
        ),
        rows,
    )


def _condition(source: Any) -> str:
    if source.get("unreachable_since"):
        return f" unreachable ({printable(source.get('unreachable_reason') or 'unknown')})"
    return " late" if source["late"] else ""


def _reason(refusal: Any) -> str:
    return (
        "" if refusal is None else f"{short_time(refusal['last_at'])} {refusal['detail'] or refusal['code']}"
    )


def print_source(source: Any) -> None:
    hour = source["last_hour"]
    print_fields(
        [
            ("source", source["name"]),
            ("adapter", source["adapter"]),
            ("url", source["url"]),
            ("authenticated", source["authenticated"]),
            ("last heard", source["last_heard"]),
            ("expected every", source["expected_every_s"] and f"{source['expected_every_s']:g} s"),
            ("late", source["late"]),
            ("unreachable since", source.get("unreachable_since")),
            ("unreachable because", source.get("unreachable_reason")),
            ("quarantined", str(source["quarantined"])),
            ("last hour", ", ".join(f"{count} {name}" for name, count in hour.items())),
        ]
    )
    if not source["refusals"]:
        print("no refused deliveries in the last 7 days")
    for refusal in source["refusals"]:
        why = printable(refusal["detail"] or refusal["code"])
        print(f"refused {refusal['count']}×, last {short_time(refusal['last_at'])}: {why}")
        if refusal["signed_url"] is not None:
            print(f"  the signature was checked for {printable(refusal['signed_url'])}")
            print("  compare it with the URL in the vendor's settings, and with server.public_url")


def print_status(status: Any) -> None:
    store, lag, hooks = status["store"], status["lag"], status["webhooks"]
    share = store["memory_share"]
    kind = "embedded" if store["embedded"] else "external"
    used = f", {share:.0%} of maxmemory" if share is not None else ""
    leases = ", ".join(f"{it['owner']}: {it['outboxes']}" for it in status["leases"]["holders"])
    pending = f"{hooks['pending']} pending, {hooks['dead']} dead letters, {hooks['failing']} failing"
    print_fields(
        [
            ("release", status["release"]),
            ("state", status["problem"] or "ready"),
            ("store", f"{store['problem'] or 'takes writes'}, {kind}, {store['durability']}{used}"),
            ("lag", f"{lag['behind_s']:g} s, with imports {lag['backlog_s']:g} s"),
            ("leases", f"{leases or 'none'}; free: {status['leases']['free']}"),
            ("webhooks", f"{hooks['subscriptions']} subscriptions ({hooks['disabled']} disabled), {pending}"),
        ]
    )
    print_rows(
        ("Worker", "Pid", "Release", "Format"),
        [(it["host"], it["pid"], it["release"], it["format"]) for it in status["workers"]],
    )


def print_quarantine(page: Any) -> None:
    print_rows(
        ("Id", "Source", "Received (UTC)", "Bytes", "Code", "Detail"),
        [
            (it["id"], it["source"], short_time(it["received_at"]), it["size"], it["code"], it["detail"])
            for it in page["items"]
        ],
    )
    print_more(page["next"], page["returned"], page["total"])


def print_item(item: Any) -> None:
    print_fields(
        [
            ("id", item["id"]),
            ("source", item["source"]),
            ("received", item["received_at"]),
            ("error", f"{item['code']}: {item['detail']}"),
            ("request", f"{item['method']} {item['path']}"),
            ("query", "&".join(f"{name}={value}" for name, value in item["query"])),
            ("content type", item["content_type"]),
            ("headers", ", ".join(f"{name}: {value}" for name, value in item.get("headers", ()))),
            ("bytes", f"{item['size']}" + ("" if item["complete"] else ", only the beginning is kept")),
        ]
    )
    print()
    if item["text"] is None:
        print("the content is not UTF-8: use --raw")
    else:
        print(printable(item["text"], keep="\n\t"))


def print_trial(trial: Any) -> None:
    if not trial["readable"]:
        print(f"not readable: {printable(trial['code'])}: {printable(trial['detail'] or '')}")
    for touchpoint in trial["touchpoints"]:
        parts = (touchpoint[name] for name in ("occurred_at", "channel", "type", "id"))
        print(printable("  ".join(parts)))
    for name, count in trial["ignored"].items():
        print(printable(f"ignored: {name} ({count})"))
    print(f"{trial['count']} touchpoints; nothing was stored")


def print_replayed(answer: Any) -> None:
    print(
        f"{answer['replayed']} replayed: {answer['accepted']} touchpoints accepted, "
        f"{answer['duplicates']} duplicates"
    )
    for failure in answer["failed"]:
        print(printable(f"{failure['id']} stays: {failure['code']}: {failure['detail']}"))


def print_webhooks(answer: Any) -> None:
    rows = [
        (
            it["id"],
            "on" if it["enabled"] else f"off ({it['disabled_reason']})",
            it["status"]["delivered"],
            it["status"]["pending"],
            it["status"]["dead"],
            short_time(it["status"]["failing_since"]),
            it["name"],
            it["url"],
        )
        for it in answer["webhooks"]
    ]
    print_rows(("Id", "State", "Delivered", "Pending", "Dead", "Failing since", "Name", "URL"), rows)


def print_deliveries(page: Any) -> None:
    rows = [
        (
            it["id"],
            short_time(it["created_at"]),
            it["type"],
            it["state"],
            it["attempts_total"],
            _outcome(it["attempts"][-1]) if it["attempts"] else "",
        )
        for it in page["deliveries"]
    ]
    print_rows(("Id", "Created (UTC)", "Type", "State", "Attempts", "Last attempt"), rows)
    print_more(page["next"], page["returned"], page["total"])


def _outcome(attempt: Any) -> str:
    return str(attempt["status"]) if attempt["status"] is not None else str(attempt["error"])


def print_delivery(delivery: Any) -> None:
    print_fields(
        [
            ("id", delivery["id"]),
            ("type", delivery["type"]),
            ("state", delivery["state"]),
            ("created", delivery["created_at"]),
            ("next attempt", delivery["next_attempt_at"]),
            ("reason", delivery["reason"]),
            ("superseded by", delivery["superseded_by"]),
        ]
    )
    for attempt in delivery["attempts"]:
        print(printable(f"{short_time(attempt['at'])}  {_outcome(attempt)}  {attempt['latency_ms']:.0f} ms"))
        if attempt["answer"]:
            print(f"  {printable(attempt['answer'])}")


def print_sessions(answer: Any) -> None:
    print_rows(
        ("Id", "Agent", "Role", "Opened by", "Ends (UTC)", "Scopes", "Queues"),
        [
            (
                it["id"],
                it["agent"],
                it["role"],
                it["made_by"],
                short_time(it["expires_at"]),
                " ".join(it["scopes"]),
                " ".join(it["queues"] or ()),
            )
            for it in answer["sessions"]
        ],
    )
