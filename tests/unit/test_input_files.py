"""Files that verbs read: none keeps them waiting."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from syncengine.app.databases import FOLDER
from syncengine.app.marker_files import read_markers
from syncengine.app.plan_file import PlanFile
from syncengine.cli.text_files import lines_of
from syncengine.config.yaml_files import read_yaml
from syncengine.errors import ConfigError
from syncengine.input_files import read_handed_over, read_regular

if TYPE_CHECKING:
    from syncengine.config.project import Config


@pytest.mark.parametrize("read", [read_regular, PlanFile, lines_of, read_yaml])
def test_only_a_regular_file_is_read(read: type[PlanFile], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        for file, why in (
            (pipe, "it is not a regular file but a pipe; name a file"),
            (path, "it is not a regular file"),
            (Path("/dev/zero"), "it is not a regular file"),
            (tmp_path, "it is a folder; name a file"),
            (tmp_path / "none", "No such file or directory"),
        ):
            with pytest.raises(ConfigError) as told:
                read(file)
            assert str(told.value) == f"{file}: cannot be read: {why}"


def test_a_plan_is_not_read_from_what_the_shell_opened() -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"syncengine_plan":1')
    os.close(writing)
    with pytest.raises(ConfigError, match="not a regular file but a pipe"):
        PlanFile(Path(f"/dev/fd/{reading}"))
    os.close(reading)


def test_lists_are_read_from_what_the_shell_opened() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"1\n2")
    os.close(writing)
    assert lines_of(Path(f"/dev/fd/{reading}")) == ("1", "2")
    os.close(reading)
    assert read_handed_over(Path("/dev/null")) == b""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_handed_over(Path("/dev/fd/999"))


def test_a_marker_that_is_a_pipe_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    os.mkfifo(folder / "state-1.json")
    config = SimpleNamespace(file=tmp_path / "syncengine.yaml")
    assert read_markers(cast("Config", config)) == {}
