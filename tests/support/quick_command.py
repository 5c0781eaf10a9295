"""A program ``syncengine`` for shells, which starts in a twentieth of the usual time.

A server has the command imported, and forks for each call. The program hands it its
words, environment, folder and streams, and ends as the fork does.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from tests.support.command_process import forked

_CLIENT = """\
#!{python} -ISE
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(server, [len(call).to_bytes(4, "big")], [0, 1, 2])
server.sendall(call)
code = server.recv(1)
sys.exit(code[0] if code else 70)
"""
_PATIENCE = 60.0


@contextmanager
def quick_command(program: Path) -> Iterator[None]:
    """Make the program, and serve it while the block runs."""
    # A folder of its own: a socket's path may have about a hundred bytes, and a test's
    # folder has more.
    with (
        tempfile.TemporaryDirectory(prefix="syncengine-") as folder,
        _serving(f"{folder}/socket", program),
    ):
        yield


@contextmanager
def _serving(address: str, program: Path) -> Iterator[None]:
    ours, theirs = multiprocessing.Pipe()
    with socket.socket(socket.AF_UNIX) as listening, theirs:
        listening.bind(address)
        listening.listen()
        server = forked(_serve, listening, theirs)
    program.parent.mkdir(exist_ok=True)
    text = _CLIENT.format(python=sys.executable, address=address)
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    try:
        yield
    finally:
        # It ends with this pipe, and so with this process, too.
        ours.close()
        server.join(_PATIENCE)
        assert server.exitcode == 0


def _serve(listening: socket.socket, parent: Connection) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a waiting fork
    watched: list[socket.socket | Connection] = [listening, parent]
    while parent not in select.select(watched, [], [])[0]:
        call, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _wait_for_one(call)
        call.close()


def _wait_for_one(call: socket.socket) -> None:
    """Fork the command, and tell the program how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(call, 4, 3)
    text = b""
    while len(text) < int.from_bytes(length, "big"):
        piece = call.recv(65536)
        if not piece:
            os._exit(0)  # the program was killed
        text += piece
    command = os.fork()
    if command == 0:
        call.close()
        _become(*json.loads(text), streams=streams)
    _, status = os.waitpid(command, 0)
    code = os.waitstatus_to_exitcode(status)
    call.send(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def _become(
    words: list[str], environ: dict[str, str], folder: str, *, streams: list[int]
) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv = ["syncengine", *words]
    from syncengine.__main__ import main  # noqa: PLC0415 - the streams come first

    sys.exit(main())
