"""Hostile answers: good ones with a fault, and such as no API would give.

``hostile`` takes an answer of the twin and spoils its body in one of eight ways, four
times in ten its status, three times in ten its headers. The same ``Random`` gives the
same answers. The values are such as break parsers: numbers beyond 64 bits and
beyond a float, texts that are no Unicode, paths, control signs, deep nesting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random

import orjson

from syncengine.model.http import Json, Response

# Harmless ones, those around 1,000 (Python's recursion) and 1,024 (orjson's limit), and
# one beyond all stacks.
_DEPTHS = (5, 60, 70, 260, 980, 1010, 1100, 100_000)
_STATUSES = (
    *(200, 200, 200, 200, 200, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 299),
    *range(300, 309),
    *range(400, 452),
    *(460, 463, 494, 495, 496, 497, 498, 499),
    *range(500, 512),
    *(520, 521, 522, 523, 524, 525, 526, 527, 530, 561, 598, 599, 600, 700, 999),
)
_VALUES: tuple[Json, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        -0.0,
        1.5,
        1e308,
        -1e308,
        5e-324,
        2**53,
        2**63 - 1,
        -(2**63),
        2**64 - 1,
    ),
    *(
        "",
        " ",
        "x",
        "0",
        "true",
        "null",
        "404",
        "500",
        "NaN",
        "Infinity",
        "-Infinity",
        "sNaN",
        "1e999999",
        "1e-999999",
    ),
    *(
        "²",
        "٣",
        "\x00",
        "a\x00b",
        "\x1b[31m",
        "\u202e",
        "\ufeff",
        "\ud7ff",
        "😀",
        "\r\nX: y",
        "a\nb",
        "\t",
        "\x7f",
    ),
    *(
        ".",
        "..",
        "../..",
        "/",
        "a/b",
        "\\",
        "%2e%2e",
        "?",
        "#",
        "id:1",
        "a b",
        "+49301000001",
        "a@b.c",
        "@",
        "+",
    ),
    *(
        "9" * 5000,
        "x" * 600_000,
        "?cursorId=1",
        "http://x/?cursorId=%00",
        "2024-01-01T00:00:00Z",
        "0000-00-00",
    ),
    *(
        "no such contact",
        "already exists",
        "list not",
        "already",
        "9999-12-31T23:59:59.999999+99:99",
    ),
    *(
        [],
        {},
        [None],
        [[]],
        [{}],
        {"": ""},
        {"id": {}},
        [1, "x", None],
        [[1]],
        ["x", ["x"]],
        {"message": {}},
    ),
)
_TOKENS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e400",
    b"-1e400",
    b"9" * 400,
    b"0." + b"1" * 400,
    b"01",
    b"undefined",
)
_TEXTS = (
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\u0000"',
    b'"\x00"',
    b'"\xff"',
    b'"\xc3"',
    b'"\xed\xa0\x80"',
    b"'x'",
)
_HEADERS: Sequence[tuple[str, str]] = (
    *(
        ("retry-after", value)
        for value in (
            "0",
            "-1",
            "9" * 400,
            "1e9",
            "²",
            "nan",
            "",
            "Sun, 99 Nov 1994",
            "0.0",
        )
    ),
    ("retry-after", "Sun, 06 Nov 0000 08:49:37 +9999"),
    ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"),
    ("date", "never"),
    ("content-type", "text/html; charset=\x00"),
    ("content-type", "application/json; charset=utf-7"),
    ("x-ratelimit-remaining", "-1"),
    ("x-ratelimit-reset", "9" * 400),
    ("x-ratelimit-limit", "NaN"),
    ("location", "//"),
)


def hostile(random: Random, good: Response) -> Response:
    """Return an answer that no vendor would give, made of one that it gives."""
    body = random.choice(_BODIES)(random, good.body)
    status = good.status if random.random() < 0.6 else random.choice(_STATUSES)
    headers = dict(good.headers)
    if random.random() < 0.3:
        headers |= dict(random.sample(_HEADERS, 2))
    return replace(good, status=status, headers=headers, body=body)


def _damaged(random: Random, body: bytes) -> bytes:
    """Some parts of the body replaced, left out or doubled."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = {}
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        value = _with(value, random.choice(list(_paths(value))), random)
    return orjson.dumps(value)


def _paths(value: Json) -> Iterator[tuple[str | int, ...]]:
    """Yield the path to each part of a value: names and positions, outermost first."""
    yield ()
    parts: Iterable[tuple[str | int, Json]] = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for name, part in parts:
        for rest in _paths(part):
            yield (name, *rest)


def _with(value: Json, path: tuple[str | int, ...], random: Random) -> Json:
    """Return a value with something else at this place."""
    if not path:
        return random.choice(_VALUES)
    first, *rest = path
    changed: Json = dict(value) if isinstance(value, dict) else list(value)
    if not rest and random.random() < 0.15:
        del changed[first]
    else:
        changed[first] = _with(value[first], tuple(rest), random)
    return changed


def _spliced(random: Random, body: bytes) -> bytes:
    """Bytes that are no JSON, or hardly any, in the place of one value."""
    value = orjson.loads(_damaged(random, body))
    mark = "the-place-of-it"
    marked = orjson.dumps(_set(value, random.choice(list(_paths(value))), mark))
    return marked.replace(
        orjson.dumps(mark), random.choice((*_TOKENS, *_TEXTS, _deep(random))), 1
    )


def _set(value: Json, path: tuple[str | int, ...], new: Json) -> Json:
    if not path:
        return new
    first, *rest = path
    changed: Json = dict(value) if isinstance(value, dict) else list(value)
    changed[first] = _set(value[first], tuple(rest), new)
    return changed


def _deep(random: Random) -> bytes:
    depth = random.choice(_DEPTHS)
    opening, closing = random.choice(
        ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"message":', b"}]"))
    )
    closed = closing * depth if random.random() < 0.8 else b""
    return opening * depth + b"1" + closed


def _encoded(random: Random, body: bytes) -> bytes:
    text = body.decode(errors="replace")
    encoding = random.choice(
        ("utf-16", "utf-32", "utf-16-le", "latin-1", "utf-8-sig", "utf-7")
    )
    return text.encode(encoding, errors="replace")


def _cut(random: Random, body: bytes) -> bytes:
    return body[: random.randrange(len(body) + 1)]


def _doubled(_random: Random, body: bytes) -> bytes:
    """Return a body with every key twice, or the body twice."""
    is_object = body[:1] == b"{" and len(body) > 2
    if is_object:
        return body[:-1] + b"," + body[1:]
    return body + body


def _flooded(random: Random, _body: bytes) -> bytes:
    part = random.choice((b"1", b"{}", b"[]", b'"x"', b'{"id":1}', b"null"))
    return b'{"data":[' + b",".join([part] * random.choice((3000, 40_000))) + b"]}"


def _empty(random: Random, _body: bytes) -> bytes:
    return random.choice(
        (
            b"",
            b" ",
            b"\n",
            b"\x00",
            b"null",
            b"[]",
            b"{}",
            b"0",
            b'""',
            b"<html></html>",
            b"OK",
        )
    )


def _noise(random: Random, _body: bytes) -> bytes:
    return random.randbytes(random.randrange(200))


_BODIES = (
    *(_damaged,) * 12,
    *(_spliced,) * 4,
    _encoded,
    _cut,
    _doubled,
    _flooded,
    _empty,
    _noise,
)
