"""The command as people and programs meet it.

Help, mistakes, exit codes, and what goes to stdout and what to stderr.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from syncengine.cli import verbs  # noqa: F401 - registers them
from syncengine.cli.root import app
from tests.support.command_process import Command, until
from tests.support.people_project import CHARLES, CHARTMOGUL, people
from tests.support.repository import ROOT

LONG = "customers_of_the_northern_branch_and_of_everybody_who_went_there_in_2026"
"""A destination's name that needs most of a narrow terminal."""


def _parameters(verb: str) -> list[str]:
    """Return the options and arguments of a verb, as its help shows them."""
    function = app[verb].default_command or print
    shown: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            # An underscore behind a name keeps it apart from one of Python's own.
            shown.append(f"--{name.rstrip('_').replace('_', '-')}")
        else:
            shown.append(name.upper())
    return shown


OPTIONS = {verb: _parameters(verb) for verb in app if not verb.startswith("-")}
"""By verb: its options and arguments."""
CALLS: Mapping[str, tuple[str, ...]] = {
    "adopt": (),
    "alerts": (),
    "check": (),
    "erasures": (),
    "export": ("--consent", "-"),
    "failures": (),
    "forget": ("1",),
    "history": ("1",),
    "merge": ("a", "b", "-d", LONG),
    "metrics": ("--out", "-"),
    "migrate": (),
    "plan": (),
    "prune": (),
    "report": ("1", "--out", "-"),
    "retry": ("1",),
    "run": (),
    "runs": (),
    "serve": ("--port", "0"),
    "show": ("1",),
    "status": (),
    "suppress": (),
    "suppressions": (),
    "undo": ("1", "--yes"),
    "verify": (),
    "watch": ("--once",),
    "why": ("1",),
}
"""The verbs that need a database, with the arguments they cannot do without."""
LOOK_ELSEWHERE_FIRST = ("import", "rename")
"""Verbs whose arguments are looked at before the database is."""
DESTINATIONS = {"charles": CHARLES, LONG: CHARTMOGUL}
TWINS = ("charles", "chartmogul")


@dataclass(frozen=True)
class Said:
    """Exit code and output of a call."""

    code: int
    out: str
    err: str


async def syncengine(folder: Path, environ: Mapping[str, str], *arguments: str) -> Said:
    """Call the command with stdout and stderr in two files, as cron does."""
    out, err = _streams(folder)
    code = await Command(arguments, {**environ, "TERM": "dumb"}, out, err).ended()
    said = Said(code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))
    assert "Traceback" not in said.out + said.err, (arguments, said)
    return said


def _streams(folder: Path) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("*.out")))
    return folder / f"{number}.out", folder / f"{number}.err"


async def each(
    folder: Path, environ: Mapping[str, str], calls: Sequence[Sequence[str]]
) -> list[Said]:
    """Make several calls at the same time."""
    return await asyncio.gather(
        *(
            syncengine(folder / str(number), environ, *call)
            for number, call in enumerate(calls)
        )
    )


def objects(text: str) -> list[dict[str, object]]:
    """Parse output of which each line is one JSON object."""
    found = [json.loads(line) for line in text.splitlines()]
    assert found
    assert all(isinstance(line, dict) for line in found)
    return found


@pytest.mark.asyncio
async def test_help_names_every_option_of_every_verb(tmp_path: Path) -> None:
    others = ("add", "completion", "demo", "init", "new-vendor", "sandbox", "schema")
    assert {*CALLS, *LOOK_ELSEWHERE_FIRST, *others} == set(OPTIONS)
    said = await each(
        tmp_path, {}, [["--help"], *([verb, "--help"] for verb in OPTIONS)]
    )
    assert [one.code for one in said] == [0] * len(said)
    assert set(re.findall(r"│ ([a-z][a-z-]*) ", said[0].out)) == set(OPTIONS)
    for (verb, options), help_text in zip(OPTIONS.items(), said[1:], strict=True):
        for option in [*options, "--config", "--log-format", "--no-progress"]:
            assert re.search(rf"{option}\b", help_text.out), (
                f"{verb} --help does not tell of {option}"
            )
        assert "False" not in help_text.out, "help repeats that nothing is given"


