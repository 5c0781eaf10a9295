"""Files that verbs write: whole, and over nothing but what the same verb wrote."""

from __future__ import annotations

import io
import os
import re
import socket
import stat
from pathlib import Path

import pytest

from syncengine.app.consent_lines import lines_of_file
from syncengine.cli.export import CONSENT, CONTACTS
from syncengine.cli.metrics import METRICS
from syncengine.cli.options import Format
from syncengine.cli.rendering.contact_rows import COLUMNS, VALUES
from syncengine.cli.rendering.rows import row_writer
from syncengine.cli.report import REPORT
from syncengine.desk.metrics import MetricFacts, exposition
from syncengine.desk.report import render_report
from syncengine.errors import ConfigError
from syncengine.model.consent_file import Consents
from syncengine.model.desk import CONTACT_NAMES
from syncengine.output_files import (
    FreshFile,
    OutputFile,
    OutputKind,
    is_stream,
    write_output,
)
from tests.support.desk_records import short_record

NOTE = OutputKind("a note", re.compile(b"note: "))


def write(
    path: Path, content: bytes = b"note: new", *, owner_only: bool = True
) -> None:
    write_output(path, content, NOTE, owner_only=owner_only)


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as told:
        write(path)
    return str(told.value)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_what_the_verb_wrote_before_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    for before in (None, b"", b"note: old"):
        if before is not None:
            file.write_bytes(before)
        write(file)
        assert file.read_bytes() == b"note: new"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # The longest name that there can be.
    write(tmp_path / ("n" * 255))
    assert names(tmp_path) == ["n" * 255, "out.txt"]


@pytest.mark.parametrize("content", [b"vendor: charles", b"\n", b"{}", b"not", b"\xff"])
def test_what_others_wrote_stays(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    assert refused(file) == (
        f"{file}: is there already, and is not a note: it is not written over; name "
        "another file, or move this one away"
    )
    assert file.read_bytes() == content
    assert names(tmp_path) == ["mine.yaml"]


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = tmp_path / "link"
    link.symlink_to(Path("elsewhere") / "file")
    for _ in range(2):
        write(link)
        assert link.is_symlink()
        assert (folder / "file").read_bytes() == b"note: new"
    (folder / "file").write_bytes(b"mine")
    assert "it is not written over" in refused(link)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot be written: Too many levels" in refused(loop)
    astray = tmp_path / "astray"
    astray.symlink_to(tmp_path / "none" / "file")
    assert f'there is no folder "{tmp_path / "none"}"' in refused(astray)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "cannot be written: it is a pipe that nobody reads" in refused(pipe)
    assert "it is a folder, and not a note; name a file" in refused(tmp_path)
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        assert "it is neither a file nor a pipe; name a file" in refused(path)
    assert "cannot be written: Not a directory" in refused(Path("/dev/null/x"))
    assert 'there is no folder "/nowhere"; make it first' in refused(Path("/nowhere/x"))
    assert "cannot be written: No space left" in refused(Path("/dev/full"))
    assert names(tmp_path) == ["pipe", "socket"]


def test_devices_pipes_with_a_reader_and_open_files_are_written_to(
    tmp_path: Path,
) -> None:
    write(Path("/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe)
    assert os.read(reader, 100) == b"note: new"
    os.close(reader)
    with (tmp_path / "log").open("ab+") as log:
        log.write(b"before, ")
        log.flush()
        write(Path(f"/dev/fd/{log.fileno()}"))
        log.seek(0)
        assert log.read() == b"before, note: new"


def test_standard_output_has_several_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("-", "/dev/stdout", "/dev/fd/1"):
        assert is_stream(Path(name))
        stream = io.TextIOWrapper(io.BytesIO())
        monkeypatch.setattr("sys.stdout", stream)
        write(Path(name))
        assert stream.buffer.getvalue() == b"note: new"


def test_the_former_file_stays_where_writing_fails(tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    file.write_bytes(b"note: old")
    with OutputFile(file, NOTE, owner_only=True) as output:
        output.write(b"note: half")
    assert file.read_bytes() == b"note: old"
    with OutputFile(file, NOTE, owner_only=True) as output:
        output.write(b"note: new")
        # Somebody else's, meanwhile.
        file.write_bytes(b"theirs")
        with pytest.raises(ConfigError, match="it is not written over"):
            output.finish()
    assert file.read_bytes() == b"theirs"
    assert names(tmp_path) == ["out.txt"]


def test_a_fresh_file_can_leave_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"theirs")
    with FreshFile(file) as fresh, pytest.raises(FileExistsError):
        fresh.finish(replaces=False)
    assert file.read_bytes() == b"theirs"
    assert names(tmp_path) == ["file"]


def test_verbs_know_what_they_wrote() -> None:
    page = render_report(short_record(), version="1.0", with_values=False).encode()
    metrics = exposition(MetricFacts([], []))
    consent = b"".join(lines_of_file(Consents(b"salt")))
    assert REPORT.wrote(page)
    assert METRICS.wrote(metrics)
    assert CONSENT.wrote(consent)
    exports = [
        _export(form, rows) for form in ("csv", "json", "jsonl") for rows in (0, 2)
    ]
    for content in exports:
        assert CONTACTS.wrote(content.encode()), content
    for kind in (REPORT, METRICS, CONSENT, CONTACTS):
        told = [page, metrics, consent, b"[1]", b"# HELP node_x", b"<!DOCTYPE html>"]
        told.append(b'{"destination":"x","at":1}')
        assert sum(map(kind.wrote, told)) == (kind is not CONTACTS), kind.name


def _export(form: Format, rows: int) -> str:
    written: list[str] = []
    names = [*CONTACT_NAMES, *(column.name for column in VALUES)]
    row = dict.fromkeys(names, "x")
    with row_writer(form, [*COLUMNS, *VALUES], names, written.append) as writer:
        writer.write([row] * rows)
    return "".join(written)
