"""Runs in which everything goes wrong, at every vendor, and the traces they leave.

The contacts have values that one would recognise anywhere.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import asyncpg
import orjson

from syncengine import vendors
from syncengine.model.capabilities import matches
from syncengine.model.contact import MatchKey
from syncengine.sandbox.faults import Chance, FaultKind, Rule
from syncengine.sandbox.server import Sandbox, serve
from syncengine.testing.driving import requested
from syncengine.testing.vendors_under_test import secrets
from tests.simulation.pair import Pair
from tests.support.command_process import Command
from tests.support.encodings import ENCODINGS
from tests.support.small_crm import pair_of
from tests.support.vendors.subjects import derived_settings

CONTACTS = range(1, 10)
_REFUSED = (2, 5, 8)
PASSWORD = "pa+ss/w%rd&x1"
WRONG = "wr0ng+/key&1"
_FAULTS = (
    Rule(FaultKind.ERROR_HTML, times=1),
    Rule(FaultKind.ERROR_HTML, when="after", status=504, times=1),
    Rule(FaultKind.RESET, times=1),
    Rule(FaultKind.RESET, when="after", times=1),
    Rule(FaultKind.TRUNCATED_JSON, times=2),
    Rule(FaultKind.SLOW_DRIP, seconds=0.05, times=1),
    Rule(FaultKind.LATENCY, seconds=0.5, times=1),
    Rule(FaultKind.COMMIT_LATE, seconds=0.05, times=1),
    Rule(FaultKind.THROTTLE, times=1),
    Rule(FaultKind.THROTTLE, retry_after=0.05, times=1),
)


_LONG = 12
"""Characters from which on a part of a text is unmistakable."""


def needles(text: str) -> Iterator[str]:
    """Yield a text in every form in which it may turn up."""
    yield from (
        text,
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
        html.escape(text),
    )
    yield orjson.dumps(text).decode()[1:-1]
    yield text.encode("unicode_escape").decode()
    for login in (text, f"{text}:", f":{text}"):
        yield base64.b64encode(login.encode()).decode().rstrip("=")
        yield base64.urlsafe_b64encode(login.encode()).decode().rstrip("=")
    if re.fullmatch(r"\+\d{7,}", text):
        yield text.removeprefix("+")
    for name, encode in ENCODINGS.items():
        if len(text) >= _LONG or "thirds" not in name:
            yield encode(text)


@dataclass
class Noise:
    """The sources, their vendors, and all output of the runs."""

    dsn: str
    file: Path
    sandbox: Sandbox
    database: asyncpg.Connection[asyncpg.Record]
    environ: dict[str, str]
    pairs: Mapping[str, Pair]
    heard: dict[str, str] = field(default_factory=dict)
    """All that was written down, by where it was found."""

    def configure_engine(self, **keys: Any) -> None:
        """Top-level keys of ``syncengine.yaml``."""
        _write(self.file, {**orjson.loads(self.file.read_bytes()), **keys})

    def map_also(self, destination: str, fields: Mapping[str, str]) -> None:
        """More fields of a destination."""
        file = self.file.parent / "destinations" / f"{destination}.yaml"
        content = orjson.loads(file.read_bytes())
        content["fields"] |= fields
        _write(file, content)

    async def command(self, label: str, *arguments: str, **environ: str) -> int:
        """Run ``syncengine ARGUMENTS``, and keep all its output."""
        command = self.start(label, *arguments, **environ)
        code = await command.ended()
        self.heard[label] = command.said()
        return code

    def start(self, label: str, *arguments: str, **environ: str) -> Command:
        output = self.file.parent / f"{label}.out"
        return Command(
            ("--config", str(self.file), *arguments),
            {**self.environ, "TERM": "dumb", **environ},
            output,
        )

    def everywhere(self, *faults: Rule) -> None:
        for name in self.pairs:
            self.sandbox.faults(name).configure(faults)

    def everything_fails(self) -> None:
        """Let each fault happen once a vendor.

        Refusals repeat the whole contact and the credentials, for three contacts.
        """
        for name, pair in self.pairs.items():
            echoes = [rule for number in _REFUSED for rule in _echoes(pair, number)]
            self.sandbox.faults(name).configure([*echoes, *_FAULTS])

    def at_random(self, seed: int) -> None:
        kinds = tuple(kind for kind in FaultKind if not kind.startswith("hold_"))
        for name in self.pairs:
            self.sandbox.faults(name).configure(Chance(seed, 0.4, kinds))

    async def listen(self) -> None:
        """Keep the content of the state and of the sandbox's journals."""
        tables = await self.database.fetch(
            "SELECT table_name AS name FROM information_schema.tables "
            "WHERE table_schema = 'syncengine'"
        )
        for name in (row["name"] for row in tables):
            rows = await self.database.fetch(
                f"SELECT t::text AS line FROM syncengine.{name} AS t"
            )
            self.heard[f"table {name}"] = "\n".join(row["line"] for row in rows)
        for name in self.pairs:
            report = self.sandbox.journal(name).report(self.sandbox.twin(name).limiter)
            self.heard[f"journal of {name}"] = orjson.dumps(report).decode()

    def traces(
        self, texts: Iterable[str], besides: Iterable[str] = ()
    ) -> set[tuple[str, str]]:
        """Return the texts that can be found in any form, each with where.

        ``besides`` are the places where they may be.
        """
        searched = {
            where: said for where, said in self.heard.items() if where not in besides
        }
        return {
            (where, text)
            for where, said in searched.items()
            for text in texts
            if any(needle in said for needle in needles(text))
        }

    @property
    def secrets(self) -> set[str]:
        """All credentials that were used."""
        keys = {
            value
            for pair in self.pairs.values()
            for value in secrets(pair.subject.spec).values()
        }
        return keys | {PASSWORD, WRONG}

    @property
    def values(self) -> set[str]:
        """Every phone number, e-mail address and name of the sources."""
        return {
            value
            for pair in self.pairs.values()
            for number in CONTACTS
            for name, value in values_of(pair, number).items()
            if re.search("phone|mail|name", name, re.IGNORECASE)
        }


