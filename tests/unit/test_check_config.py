"""`handoff check-config` lists every fault at once, with key, line, and what would be right."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from handoff.bootstrap.checking.checking import CheckedConfiguration, check_file
from tests.commands import run_command
from tests.unit.test_project import ROOT

TOKEN = '[[tokens]]\nname = "desk"\nscopes = ["operate"]\nsecret = "0d9f83c1a7b2"\n'.replace(
    "0d9f83c1a7b2", "0d9f83c1a7b24e56"
)
HOOK = '[[webhooks]]\nurl = "https://hooks.example.com/a"\n'
RULE = '[[announcements.rules]]\nkind = "transfer"\n'
POLICY = '[[policies]]\nname = "p"\nfrom = "web"\nto = "phone"\nwhom = { queue = "billing" }\n'
SEGMENT = '[[sources]]\nname = "site"\nadapter = "web.segment"\nsecrets = ["8c5f1e90d2"]\n'
MAIL = '[[sources]]\nname = "post"\nadapter = "email.smtp"\nrecipients = ["@shop.example"]\n'

GENERIC = """\
[[sources]]
name = "orders"
adapter = "generic.webhook"
channel = "web"
secrets = ["8c5f1e90d2"]

[sources.signature]
scheme = "hmac"
header = "X-Signature"

[sources.mapping]
type = "kind"
text = "message"

[sources.mapping.types]
"orders/paid" = "event.tracked"

[[sources.mapping.identities]]
type = "email"
value = "customer.email"
"""


@pytest.fixture(autouse=True)
def no_variables_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite is configured by variables, too."""
    for name in [it for it in os.environ if it.startswith("HANDOFF_")]:
        monkeypatch.delenv(name)


def checked(folder: Path, text: str, **env: str) -> CheckedConfiguration:
    file = folder / "handoff.toml"
    file.write_text(f'[store]\ndata_dir = "{folder}/data"\n' + text, encoding="utf-8")
    return check_file(file, env)


def only(found: CheckedConfiguration) -> tuple[str, int | None, str]:
    (fault,) = found.faults
    return fault.key, None if fault.line is None else fault.line - 2, str(fault)


