"""``init`` and ``add`` away from a terminal: options, refusals, and what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from syncengine.cli import verbs  # noqa: F401 - registers them
from syncengine.cli.root import main
from syncengine.config.loading import load_config

Call: TypeAlias = Callable[..., tuple[int, str]]

_TABLES = """
CREATE SCHEMA crm;
CREATE TABLE crm.people (id integer PRIMARY KEY, first_name text, phone text);
CREATE TABLE crm.customers (number text UNIQUE, email text);
CREATE TABLE crm."Leads" (
    id integer PRIMARY KEY, email text, birthday date, labels text,
    opted_out boolean, do_not_email text
);
INSERT INTO crm.people VALUES (1, 'Ann', '0151 2345678'), (2, 'Bo', NULL);
"""
_MEMBERS = """
CREATE TABLE crm.members (
    id integer PRIMARY KEY, email text, first_name text, labels text[]
);
"""
_TOKEN = "a-token-of-some-length"
_ACCEPTED = ("--yes", "--region", "DE")
_RESPOND = ("--vendor", "respond_io")
_HUBSPOT = ("--vendor", "hubspot", "--yes")


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(sql)
    await connection.close()


@pytest.fixture
def call(
    empty_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Call:
    """Return a function that calls the command, here; its code and what it said."""
    asyncio.run(_execute(empty_database, _TABLES))
    for name in ("SYNCENGINE_DATABASE_URL", "SYNCENGINE_DEBUG", "RESPOND_IO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRM_DATABASE_URL", empty_database)
    monkeypatch.setenv("SYNCENGINE_CONFIG", str(tmp_path / "syncengine.yaml"))

    def call_command(*arguments: str) -> tuple[int, str]:
        code = main(list(arguments))
        printed = capsys.readouterr()
        said = printed.out + printed.err
        assert "0151" not in said, "a value of a row was shown"
        return code, said

    return call_command


def test_each_missing_option_is_named(call: Call, tmp_path: Path) -> None:
    code, said = call("init")
    assert code == 2
    assert "--table: is missing: crm.people looks like the one" in said
    code, said = call("init", "--table", "crm.people")
    assert "--key: is missing: id (the primary key)" in said
    code, said = call("init", "--table", "crm.customers", "--yes")
    assert '--key: is missing: "number" is unique, but may be NULL' in said
    code, said = call("init", "--table", "crm.peple", "--yes")
    assert 'did you mean "crm.people"?' in said
    code, said = call("init", "--table", "crm.people", "--key", "nr")
    assert '--key: column "nr" is not in crm.people' in said
    code, said = call("init", "--table", "crm.Leads", "--yes")
    assert 'did you mean "crm."Leads""?' in said
    code, said = call("init", "--database", "NOT_THERE")
    assert "the environment variable NOT_THERE is not set" in said
    assert list(tmp_path.iterdir()) == []

    assert call("init", "--table", "crm.people", "--key", "id")[0] == 0
    code, said = call("add", "wa", *_RESPOND)
    assert (code, "--region CC: is missing: many numbers" in said) == (2, True)
    code, said = call("add", "wa", *_RESPOND, "--region", "DE")
    assert (code, "--yes: is missing" in said) == (2, True)
    code, said = call("add", "wa", "--vendor", "charles", *_ACCEPTED)
    assert "--base-url URL: is missing" in said
    assert "--setting source_type=VALUE: is missing" in said
    code, said = call("add", "wa", "--vendor", "respond_oi", *_ACCEPTED)
    assert 'did you mean "respond_io"?' in said
    code, said = call("add", "Mein CRM", *_RESPOND)
    assert "it could be mein_crm" in said
    code, said = call("add", "wa", *_RESPOND, *_ACCEPTED, "--tags", "tag")
    assert '--tags: column "tag" is not in crm.people' in said
    code, said = call("add", "wa", *_RESPOND, *_ACCEPTED, "--setting", "no=1")
    assert "wa.yaml: settings.no: there is no such key" in said
    code, said = call(
        "add", "wa", *_RESPOND, *_ACCEPTED, "--setting", f"token={_TOKEN}"
    )
    assert "token is a secret" in said
    assert _TOKEN not in said
    assert not (tmp_path / "destinations").exists()


def test_what_could_never_be_right_is_refused_at_once(
    call: Call, tmp_path: Path
) -> None:
    assert call("init", "--table", 'crm."Leads"', "--key", "id")[0] == 0
    code, said = call("add", "wa", *_RESPOND, "--yes")
    assert (code, "--opted-out COLUMN: is missing" in said) == (2, True)
    assert '"opted_out" (boolean), "do_not_email" (text) look like opt-outs' in said
    for option, value, what in (
        ("--opted-out", "do_not_email", "has type text, and has to be boolean"),
        ("--tags", "labels", "has type text, and has to be an array"),
        ("--field", "phone=birthday", "has type date, of which as: e164 makes nothing"),
        ("--region", "GE-RMANY", "is no country"),
        ("--field", "phone=labels:e164:ZZ", "is no country"),
    ):
        code, said = call("add", "wa", *_RESPOND, "--yes", option, value)
        assert (code, what in said) == (2, True), said
        assert option in said
    assert not (tmp_path / "destinations").exists()
    accepted = ("--yes", "--opted-out", "opted_out", "--region", "de")
    code, said = call("add", "wa", *_RESPOND, *accepted, "--field", "phone=labels")
    assert (code, 'said no only in "do_not_email" is sent' in said) == (0, True), said
    assert call("add", "all", *_RESPOND, "--yes", "--opted-out", "none")[0] == 0
    written = (tmp_path / "destinations" / "all.yaml").read_text(encoding="utf-8")
    assert "\nopted_out:" not in written


def test_a_wrong_answer_is_asked_for_again(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(
        [
            *("customer_uid", "customer_external_id=labels"),
            *("=nothing", "ds_1"),
            *("do_not_email", "opted_oud", "opted_out"),
        ]
    )
    asked: list[str] = []

    def answer(words: str, _: str | None = None) -> str:
        asked.append(words)
        return next(answers)

    monkeypatch.setattr("syncengine.cli.add.may_ask", lambda: True)
    monkeypatch.setattr("syncengine.cli.add.ask", answer)
    monkeypatch.setattr("syncengine.cli.add.agree", lambda _: True)
    assert call("init", "--table", 'crm."Leads"', "--key", "id")[0] == 0
    code, said = call("add", "cm", "--vendor", "chartmogul")
    assert code == 0, said
    assert list(answers) == []
    assert '"opted_oud" is not in' in said
    written = (tmp_path / "destinations" / "cm.yaml").read_text(encoding="utf-8")
    assert "customer_external_id: labels" in written
    assert "opted_out: opted_out" in written
    assert "data_source_uuid: ds_1" in written


def test_at_the_terminal_no_mistyped_word_throws_the_answers_away(
    call: Call, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = iter(["postgres.local", "NOT_THERE", empty_database])
    tables = iter(["crm.peple", "crm.customers"])
    keys = iter(["nmber", "number"])
    settings = iter(["api.example", "https://api.invalid", "crm"])
    monkeypatch.delenv("CRM_DATABASE_URL")
    for module in ("init", "add"):
        monkeypatch.setattr(f"syncengine.cli.{module}.may_ask", lambda: True)
    monkeypatch.setattr("syncengine.cli.init.ask_secretly", lambda _: next(urls))
    monkeypatch.setattr("syncengine.cli.init.choose", lambda *_: next(tables))
    monkeypatch.setattr("syncengine.cli.source_questions.ask", lambda *_: next(keys))
    code, said = call("init")
    assert code == 0, said
    for complaint in (
        "must be a URL that begins with postgresql://",
        "the environment variable NOT_THERE is not set",
        'there is no table or view crm.peple; did you mean "crm.people"?',
        'column "nmber" is not in crm.customers',
    ):
        assert complaint in said
    written = (tmp_path / "syncengine.yaml").read_text(encoding="utf-8")
    assert "table: crm.customers" in written
    assert "key: number" in written

    monkeypatch.setenv("CRM_DATABASE_URL", empty_database)
    monkeypatch.setattr("syncengine.cli.add.ask", lambda *_: next(settings))
    monkeypatch.setattr("syncengine.cli.add.agree", lambda _: True)
    keys = iter(["Number", "number"])
    elsewhere = ("--table", "crm.customers")
    code, said = call("add", "wa", "--vendor", "charles", *elsewhere)
    assert code == 0, said
    assert "base_url must be" in said
    assert 'column "Number" is not in crm.customers' in said


def test_what_is_written_can_be_loaded_and_is_never_overwritten(
    call: Call, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CRM_DATABASE_URL")
    code, said = call("init", "--yes")
    assert "export the URL of your database as CRM_DATABASE_URL=" in said
    code, said = call("init", "--yes", "--database", empty_database)
    assert (code, "export CRM_DATABASE_URL=..." in said) == (0, True)
    file = tmp_path / "syncengine.yaml"
    written = file.read_text(encoding="utf-8")
    assert empty_database not in written
    monkeypatch.setenv("CRM_DATABASE_URL", empty_database)
    code, said = call("init", "--yes")
    assert (code, "is there already" in said) == (2, True)
    assert call("init", "--yes", "--force")[0] == 0
    assert file.read_text(encoding="utf-8") == written

    code, said = call("add", "wa", *_RESPOND, *_ACCEPTED, "--where", "id > 0 -- ${X}")
    assert (code, "export RESPOND_IO_TOKEN=..." in said) == (0, True)
    assert (call("add", "wa", *_RESPOND, *_ACCEPTED)[0]) == 2
    # The same token is the same account; another one is not.
    assert call("add", "second", *_RESPOND, *_ACCEPTED)[0] == 0
    other = ("--secret", "OTHER_TOKEN", "--table", "crm.customers", "--key", "number")
    code, said = call("add", "third", *_RESPOND, "--yes", *other)
    assert code == 0, said

    environ = {
        "CRM_DATABASE_URL": empty_database,
        "RESPOND_IO_TOKEN": _TOKEN,
        "OTHER_TOKEN": f"{_TOKEN}-2",
    }
    config = load_config(file, environ)
    found = {each.name: each for each in config.destinations}
    assert {name: each.account for name, each in found.items()} == {
        "wa": "wa",
        "second": "wa",
        "third": "third",
    }
    assert found["wa"].options.where == "id > 0 -- ${X}"
    assert found["wa"].options.match_on == ("crm_id", "phone")
    assert (found["third"].source.table, found["third"].source.key) == (
        "crm.customers",
        "number",
    )


def test_only_what_a_column_answers_is_asked_for(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"name": "email", "phoneNumber": "number"}
    asked: list[str] = []

    def answer(words: str, _: str | None = None) -> str:
        asked.append(words)
        return next(
            column for field, column in answers.items() if f"without {field}:" in words
        )

    monkeypatch.setattr("syncengine.cli.add.may_ask", lambda: True)
    monkeypatch.setattr("syncengine.cli.add.ask", answer)
    monkeypatch.setattr("syncengine.cli.add.agree", lambda _: True)
    assert call("init", "--table", "crm.people", "--key", "id")[0] == 0
    vendor = ("--vendor", "whautomate", "--setting", "location_id=1")
    source = ("--table", "crm.customers", "--key", "number", "--region", "DE")
    code, said = call("add", "wa", *vendor, *source)
    assert code == 0, said
    assert len(asked) == len(answers)
    written = (tmp_path / "destinations" / "wa.yaml").read_text(encoding="utf-8")
    assert "match_on: [phoneNumber]" in written


def test_settings_that_are_lists_are_given_in_each_form(
    call: Call, tmp_path: Path, empty_database: str
) -> None:
    """HubSpot with a key of one's own, and tags in a property."""
    asyncio.run(_execute(empty_database, _MEMBERS))
    assert call("init", "--table", "crm.members", "--key", "id")[0] == 0
    mapped = ("--field", "crm_id=id", "--match-on", "crm_id", "--match-on", "email")
    wanted = (*_HUBSPOT, *mapped, "--tags", "labels")
    code, said = call("add", "hs", *wanted)
    assert code == 2
    for setting in ("settings.unique_properties", "settings.tags_property"):
        assert setting in said
    assert not (tmp_path / "destinations").exists()

    tags = ("--setting", "tags_property=our_tags")
    for number, given in enumerate(
        (
            ["crm_id,email"],
            ['[crm_id, "email"]'],
            ["crm_id", "email"],
        )
    ):
        keys: list[str] = []
        for value in given:
            keys += ["--setting", f"unique_properties={value}"]
        code, said = call("add", f"hs{number}", *wanted, *tags, *keys)
        assert code == 0, said
    environ = {"CRM_DATABASE_URL": empty_database, "HUBSPOT_TOKEN": _TOKEN}
    config = load_config(tmp_path / "syncengine.yaml", environ)
    assert len(config.destinations) == 3
    for destination in config.destinations:
        options = destination.options
        assert options.settings["unique_properties"] == ["crm_id", "email"]
        assert options.settings["tags_property"] == "our_tags"
        assert options.match_on == ("crm_id", "email")
        assert options.tags is not None
