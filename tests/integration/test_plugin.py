"""A vendor of another package: written, built, installed beside our wheel, and used."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.wheels import build_wheel, unpack_wheel

_ROOT = Path(__file__).resolve().parents[2]
_PROJECT = "database: {0}\nsource: {{database: '{0}', table: people, key: id}}\n"


@dataclass(frozen=True)
class SecondEnvironment:
    """An environment with our wheel and the plug-in's, far from this checkout."""

    python: Path
    site: Path
    """The folder into which packages are installed."""
    plugin: Path
    """The plug-in's own folder, where its tests are."""
    folder: Path

    def start(self, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "PYTHON"))
        }
        return subprocess.Popen(
            [str(self.python), "-P", *arguments],
            cwd=cwd or self.folder,
            env={**environ, "ACME_TOKEN": "sandbox-token", "TERM": "dumb"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def syncengine(self, *arguments: str) -> str:
        """Return what a call of the command says; it has to end with 0."""
        command = self.start("-m", "syncengine", *arguments)
        said, _ = command.communicate(timeout=120)
        assert command.returncode == 0, said
        return said

    def run(self) -> dict[str, Any]:
        """Return the report of a run; warnings come before it."""
        *_, report = self.syncengine("run", "--json").splitlines()
        read: dict[str, Any] = json.loads(report)
        return read

    @contextmanager
    def sandbox(self) -> Iterator[dict[str, str]]:
        """Serve the plug-in's twin; yield what the command says about it."""
        command = self.start(
            "-u", "-m", "syncengine", "sandbox", "--vendor", "acme", "--port", "0"
        )
        try:
            yield _settings_shown(command)
        finally:
            command.terminate()
            command.communicate(timeout=30)


def _settings_shown(command: subprocess.Popen[str]) -> dict[str, str]:
    assert command.stdout is not None
    shown: dict[str, str] = {}
    for line in command.stdout:
        found = re.match(r"\s+(?:settings\.)?([a-z_ ]+): (\S+)$", line)
        if found:
            shown[found[1]] = found[2]
        if line.lstrip().startswith("more about it"):
            return shown
    raise AssertionError("the sandbox ended")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> SecondEnvironment:
    folder = tmp_path_factory.mktemp("second")
    plugin = tmp_path_factory.mktemp("plugin") / "acme-sync"
    written = subprocess.run(
        [sys.executable, "-m", "syncengine", "new-vendor", "acme", "--folder", plugin],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert written.returncode == 0, written.stderr
    venv.create(folder / "env")
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    for name, project in (("ours", _ROOT), ("theirs", plugin)):
        unpack_wheel(build_wheel(project, tmp_path_factory.mktemp(name)), site)
    # What both depend on is borrowed from this environment, which comes second.
    (site / "borrowed.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    return SecondEnvironment(folder / "env/bin/python", site, plugin, folder)


def test_a_plug_in_is_found_checked_run_and_passes_the_contract(
    environment: SecondEnvironment, database: str
) -> None:
    suite = environment.start(
        "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", cwd=environment.plugin
    )
    try:
        asyncio.run(_fill(database))
        with environment.sandbox() as shown:
            _configure(environment.folder, database, shown["base_url"])
            checks = map(
                json.loads, environment.syncengine("check", "--json").splitlines()
            )
            messages = {check["area"]: check["message"] for check in checks}
            assert messages["crm: credentials"] == f"accepted at {shown['base_url']}"
            assert messages["crm: vendor"] == (
                "acme, from the package acme-sync 0.1.0, which is not part of "
                "syncengine and sees this account's credentials and contacts"
            )
            first = environment.run()
            assert first["contacts"]["applied"] == 3
            # One look-up and one create for all of them.
            assert first["requests"] == 2
            assert _contacts(shown["its contacts"]) == {
                f"p{number}@example.org": (f"Ilse {number}", ["crm:vip"])
                for number in (1, 2, 3)
            }
            second = environment.run()
            assert (second["contacts"]["applied"], second["requests"]) == (0, 0)
        said, _ = suite.communicate(timeout=300)
        assert suite.returncode == 0, said
        assert re.search(r"^\d{3,} passed", said, re.MULTILINE), said
    finally:
        suite.kill()
        suite.wait()


def test_no_index_is_asked_for_what_the_plug_in_needs(
    environment: SecondEnvironment,
) -> None:
    """Another project may have our name there, and would be installed for it."""
    (folder,) = environment.site.glob("acme_sync-*.dist-info")
    metadata = (folder / "METADATA").read_text(encoding="utf-8")
    assert "Name: acme-sync" in metadata
    assert "Requires-Dist" not in metadata
    project = tomllib.loads((environment.plugin / "pyproject.toml").read_text())
    assert project["build-system"]["requires"] == ["hatchling"]


async def _fill(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(
            "CREATE TABLE people (id int PRIMARY KEY, email text, first_name text, "
            "tags text[])"
        )
        await connection.execute(
            "INSERT INTO people SELECT n, 'p' || n || '@example.org', 'Ilse ' || n, "
            "ARRAY['vip'] FROM generate_series(1, 3) n"
        )
    finally:
        await connection.close()


def _configure(folder: Path, database: str, base_url: str) -> None:
    (folder / "config/destinations").mkdir(parents=True)
    project = _PROJECT.format(database)
    (folder / "config/syncengine.yaml").write_text(project, encoding="utf-8")
    (folder / "config/destinations/crm.yaml").write_text(
        "vendor: acme\n"
        f"settings: {{base_url: '{base_url}', token: '${{ACME_TOKEN}}'}}\n"
        "match_on: [email]\n"
        "fields: {email: email, first_name: first_name}\n"
        "tags: {from: tags, prefix: 'crm:'}\n",
        encoding="utf-8",
    )


def _contacts(address: str) -> dict[str, tuple[str, list[str]]]:
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310
        contacts = json.load(answer)
    return {
        each["fields"]["email"]: (each["fields"]["first_name"], each["tags"])
        for each in contacts
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Acme", "is no name for a vendor"),
        ("acme-crm", "is no name for a vendor"),
        ("class", "is no name for a vendor"),
        ("charles", "brings a vendor of this name"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(
    tmp_path: Path, name: str, message: str
) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "syncengine", "new-vendor", name, "--folder", "new"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert message in answer.stderr
    assert not (tmp_path / "new").exists()
