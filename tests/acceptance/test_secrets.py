"""Output of a noisy, failing run holds no secret and no value of a contact.

Only ``sync_known`` and ``sync_change`` may hold values.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.command_process import PATIENCE
from tests.support.personal_data_traces import PASSWORD, WRONG, Noise, noise

_PERSONAL = ("table sync_known", "table sync_change", "table changes")
"""The tables and the view that hold values of contacts."""
_DEBUG = ("--log-format", "json", "--log-level", "debug")


@pytest.mark.asyncio
async def test_a_noisy_night_leaves_no_secret_and_no_value_behind(
    database: str, tmp_path: Path
) -> None:
    async with noise(database, tmp_path / "config") as here:
        here.everything_fails()
        assert await here.command("first", *_DEBUG, "run") == 1
        here.at_random(7)
        assert (
            await here.command(
                "second",
                "--log-format",
                "console",
                "--log-level",
                "debug",
                "run",
                "--json",
            )
            == 1
        )
        here.everywhere()
        wrong = {name: WRONG for name in here.environ if name != "STATE_URL"}
        assert (
            await here.command("wrong keys", *_DEBUG, "run", "--backfill", **wrong) == 1
        )
        assert await here.command("check", *_DEBUG, "check", **wrong) == 2
        assert await here.command("plan", *_DEBUG, "plan", "--backfill") in (0, 2)
        assert await here.command("verify", *_DEBUG, "verify") in (0, 1)
        await here.listen()
        _made_enough_noise(here)
        assert here.traces(here.secrets) == set()
        assert here.traces(here.values, besides=_PERSONAL) == set()
        # That is where they are, so the search does find values.
        found = {where for where, _ in here.traces(here.values)}
        assert found == set(_PERSONAL)


def _made_enough_noise(here: Noise) -> None:
    """Check that there was output in which a secret could have been found."""
    said = here.heard["first"]
    for event in (
        "request_failed",
        "request_answered",
        "contact_rejected",
        "contact_deferred",
        "throttled",
    ):
        assert event in said
    for name in here.pairs:
        met = {entry.fault for entry in here.sandbox.journal(name).log}
        assert {
            "refuse",
            "error_html",
            "reset",
            "truncated_json",
            "throttle",
            "latency",
        } <= met, (name, met)
        assert f'"account": "{name}"' in here.heard["wrong keys"]
    assert "account_halted" in here.heard["wrong keys"]
    assert "says" in here.heard["table sync_outcome"]


@pytest.mark.asyncio
async def test_the_process_list_and_the_server_s_activity_show_nothing(
    database: str, tmp_path: Path
) -> None:
    async with noise(database, tmp_path / "config", "charles") as here:
        here.everywhere(Rule(FaultKind.HOLD_BEFORE_COMMIT))
        with (tmp_path / "said").open("wb") as said:
            process = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-m",
                    "syncengine",
                    "--config",
                    str(here.file),
                    "run",
                    "-d",
                    "charles",
                ),
                env={**os.environ, **here.environ},
                stdout=said,
                stderr=said,
            )
        try:
            async with asyncio.timeout(PATIENCE):
                await here.sandbox.holds("charles").wait_for(1)
            here.heard["command line"] = _command_line(process.pid)
            activity = await here.database.fetch(
                "SELECT a::text AS line FROM pg_stat_activity AS a"
            )
            here.heard["activity"] = "\n".join(row["line"] for row in activity)
        finally:
            process.kill()
            await process.wait()
        assert "syncengine" in here.heard["command line"]
        assert "syncengine" in here.heard["activity"]
        assert here.traces(here.secrets | here.values) == set()


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


_NOWHERE = {
    "nothing listens": f"postgresql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:1/crm",
    "no such host": f"postgresql://reader:{quote(PASSWORD, safe='')}@nowhere.invalid/crm",
    "not encoded": f"postgresql://reader:{PASSWORD}@127.0.0.1:1/crm",
    "with another @": f"postgresql://reader:pa@{PASSWORD}@127.0.0.1:1/crm",
    "no URL at all": f"host=127.0.0.1 password={PASSWORD}",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("url", _NOWHERE.values(), ids=_NOWHERE.keys())
async def test_a_database_that_cannot_be_reached_keeps_its_password(
    database: str, tmp_path: Path, url: str
) -> None:
    async with noise(database, tmp_path / "config", "charles") as here:
        assert await here.command("state", *_DEBUG, "run", STATE_URL=url) == 2
        await here.command(
            "traceback", *_DEBUG, "run", STATE_URL=url, SYNCENGINE_DEBUG="1"
        )
        assert "Traceback" in here.heard["traceback"]
        here.configure_engine(source={"key": "id", "database": "${SOURCE_URL}"})
        assert await here.command(
            "source", *_DEBUG, "run", SOURCE_URL=url, SYNCENGINE_DEBUG="1"
        ) in (1, 2)
        await here.listen()
        assert here.traces([PASSWORD]) == set()
        assert all(
            piece not in said
            for said in here.heard.values()
            for piece in ("w%rd", "w%25rd")
        )


_RAISING = """
CREATE FUNCTION crm.raising(said text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION USING MESSAGE = 'Ung\u00fcltig: ' || said || E'\\x1b[2J',
        DETAIL = 'Failing row contains (' || said || ')', HINT = said, COLUMN = said, TABLE = said,
        CONSTRAINT = said, DATATYPE = said, SCHEMA = said,
        ERRCODE = '{code}';
END $$;
ALTER TABLE crm.charles RENAME TO people;
CREATE VIEW crm.charles AS SELECT * FROM crm.people AS p WHERE crm.raising(row_to_json(p)::text);
"""


@pytest.mark.asyncio
@pytest.mark.parametrize("code", ["P0001", "23505", "42703", "42P01"])
async def test_what_a_server_says_is_repeated_nowhere(
    database: str, tmp_path: Path, code: str
) -> None:
    """In whatever language, and whatever a function puts into the parts of an error."""
    async with noise(database, tmp_path / "config", "charles") as here:
        await here.database.execute(_RAISING.replace("{code}", code))
        for label, environ in (
            ("failed", {}),
            ("traceback", {"SYNCENGINE_DEBUG": "1"}),
        ):
            assert await here.command(
                label, *_DEBUG, "run", "-d", "charles", **environ
            ) in (1, 2)
        await here.command("check", *_DEBUG, "check")
        await here.listen()
        assert code in here.heard["failed"]
        assert here.traces(here.secrets | here.values) == set()
        assert all(
            "\x1b" not in said and "Ung" not in said for said in here.heard.values()
        )


@pytest.mark.asyncio
async def test_a_source_whose_data_is_broken_is_quoted_nowhere(
    database: str, tmp_path: Path
) -> None:
    async with noise(database, tmp_path / "config", "charles") as here:
        await here.database.execute(
            "ALTER TABLE crm.charles RENAME TO people; CREATE VIEW crm.charles AS "
            'SELECT p.*, "phone_numbers.mobile"::smallint AS phone_number FROM crm.people AS p'
        )
        here.map_also("charles", {"custom_properties.number": "phone_number"})
        for label, environ in (
            ("failed", {}),
            ("traceback", {"SYNCENGINE_DEBUG": "1"}),
        ):
            assert (
                await here.command(label, *_DEBUG, "run", "-d", "charles", **environ)
                == 2
            )
        assert await here.command(
            "plan", *_DEBUG, "plan", "-d", "charles", SYNCENGINE_DEBUG="1"
        ) in (1, 2)
        await here.command("check", *_DEBUG, "check", SYNCENGINE_DEBUG="1")
        await here.listen()
        assert "SQLSTATE 22" in here.heard["failed"]
        assert here.traces(here.secrets | here.values) == set()
