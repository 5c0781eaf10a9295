"""A vendor on raw sockets that answers whatever it likes.

Its behaviours have names; it speaks like respond.io v2.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import orjson

from syncengine.model.http import Json
from tests.support.recording_gate import answer, read_request, serving


@dataclass
class Asked:
    """A request, and how many came before it in the same way."""

    method: str
    path: str
    body: bytes
    number: int

    @property
    def looks(self) -> bool:
        """Return whether it is a look-up."""
        return "/contact/list" in self.path


Said = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
Way = Callable[[Asked], Said]


def _json(body: Json, status: str = "200 OK", headers: str = "") -> bytes:
    return answer(orjson.dumps(body), status=status, headers=headers)


NOBODY: Json = {"items": [], "pagination": {"next": None}}


def _person(**more: Json) -> Json:
    person = {
        "id": 7,
        "firstName": "A",
        "phone": None,
        "email": None,
        "custom_fields": [],
        "tags": [],
    }
    return {"items": [{**person, **more}], "pagination": {"next": None}}


def _to_looks(said: Callable[[Asked], Said]) -> Way:
    """Hostile to look-ups."""
    return lambda asked: (
        said(asked) if asked.looks else _json({"contactId": 1000 + asked.number})
    )


def _to_writes(said: Callable[[Asked], Said]) -> Way:
    """Hostile to writes, after honest look-ups."""
    return lambda asked: _json(NOBODY) if asked.looks else said(asked)


def _phone(asked: Asked) -> Json:
    conditions: Json = orjson.loads(asked.body)["filter"]
    return next(iter(conditions.values()))[0]["value"]


def _bomb(body: bytes) -> bytes:
    return answer(gzip.compress(body), headers="Content-Encoding: gzip\r\n")


@cache
def _many_numbers() -> bytes:
    return _bomb(b'{"items": [' + b"1," * 5_000_000 + b"1]}")


@cache
def _many_objects() -> bytes:
    return _bomb(b'{"items": [' + b"{}," * 60_000 + b"{}]}")


@cache
def _much_text() -> bytes:
    return _bomb(b'{"contactId": "' + "😀".encode() + b"x" * 200_000_000 + b'"}')


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(400):
        writer.write(b"[")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _dripping_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(400):
        writer.write(b"X-%d: x\r\n" % number)
        await writer.drain()
        await asyncio.sleep(0.05)


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        await writer.drain()


async def _endless_interims(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n" * 100)
        await writer.drain()


async def _endless_chunk_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
    while True:
        writer.write(b"a" * 65536)
        await writer.drain()


async def _forged_later(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer honestly, and once more, unasked, a moment later."""
    known = re.search(r"id%3A(\d+)", asked.path)
    writer.write(_json({"contactId": int(known[1]) if known else 100 + asked.number}))
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(_json({"contactId": 666}))
    await writer.drain()


def _relinking(asked: Asked) -> Said:
    if "/tag" in asked.path or asked.method == "GET":
        return _json({"contactId": 666, "id": 666, "firstName": "A"})
    return _json({"contactId": 100 + asked.number})


WAYS: Mapping[str, Way] = {
    "nested_word": _to_writes(
        lambda _: answer(
            b'{"message": ' + b"[" * 1000 + b"1" + b"]" * 1000 + b"}", status="400 Bad"
        )
    ),
    "nested_deep": _to_looks(lambda _: answer(b"[" * 100_000 + b"]" * 100_000)),
    "nested_value": _to_looks(
        lambda asked: answer(
            orjson.dumps(
                _person(
                    phone=_phone(asked), custom_fields=[{"name": "x", "value": "HERE"}]
                )
            ).replace(b'"HERE"', b"[" * 260 + b"]" * 260)
        )
    ),
    "unhashable_tags": _to_looks(
        lambda asked: _json(_person(phone=_phone(asked), tags=[["x"], {}]))
    ),
    "numbers_bomb": _to_looks(lambda _: _many_numbers()),
    "objects_bomb": _to_looks(lambda _: _many_objects()),
    "text_bomb": _to_writes(lambda _: _much_text()),
    "cycle": _to_looks(
        lambda asked: _json(
            {
                "items": [],
                "pagination": {
                    "next": f"/?cursorId={'A' if 'cursorId=B' in asked.path else 'B'}"
                },
            }
        )
    ),
    "endless_pages": _to_looks(
        lambda asked: _json(
            {"items": [], "pagination": {"next": f"/?cursorId={asked.number}"}}
        )
    ),
    "nul_id": _to_writes(lambda _: _json({"contactId": "a\0b"})),
    "nul_tag": _to_looks(
        lambda asked: _json(_person(phone=_phone(asked), tags=["a\0b"]))
    ),
    "nul_value": _to_looks(
        lambda asked: _json(_person(phone=_phone(asked), firstName="a\0b"))
    ),
    "way_up": _to_writes(lambda _: _json({"contactId": ".."})),
    "surrogate": _to_looks(
        lambda _: answer(b'{"items": [{"id": 1, "firstName": "\\ud800"}]}')
    ),
    "no_wait": _to_writes(lambda _: _json({}, "429 Too Many", "Retry-After: 0\r\n")),
    "long_wait": _to_writes(
        lambda _: _json({}, "429 Too Many", f"Retry-After: {'9' * 300}\r\n")
    ),
    "drip": _to_writes(lambda _: _drip),
    "dripping_head": _to_writes(lambda _: _dripping_head),
    "endless": _to_writes(lambda _: _endless),
    "endless_chunk_head": _to_writes(lambda _: _endless_chunk_head),
    "endless_interims": _to_writes(lambda _: _endless_interims),
    "interims_to_looks": _to_looks(lambda _: _endless_interims),
    "relink": _to_writes(_relinking),
    "desync": _to_writes(lambda asked: lambda writer: _forged_later(asked, writer)),
    "not_http": lambda _: b"\x00\xff\r\n\r\nhello",
    "html": lambda _: answer(b"<html>", headers="Content-Type: text/html\r\n"),
}


@dataclass
class HostileVendor:
    """Takes each way at an address of its own: ``URL/WAY/v2``."""

    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    """Way to its requests."""
    wrote: list[tuple[str, str]] = field(default_factory=list)
    """Way and line of every request that may change something."""

    async def talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            head, _, body = (await read_request(reader)).partition(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            _, way, rest = path.split("/", 2)
            self.asked[way] += 1
            asked = Asked(method, f"/{rest}", body, self.asked[way])
            if not asked.looks and method != "GET":
                self.wrote.append((way, f"{method} {asked.path}"))
            said = WAYS[way](asked)
            if isinstance(said, bytes):
                writer.write(said)
                await writer.drain()
            else:
                await said(writer)


@asynccontextmanager
async def hostile_vendor() -> AsyncIterator[HostileVendor]:
    # Not at import, which every process of a test session pays for, and not when asked:
    # while the vendor makes one, it answers nobody, and clients would time out.
    for make_bomb in (_many_numbers, _many_objects, _much_text):
        make_bomb()
    vendor = HostileVendor()
    async with serving(vendor.talk) as url:
        vendor.url = url
        yield vendor
