"""The command under cron, supervisors and containers.

Streams are closed or full, a file is a dash, the user has no name.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.people_project import CHARTMOGUL, people

NAME = "chartmogul"
_FULL = "standard output could not be written: No space left on device"


@dataclass(frozen=True)
class _End:
    code: int
    out: str
    err: str


async def _shell(
    redirections: str, environ: Mapping[str, str], *arguments: str, given: str = ""
) -> _End:
    """Call the command with redirections of a shell, such as ``>&-``."""
    line = (
        f"exec {shlex.join([sys.executable, '-m', 'syncengine', *arguments])} "
        f"{redirections}"
    )
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        line,
        env={**os.environ, **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(given.encode())
    assert process.returncode is not None
    return _End(process.returncode, out.decode(), err.decode())


@pytest.mark.asyncio
async def test_a_run_syncs_whatever_its_streams_are(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARTMOGUL}, (NAME,)) as here:
        for number, streams in enumerate(
            (">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full"), 1
        ):
            await here.add([number])
            end = await _shell(
                streams, here.environ, "--config", str(here.file), "run", "--json"
            )
            assert end.code == 0, (streams, end)
            assert "Traceback" not in end.err
            assert ("standard output is closed" in end.err) == (streams == ">&-"), end
            assert sorted(here.held(NAME)) == list(range(1, number + 1)), streams


@pytest.mark.asyncio
async def test_a_full_disk_under_stdout_is_said_and_changes_no_run_s_code(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARTMOGUL}, (NAME,)) as here:
        await here.add([1])
        config = ("--config", str(here.file))
        run = await _shell(">/dev/full", here.environ, *config, "run", "--json")
        assert (run.code, _FULL in run.err) == (0, True), run
        assert "what the command did is done, and its exit code is right" in run.err
        for verb in (
            "check",
            "plan",
            "schema",
            "show 1",
            "verify --sample 1",
            "suppress",
            "--help",
            "run --help",
        ):
            told = await _shell(">/dev/full", here.environ, *config, *verb.split())
            assert (told.code, _FULL in told.err) == (2, True), (verb, told)
            assert "unexpected" not in told.err


@pytest.mark.asyncio
async def test_a_run_that_fell_short_keeps_its_code_wherever_its_report_gets_lost(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARTMOGUL}, (NAME,)) as here:
        await here.add([1, 2])
        await here.change(2, name="x" * 200_000)
        run = (
            *shlex.split(
                f"{sys.executable} -m syncengine --config {here.file} run --json"
            ),
        )
        gone = await _onto_a_terminal_that_is_gone(*run, environ=here.environ)
        full = await _shell(">/dev/full", here.environ, *run[3:])
        closed = await _shell(">&-", here.environ, *run[3:])
        assert (gone.code, "Input/output error" in gone.err) == (1, True), gone
        assert (full.code, _FULL in full.err) == (1, True), full
        assert (closed.code, "standard output is closed" in closed.err) == (1, True), (
            closed
        )


async def _onto_a_terminal_that_is_gone(
    *command: str, environ: Mapping[str, str]
) -> _End:
    terminal, end_of_ours = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environ},
        stdout=end_of_ours,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(end_of_ours)
    os.close(terminal)
    _, err = await process.communicate()
    assert process.returncode is not None
    return _End(process.returncode, "", err.decode())


@pytest.mark.skipif(
    not hasattr(fcntl, "F_SETPIPE_SZ"), reason="a pipe's size cannot be set here"
)
@pytest.mark.asyncio
async def test_a_pipe_that_does_not_wait_gets_everything_from_a_slow_reader() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    size = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "syncengine", "schema", stdout=writing
    )
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: ASYNC230, PTH123 - a pipe, read where the command waits for it
        text = await asyncio.to_thread(pipe.read)
    assert await process.wait() == 0
    assert len(text) > size
    assert json.loads(text)


@pytest.mark.asyncio
async def test_logs_that_cannot_be_written_end_nothing(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: CHARTMOGUL}, (NAME,)) as here:
        await here.add([1])
        logging = ("--log-format", "json", "--log-level", "debug")
        end = await _shell(
            "2>/dev/full",
            here.environ,
            "--config",
            str(here.file),
            *logging,
            "run",
            "--json",
        )
        assert end.code == 0, end
        assert json.loads(end.out)["contacts"]["applied"] == 1


@pytest.mark.parametrize("option", ["--contacts", "--phones", "--emails"])
@pytest.mark.asyncio
async def test_a_dash_is_standard_input(
    database: str, tmp_path: Path, option: str
) -> None:
    async with people(database, tmp_path, {NAME: CHARTMOGUL}, (NAME,)) as here:
        given = {
            "--contacts": "1\n",
            "--phones": "+4915111223344\n",
            "--emails": "a@example.org\n",
        }[option]
        config = ("--config", str(here.file))
        end = await _shell(
            "", here.environ, *config, "suppress", option, "-", "--json", given=given
        )
        assert end.code == 0, end
        assert json.loads(end.out)["changed"] == 1


@pytest.mark.asyncio
async def test_programs_get_an_object_when_a_verb_fails_too(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none.yaml")
    for arguments in (
        ["--config", nowhere, "run", "--json"],
        ["run", "--jsno", "--json"],
    ):
        end = await _shell("", {}, *arguments)
        said = json.loads(end.out)
        assert (end.code, said["exit_code"], said["status"], said["destination"]) == (
            2,
            2,
            "refused",
            None,
        )
        assert said["error"] in end.err


_NAMELESS = """
import os, sys
os.getuid = lambda: 54321  # as in a container that is started under an arbitrary uid
from syncengine.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("verb", ["check", "migrate", "plan", "run", "prune"])
@pytest.mark.asyncio
async def test_a_user_without_a_name_is_asked_to_write_one_into_the_url(
    database: str, tmp_path: Path, verb: str
) -> None:
    async with people(database, tmp_path, {NAME: CHARTMOGUL}, (NAME,)) as here:
        names = ("PGUSER", "LOGNAME", "USER", "LNAME", "USERNAME")
        environ = {
            name: value for name, value in os.environ.items() if name not in names
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", _NAMELESS, "--config", str(here.file), verb, "--json"),
            env=environ | here.environ | {"STATE_URL": "postgresql://127.0.0.1:1/crm"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 2, err
        assert (
            "(uid 54321) has no name either; write the user into the URL"
            in out.decode()
        )
        assert all(json.loads(line) for line in out.decode().splitlines())
        assert b"unexpected" not in err