@pytest.mark.asyncio
async def test_the_sandbox_tells_what_to_write_into_a_destination_and_where_to_look(
    tmp_path: Path,
) -> None:
    output = tmp_path / "out"
    command = Command(
        ("sandbox", "--port", "0", "--vendor", "charles", "--vendor", "respond_io"),
        {},
        output,
    )
    await until(lambda: "__sandbox/respond_io\n" in command.said())
    said = command.said()
    for name, key in (
        ("charles", "api_key: sandbox-key"),
        ("respond_io", "token: sandbox-token"),
    ):
        (url,) = re.findall(
            rf"settings\.base_url: (http://127\.0\.0\.1:\d+/{name})\n", said
        )
        assert f"settings.{key}\n" in said
        async with aiohttp.ClientSession() as session:
            (held,) = re.findall(
                rf"its contacts: (\S+/__sandbox/{name}/contacts)\n", said
            )
            async with session.get(held) as response:
                assert await response.json() == []
        assert url.rpartition("/")[0] == held.removesuffix(
            f"/__sandbox/{name}/contacts"
        )
    await command.kill()


@pytest.mark.asyncio
async def test_a_mistake_on_the_command_line_is_reported_in_one_line(
    tmp_path: Path,
) -> None:
    mistakes = {
        "runn": 'Unknown command "runn". Did you mean "run"?',
        "run --limt 5": "Unknown option: --limt. Did you mean --limit?",
        "run --limit 0": 'Invalid value "0" for --limit. Must be >= 1.',
        "run --limit many": 'Invalid value for --limit: unable to convert "many" into int.',
        "run everything": "unexpected argument: everything",
        "retry": (
            "retry: name the run (`syncengine retry 12`), or say --dead for all dead "
            "letters"
        ),
        "merge a b": 'Command "merge" parameter --destination requires an argument.',
        "--log-format xml run": 'Invalid value "xml" for --log-format. Choose from: "console", "json".',
        "--config": "Parameter --config requires an argument.",
        "sandbox --vendor charlse": '--vendor: there is no vendor "charlse"; did you mean "charles"?',
        "sandbox --host 192.0.2.1": "--host, --port: cannot listen at 192.0.2.1:8080: ",
    }
    said = await each(tmp_path, {}, [mistake.split() for mistake in mistakes])
    for (mistake, told), one in zip(mistakes.items(), said, strict=True):
        assert one.err.splitlines()[0].startswith(f"syncengine: {told}"), (mistake, one)
        assert len(one.err.splitlines()) <= 2, (mistake, one)
        assert (one.code, one.out) == (2, ""), (mistake, one)


@pytest.mark.asyncio
async def test_without_a_configuration_every_verb_says_how_to_get_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "none/syncengine.yaml"
    said = await each(
        tmp_path,
        {},
        [["--config", str(file), verb, *rest] for verb, rest in CALLS.items()],
    )
    for verb, one in zip(CALLS, said, strict=True):
        assert (one.code, one.out) == (2, ""), (verb, one)
        assert one.err.startswith(
            f"syncengine: {file}: there is no such file; name another one "
            "(on the command line: --config), or"
        ), verb
        assert len(one.err.splitlines()) == 1, "a line was cut"