@pytest.mark.parametrize(
    ("text", "key", "line", "words"),
    [
        ("[servr]\nport = 1\n", "servr", 1, "did you mean 'server'"),
        ("[server]\nporrt = 1\n", "server.porrt", 2, "did you mean 'port'"),
        ('[server]\nport = "80"\n', "server.port", 2, "must be a whole number, not a string"),
        ("[server]\nport = true\n", "server.port", 2, "must be a whole number, not true or false"),
        ('[audit]\nship_url = "ftp://logs.example/"\n', "audit.ship_url", 2, "https"),
        ('[audit]\nship_url = "https://10.0.0.1/"\n', "audit.ship_url", 2, "neither public"),
        ("[server]\nport = 70000\n", "server.port", 2, "between 0 and 65535"),
        ('[server]\nhost = ["::1"]\n', "server.host", 2, "must be a string, not a list"),
        ('[server]\npublic_url = "shop.example"\n', "server.public_url", 2, "https://shop.example"),
        ('[server]\npublic_url = "ftp://shop.example"\n', "server.public_url", 2, "https or http"),
        ('[server]\npublic_url = "https://a.example/?q=1"\n', "server.public_url", 2, "path only"),
        ("[server]\nworkers = 2\nport = 0\n", "server.port", 3, "random port"),
        ("[limits]\nmax_connections = 3\n", "limits.max_connections", 2, "between 16 and"),
        ("[tokens]\nname = 1\n", "tokens", 1, "write [[tokens]]"),
        ('[[tokens]]\nname = "x"\nscopes = []\n', "tokens[0].secret", 1, "required"),
        (TOKEN.replace("operate", "operat"), "tokens[0].scopes[0]", 3, "did you mean 'operate'"),
        (TOKEN + 'audience = "customers"\n', "tokens[0].audience", 5, "allowed: agent, customer"),
        (TOKEN + 'role = "boss"\n', "tokens[0].role", 5, "allowed: agent, lead"),
        (TOKEN.replace("desk", "callbacks"), "tokens[0].name", 2, "reserved"),
        (TOKEN + TOKEN.replace("desk", "till"), "tokens[1].secret", 8, "have the same secret"),
        (HOOK + 'types = ["callbak.*"]\n', "webhooks[0].types[0]", 3, "did you mean 'callback.*'"),
        (HOOK + 'types = ["call.ended", "cal.ended"]\n', "webhooks[0].types[1]", 3, "'call.ended'"),
        (HOOK + 'channels = ["fone"]\n', "webhooks[0].channels[0]", 3, "did you mean 'phone'"),
        (HOOK + "rate_per_s = 0\n", "webhooks[0].rate_per_s", 3, "0.01 to 1000"),
        (HOOK + 'retry_schedule_s = [1, "2"]\n', "webhooks[0].retry_schedule_s[1]", 3, "must be a number"),
        (HOOK + HOOK, "webhooks[1].url", 4, "duplicate URL"),
        ('[[webhooks]]\nurl = "hooks.example.com"\n', "webhooks[0].url", 2, "has no scheme"),
        ('[[sources]]\nname = "a"\nadapter = "chat.chatwot"\n', "sources[0].adapter", 3, "'chat.chatwoot'"),
        ('[[sources]]\nname = "a"\n', "sources[0].adapter", 1, "allowed: chat.chatwoot"),
        (SEGMENT + 'trust = "servr"\n', "sources[0].trust", 5, "did you mean 'server'"),
        (SEGMENT + 'secret = "x"\n', "sources[0].secret", 5, "did you mean 'secrets'"),
        (
            '[[sources]]\nname = "a"\nadapter = "phone.twilio"\n',
            "sources[0].secrets",
            1,
            "needs the auth token",
        ),
        (SEGMENT + SEGMENT, "sources[1].name", 6, "another source is named 'site'"),
        (MAIL + 'listen = "25"\n', "sources[0].listen", 5, "host:port"),
        (MAIL + 'listen = "0.0.0.0:8080"\n', "sources[0].listen", 5, "the server itself already listens"),
        (
            MAIL + MAIL.replace("post", "mail"),
            "sources[1].listen",
            5,
            "source 'post' already listens on port 2525",
        ),
        (POLICY.replace("phone", "fone"), "policies[0].to", 4, "did you mean 'phone'"),
        (POLICY + 'when = { types = ["form.faild"] }\n', "policies[0].when.types[0]", 6, "'form.failed'"),
        (POLICY + "when = { within_s = 0 }\n", "policies[0].when.within_s", 6, "never applies"),
        (POLICY + 'tenant = "shop"\n', "policies[0].tenant", 6, "allowed: default"),
        (POLICY.replace('to = "phone"\n', ""), "policies[0].from", 3, "set from and to, or when.transfers"),
        (
            '[[retention]]\ndays = 9\nchannels = ["sms"]\n',
            "retention[0].channels[0]",
            3,
            "unknown value",
        ),
        ("[[retention]]\ndays = 9\n[[retention]]\ndays = 8\n", "retention[1]", 3, "this rule never applies"),
        (
            "[privacy.sealing]\nrotate_every_days = -1\n",
            "privacy.sealing.rotate_every_days",
            2,
            "between 0 and",
        ),
        ("[privacy.sealing]\nrotate_every_days = 4000\n", "privacy.sealing.rotate_every_days", 2, "3650"),
        ('[[privacy.masking]]\ntenant = "shp"\n', "privacy.masking[0].tenant", 2, "allowed: default"),
        ('[[redaction]]\nname = "x"\npattern = "(a"\n', "redaction[0].pattern", 3, "missing )"),
        (RULE.replace("transfer", "transfr"), "announcements.rules[0].kind", 2, "did you mean 'transfer'"),
        (RULE + "within_s = 5\n", "announcements.rules[0].within_s", 3, "between 10 and 86400"),
        (
            RULE + 'on_unfulfilled = "handoff"\n',
            "announcements.rules[0].on_unfulfilled",
            3,
            "whom must name a queue",
        ),
        (RULE + 'whom = { queue = "q" }\n', "announcements.rules[0].whom", 3, 'on_unfulfilled = "handoff"'),
        (RULE + "speakers = []\n", "announcements.rules[0].speakers", 3, "must not be empty"),
        (RULE + 'tenant = "shp"\n', "announcements.rules[0].tenant", 3, "allowed: default"),
        (RULE + RULE, "announcements.rules", 1, "two rules for 'transfer'"),
        ('[business]\ntime_zone = "Mars/Sea"\n', "business.time_zone", 2, "IANA name"),
        ('[business]\ntime_zone = "../etc/passwd"\n', "business.time_zone", 2, "IANA name"),
        ('[business]\nday_ends = "5 pm"\n', "business.day_ends", 2, "must be a time, e.g. 17:00"),
        ('[business]\nday_ends = "24:00"\n', "business.day_ends", 2, "must be a time, e.g. 17:00"),
        ("[business]\nday_ends = 17\n", "business.day_ends", 2, "must be a string"),
        ('[business]\ntimezone = "UTC"\n', "business.timezone", 2, "did you mean 'time_zone'"),
        ('[panel]\nallowed_origins = ["shop.example"]\n', "panel.allowed_origins", 2, "is not an origin"),
    ],
)
def test_a_fault_has_its_key_its_line_and_what_would_be_right(
    tmp_path: Path, text: str, key: str, line: int, words: str
) -> None:
    found = checked(tmp_path, text)
    assert not found.valid
    assert only(found)[:2] == (key, line)
    assert words in only(found)[2]