def values_of(pair: Pair, number: int) -> dict[str, str]:
    """A contact's values that are texts, by field."""
    can = pair.capabilities
    writes = [write for write in (can.create, can.update, can.upsert) if write]
    return {
        name: value
        for name, value in pair.subject.fields(number).items()
        if isinstance(value, str)
        and any(matches(name, write.fields) for write in writes)
    }


def _echoes(pair: Pair, number: int) -> Iterator[Rule]:
    """Yield refusals of requests about a contact whose text repeats it.

    A write's repeats all values, a look-up's the match key.
    """
    others = {
        value
        for other in CONTACTS
        if other != number
        for value in values_of(pair, other).values()
    }
    values = values_of(pair, number)
    keys = " ".join(_credentials(pair))
    if pair.key:
        look_up = requested(pair.vendor.find(MatchKey(pair.key, values[pair.key])))
        said = f"No {values[pair.key]} {keys}"
        path = f"^{re.escape(look_up.path)}$"
        yield Rule(
            FaultKind.REFUSE,
            method=look_up.method,
            path=path,
            body=values[pair.key],
            status=422,
            text=said,
        )
    everything = " / ".join(values.values())
    encodings = list(ENCODINGS.values())
    for index, value in enumerate(values.values()):
        if value not in others:
            encode = encodings[(number * len(values) + index) % len(encodings)]
            repeated = " ".join(
                encode(key) for key in secrets(pair.subject.spec).values()
            )
            said = (
                f"No: {encode(value)} by {repeated}. {everything}. "
                f"{html.escape(everything)} with {keys}"
            )
            yield Rule(
                FaultKind.REFUSE,
                body=orjson.dumps(value).decode(),
                status=422,
                text=said,
            )


def _credentials(pair: Pair) -> list[str]:
    """Return the credentials that the vendor is sent, as they are sent and decoded."""
    request = requested(pair.vendor.send(pair.subject.call(pair.subject.first)))
    keys = list(secrets(pair.subject.spec).values())
    sent = [*request.headers.values(), *(quote(value) for _, value in request.query)]
    return [*keys, *(quote(key, safe="") for key in keys), *sent]


@asynccontextmanager
async def noise(dsn: str, folder: Path, *names: str) -> AsyncIterator[Noise]:
    """A table and a destination for these vendors, or for every vendor there is."""
    (folder / "destinations").mkdir(parents=True)
    pairs = {name: pair_of(name) for name in names or vendors.names()}
    connection = await asyncpg.connect(dsn)
    try:
        async with serve(tuple(pairs)) as sandbox:
            await connection.execute("CREATE SCHEMA crm")
            environ = {"STATE_URL": with_password(dsn)}
            for name, pair in pairs.items():
                await _fill(connection, name, pair)
                environ |= {
                    f"{name}_{key}".upper(): value
                    for key, value in secrets(pair.subject.spec).items()
                }
                _write(
                    folder / "destinations" / f"{name}.yaml",
                    _destination(name, pair, sandbox.url(name)),
                )
            engine = {
                "database": "${STATE_URL}",
                "source": {"key": "id"},
                "batch_size": 5,
                "lease_ttl": "2s",
            }
            _write(folder / "syncengine.yaml", engine)
            yield Noise(
                dsn, folder / "syncengine.yaml", sandbox, connection, environ, pairs
            )
    finally:
        await connection.close()


def with_password(dsn: str) -> str:
    """The same database, with a password that nobody asks for."""
    return dsn.replace("postgres@", f"postgres:{quote(PASSWORD, safe='')}@")


async def _fill(
    connection: asyncpg.Connection[asyncpg.Record], name: str, pair: Pair
) -> None:
    columns = ", ".join(f'"{column}" text' for column in values_of(pair, 1))
    await connection.execute(
        f"CREATE TABLE crm.{name} (id integer PRIMARY KEY, {columns})"
    )
    for number in CONTACTS:
        row = [number, *values_of(pair, number).values()]
        places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await connection.execute(f"INSERT INTO crm.{name} VALUES ({places})", *row)


def _destination(name: str, pair: Pair, url: str) -> dict[str, Any]:
    module = pair.subject.spec
    settings = {
        **derived_settings(module),
        **{key: f"${{{name}_{key}}}".upper() for key in secrets(module)},
    }
    settings |= {"base_url": url, "settles_within": 0.1}
    if "batch_size" in module.settings.model_fields:
        # Where few contacts share a request, there are requests for all faults.
        settings["batch_size"] = 2
    return {
        "vendor": name,
        "settings": settings,
        "source": {"table": f"crm.{name}"},
        "limits": [],
        "in_flight": 2,
        "attempts": 2,
        "max_wait": "1s",
        "timeout": "400ms",
        "on_null": "clear",
        "fields": {field: field for field in values_of(pair, 1)},
        **({"match_on": [pair.key]} if pair.key else {}),
    }


def _write(file: Path, content: dict[str, Any]) -> None:
    """JSON is YAML."""
    file.write_bytes(orjson.dumps(content))