@pytest.mark.asyncio
async def test_a_database_that_cannot_be_used_is_reported_by_every_verb(
    database: str, empty_database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world", DESTINATIONS, TWINS) as here:
        calls = [
            ["--config", str(here.file), verb, *rest] for verb, rest in CALLS.items()
        ]
        nowhere = "postgresql://me:geheim@127.0.0.1:1/crm"
        unreachable = await each(
            tmp_path / "1", {**here.environ, "STATE_URL": nowhere}, calls
        )
        outdated = await each(
            tmp_path / "2",
            {**here.environ, "STATE_URL": empty_database},
            [call for call in calls if "migrate" not in call],
        )
        for verb, one in zip(CALLS, unreachable, strict=True):
            assert one.code == 2, (verb, one)
            assert (
                "database crm at 127.0.0.1:1 as user me: nothing listens there; "
                "check host"
            ) in one.out + one.err, verb
            assert "geheim" not in one.out + one.err
        for one in outdated:
            assert one.code == 2, one
            assert "run `syncengine migrate`" in one.out + one.err, one
        assert [here.held(twin) for twin in TWINS] == [{}, {}]


@pytest.mark.asyncio
async def test_programs_read_objects_on_stdout_and_logs_on_stderr(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world", DESTINATIONS, TWINS) as here:
        await here.add(range(1, 4))

        async def call(*arguments: str, code: int = 0) -> list[dict[str, object]]:
            said = await syncengine(
                tmp_path, here.environ, "--config", str(here.file), *arguments, "--json"
            )
            assert said.code == code, (arguments, said)
            if said.err:
                assert all("event" in line for line in objects(said.err)), (
                    arguments,
                    said.err,
                )
            return objects(said.out)

        async def of_each(*arguments: str) -> set[object]:
            return {found["destination"] for found in await call(*arguments)}

        both = {"charles", LONG}
        assert await call("migrate") == [{"applied": []}]
        assert all(found["ok"] for found in await call("check"))
        assert await of_each("plan") == both
        assert [found["status"] for found in await call("run")] == ["done", "done"]
        assert await of_each("retry", "1") < both
        assert await of_each("verify") == both
        assert await of_each("adopt") == both
        assert await of_each("show", "1") == both
        assert await of_each("status") == both
        assert (await call("suppress", "--contact", "2"))[0]["action"] == "suppressed"
        assert (await call("suppress"))[0]["number"] == 1
        ids = [
            row["external_id"] for _, row in sorted((await here.states(LONG)).items())
        ]
        assert (await call("merge", ids[0], ids[2], "-d", LONG, code=2))[0][
            "status"
        ] == "refused", "both are ours"
        assert (await call("prune"))[0]["runs"] == 0
        assert await of_each("forget", "3") == both


@pytest.mark.asyncio
async def test_what_is_piped_is_never_cut(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path / "world", DESTINATIONS, TWINS) as here:
        await here.add([1])
        for verb in ("check", "plan", "run", "verify", "adopt"):
            said = await syncengine(
                tmp_path, here.environ, "--config", str(here.file), verb
            )
            assert said.code == 0, said
            row = next(line for line in said.out.splitlines() if LONG in line)
            assert "…" not in said.out, said.out
            if verb in {"plan", "run"}:
                assert re.search(rf"^{LONG} .* [0-9]+ s *$", row), said.out
            longest = max(map(len, said.out.splitlines()))
            assert longest > 80, f"{verb} has nothing to cut"


async def process(
    *arguments: str,
    environ: Mapping[str, str],
    stdout: int,
    stderr: int = asyncio.subprocess.PIPE,
) -> tuple[int | None, str]:
    """Run the installed command.

    Return its exit code, and its errors where they are piped.
    """
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "syncengine",
        *arguments,
        env={**os.environ, **environ},
        cwd=ROOT,
        stdout=stdout,
        stderr=stderr,
    )
    _, errors = await command.communicate()
    return command.returncode, (errors or b"").decode()


@pytest.mark.asyncio
async def test_a_reader_that_leaves_changes_nothing_but_the_silence(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "world", DESTINATIONS, TWINS) as here:
        await here.add(range(1, 4))
        reading, writing = os.pipe()
        os.close(reading)
        here_is = ("--config", str(here.file))
        quiet = {**here.environ, "SYNCENGINE_CONFIG": str(here.file)}
        ends = await asyncio.gather(
            process("schema", environ=quiet, stdout=writing),
            process(*here_is, "check", environ=quiet, stdout=writing),
            process(*here_is, "run", environ=quiet, stdout=writing, stderr=writing),
        )
        os.close(writing)
        assert list(ends) == [(0, "")] * 3
        assert sorted(here.held("chartmogul")) == [1, 2, 3]