@pytest.mark.parametrize(
    ("right", "wrong", "key", "line", "words"),
    [
        ('"web"', '"webb"', "channel", 4, "did you mean 'web'"),
        ('channel = "web"', "", "channel", 1, "required"),
        ('"message"', '"a..b"', "mapping.text", 13, "not a JMESPath expression"),
        ("text =", "txet =", "mapping.txet", 13, "did you mean 'text'"),
        ('"customer.email"', '"sum("', "mapping.identities[0].value", 20, "not a JMESPath expression"),
        ("value =", 'assurance = "verifed"\nvalue =', "mapping.identities[0].assurance", 20, "'verified'"),
        ("value =", "valeu =", "mapping.identities[0].value", 18, "required"),
        ('"event.tracked"', '"order.paid"', 'mapping.types."orders/paid"', 16, "not a touchpoint type"),
        ('header = "X-Signature"', "", "signature.header", 7, "is missing"),
        ("header =", 'heeder = "x"\nheader =', "signature.heeder", 9, "did you mean 'header'"),
        ('"hmac"', '"hmca"', "signature.scheme", 8, "did you mean 'hmac'"),
        ("header =", 'signed = "{body}{nonce}"\nheader =', "signature.signed", 9, "may have"),
        ('type = "kind"', "", "mapping.types", 15, "has no effect without `mapping.type`"),
    ],
)
def test_a_mistake_in_a_mapping_has_its_key_and_its_line(
    tmp_path: Path, right: str, wrong: str, key: str, line: int, words: str
) -> None:
    found = checked(tmp_path, GENERIC.replace(right, wrong, 1))
    faults = {(it.key, (it.line or 0) - 2): str(it) for it in found.faults}
    assert words in faults.get((f"sources[0].{key}", line), f"none of {faults}")


def test_a_source_may_have_a_declared_channel(tmp_path: Path) -> None:
    text = GENERIC.replace('"web"', '"store"')
    assert not checked(tmp_path, text).valid
    assert checked(tmp_path, text + '[[channels]]\nname = "store"\n').faults == []


def test_one_fault_hides_no_other(tmp_path: Path) -> None:
    text = (
        '[server]\nhots = "x"\npublic_url = "shop"\n'
        + TOKEN.replace("operate", "admn")
        + TOKEN.replace("desk", "session")
        + '[[webhooks]]\nurl = "shop"\ntypes = ["x.y"]\nchannels = ["sms"]\nurll = 1\n'
        + SEGMENT.replace("web.segment", "web.sgment")
        + MAIL
        + 'listen = "x"\nrecipient = []\n'
        + '[[redaction]]\nname = "Upper"\npattern = "("\n'
        + "[[redaction]]\nname = 'two'\npattern = '('\ntenant = 'nobody'\n"
    )
    keys = [it.key for it in checked(tmp_path, text).faults]
    assert keys == [
        *("server.hots", "server.public_url", "tokens[0].scopes[0]", "tokens[1].name"),
        *("webhooks[0].url", "webhooks[0].types[0]", "webhooks[0].channels[0]", "webhooks[0].urll"),
        *("sources[0].adapter", "sources[1].listen", "sources[1].recipient", "redaction[0].name"),
        *("redaction[1].pattern", "redaction[1].tenant"),
    ]


def test_a_missing_variable_is_named_with_the_key_that_needs_it(tmp_path: Path) -> None:
    text = TOKEN.replace("0d9f83c1a7b24e56", "env:DESK_SECRT") + HOOK + 'secret = "env:EMPTY"\n'
    found = checked(tmp_path, text, DESK_SECRET="f" * 20, EMPTY="")
    assert [(it.key, it.problem) for it in found.faults] == [
        (
            "tokens[0].secret",
            "environment variable DESK_SECRT is not set; did you mean DESK_SECRET, which is set?",
        ),
        ("webhooks[0].secret", "environment variable EMPTY is empty"),
    ]


def test_a_secret_never_appears_in_a_message(tmp_path: Path) -> None:
    text = HOOK + 'include = "env:HUSH"\n' + TOKEN + 'role = "env:HUSH"\naudience = "env:HUSH"\n'
    found = checked(tmp_path, text, HUSH="quiet-quiet-quiet")
    assert {it.key for it in found.faults} == {"webhooks[0].include", "tokens[0].role", "tokens[0].audience"}
    assert "quiet" not in str(found.faults)


def test_files_of_secrets_are_read_and_checked(tmp_path: Path) -> None:
    (tmp_path / "open").write_text("a secret of twenty letters")
    (tmp_path / "open").chmod(0o644)
    text = TOKEN.replace("0d9f83c1a7b24e56", "file:open") + HOOK + 'secret = "file:missing"\n'
    first, second = checked(tmp_path, text).faults
    assert (first.key, second.key) == ("tokens[0].secret", "webhooks[0].secret")
    assert "chmod o-r" in first.problem
    assert "No such file" in second.problem


def test_variables_that_override_keys_are_checked_by_their_name(tmp_path: Path) -> None:
    found = checked(tmp_path, "", HANDOFF_SERVER_PORT="http", HANDOFF_STORE_DURABILITY="allways")
    assert {it.key: it.line for it in found.faults} == {
        "HANDOFF_SERVER_PORT": None,
        "HANDOFF_STORE_DURABILITY": None,
    }


def test_a_variable_that_nothing_reads_is_a_warning(tmp_path: Path) -> None:
    found = checked(tmp_path, "", HANDOFF_SERVER_PROT="80", HANDOFF_TENANTS="a", HANDOFF_TOKEN="x")
    assert found.valid
    assert [(it.key, it.severity) for it in found.faults] == [
        ("HANDOFF_SERVER_PROT", "warning"),
        ("HANDOFF_TENANTS", "warning"),
    ]
    assert "did you mean HANDOFF_SERVER_PORT?" in found.faults[0].problem


@pytest.mark.parametrize(
    ("needed", "later", "fires"), [(2, 3, False), (2, 2, False), (3, 2, True), (1, 4, False)]
)
def test_a_policy_behind_one_that_takes_all_its_handoffs_never_applies(
    tmp_path: Path, needed: int, later: int, fires: bool
) -> None:
    text = "".join(
        f'[[policies]]\nname = "after {it}"\nwhen = {{ transfers = {it} }}\nwhom = {{ queue = "leads" }}\n'
        for it in (needed, later)
    )
    found = [it for it in checked(tmp_path, text).faults if it.severity == "error"]
    assert bool(found) is not fires
    assert fires or "comes first" in found[0].problem


@pytest.mark.parametrize(
    ("first", "second", "reported"),
    [
        ("", "", True),
        ("when = { within_s = 600 }\n", "when = { within_s = 60 }\n", True),
        ("when = { within_s = 60 }\n", "when = { within_s = 600 }\n", False),
        ('when = { types = ["form.failed"] }\n', "", False),
    ],
)
def test_a_policy_that_watches_for_the_same_as_an_earlier_one_is_a_warning(
    tmp_path: Path, first: str, second: str, reported: bool
) -> None:
    found = checked(tmp_path, POLICY + first + POLICY.replace('"p"', '"other"') + second)
    assert [(it.key, it.severity) for it in found.faults] == [("policies[1]", "warning")] * reported


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[privacy.sealing]\n", "no effect"),
        (f'[privacy]\nbackup_days = 30\n[privacy.sealing]\nkeys = "{"k" * 40}"\n', "no backup unreadable"),
    ],
)
def test_a_rotation_that_is_of_no_use_is_a_warning(tmp_path: Path, text: str, words: str) -> None:
    (fault,) = checked(tmp_path, f"{text}rotate_every_days = 90\n").faults
    assert (fault.key, fault.severity) == ("privacy.sealing.rotate_every_days", "warning")
    assert words in fault.problem


def test_a_misspelt_queue_is_a_warning_and_numbered_ones_are_not(tmp_path: Path) -> None:
    queues = ["billing", "biling", "team-1", "team-2", "sales"]
    text = TOKEN + f"queues = {queues[:1] + queues[2:]}\n" + HOOK + f"queues = {queues}\n"
    (fault,) = checked(tmp_path, text).faults
    assert (fault.key, fault.severity) == ("webhooks[0].queues[1]", "warning")
    assert "did you mean 'billing'" in fault.problem


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("store.internal:6379", "has no scheme"),
        ("http://store.internal", "the scheme must be one of redis"),
        ("redis+sentinel://a,b", "ends in /<service>"),
        ("redis://user:hush@:x/1", "port is not a number"),
    ],
)
def test_the_stores_address_is_checked_without_its_password(tmp_path: Path, url: str, words: str) -> None:
    key, _, text = only(checked(tmp_path, f'url = "{url}"\n'))
    assert key == "store.url"
    assert words in text
    assert "hush" not in text


def test_a_directory_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    key, _, text = only(checked(tmp_path, f'[audit]\ndir = "{tmp_path}/file/audit"\n'))
    assert key == "audit.dir"
    assert "is a file, not a directory" in text


def test_the_admin_tokens_secret_belongs_to_no_other_token(tmp_path: Path) -> None:
    key, line, text = only(checked(tmp_path, TOKEN, HANDOFF_ADMIN_TOKEN="0d9f83c1a7b24e56"))
    assert (key, line) == ("tokens[0].secret", 4)
    assert "HANDOFF_ADMIN_TOKEN has the same secret" in text


def test_guessable_secrets_are_faults_where_others_reach_the_server(tmp_path: Path) -> None:
    text = '[server]\nhost = "0.0.0.0"\n' + TOKEN.replace("0d9f83c1a7b24e56", "changeme-changeme")
    assert only(checked(tmp_path, text))[0] == "tokens[0].secret"
    assert checked(tmp_path, text + "[security]\nallow_default_secrets = true\n").valid


@pytest.mark.parametrize("text", ["[server\n", "a = 1\na = 2\n", "[server]\nport = 08\n"])
def test_what_is_not_toml_names_its_line(tmp_path: Path, text: str) -> None:
    (fault,) = checked(tmp_path, "\n" + text).faults
    assert fault.line is not None
    assert "not valid TOML" in fault.problem


def test_the_projects_own_configurations_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    secrets = dict.fromkeys(("SHOP_WEB_KEY", "CHATWOOT_SECRET", "TWILIO_AUTH_TOKEN"), "4b7f9a2c6d8e1f03")
    secrets |= {"DESK_TOKEN": "e81b0c94d7f25a36", "PLATFORM_WHSEC": "whsec_" + "QUFB" * 8}
    secrets |= {"HANDOFF_STORE": "redis://127.0.0.1:6379"}
    assert check_file(ROOT / "config/handoff.toml", secrets).faults == []
    assert check_file(ROOT / "config/demo.toml", {}).faults == []


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = run_command("check-config", *arguments)
    output = capsys.readouterr()
    return status, output.out, output.err


def test_the_command_prints_faults_as_editors_read_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "handoff.toml"
    file.write_text("[server]\nporrt = 1\n\n[stroe]\n")
    status, out, err = run(capsys, str(file))
    assert (status, out) == (1, "")
    assert f"{file}:2: server.porrt: unknown key" in err
    assert f"{file}:4: stroe: unknown key" in err
    assert f"{file}: 2 errors, 0 warnings" in err


def test_warnings_are_no_failure_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDOFF_STORE_ULR", "redis://a")
    file = tmp_path / "handoff.toml"
    file.write_text(f'[store]\ndata_dir = "{tmp_path}"\n')
    status, out, err = run(capsys, str(file))
    assert (status, err) == (0, "")
    assert "warning: HANDOFF_STORE_ULR" in out
    assert run(capsys, str(file), "--strict")[0] == 1


def test_the_result_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "handoff.toml"
    file.write_text('[store]\ndurabilty = "always"\n' + SEGMENT)
    status, out, _err = run(capsys, str(file), "--json")
    document: Any = json.loads(out)
    (fault,) = document["faults"]
    assert (status, document["valid"]) == (1, False)
    assert (fault["key"], fault["line"], fault["did_you_mean"]) == ("store.durabilty", 2, "durability")
    assert fault["allowed"]
    (source,) = document["sources"]
    assert (source["name"], source["adapter"], source["tenant"]) == ("site", "web.segment", "default")
    assert (source["maturity"], source["on_outage"]) == ("stable", "refuse")
