"""Every strategy of the diff finds what a plain comparison in Python finds.

Sources and states are random.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncengine.errors import SchemaOutdated, SourceError
from syncengine.storage.diff.comparison import Diff
from syncengine.storage.diff.differences import Differences
from syncengine.storage.diff.ranges import range_differences
from syncengine.storage.diff.strategy import Strategy, Way, choose_strategy
from syncengine.storage.diff.streams import stream_differences
from syncengine.storage.source.spec import Source, SourceSpec
from tests.support.databases import Databases
from tests.support.diff_scene import DESTINATION, Scene, number_of, scene

_SPECIAL = st.sampled_from("aB9\\\t\n\r'\",{}N \x01\x7fé🎈")
_TEXT = st.text(
    st.one_of(
        _SPECIAL, st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    ),
    max_size=5,
)
_KINDS = {
    "bigint": st.one_of(st.integers(-3, 40), st.integers(-(2**63), 2**63 - 1)).map(str),
    "smallint": st.integers(-(2**15), 2**15 - 1).map(str),
    "uuid": st.one_of(
        st.integers(0, 40).map(lambda n: UUID(int=n << 120 | n)), st.uuids()
    ).map(str),
    'text COLLATE "C"': _TEXT,
    "text": _TEXT,
    "numeric": st.decimals(-50, 50, places=2).map(
        lambda d: f"{(d + 0).normalize():f}"
    ),  # + 0: no -0
}


@dataclass(frozen=True, slots=True)
class Held:
    """A contact's state, by versions of its row.

    The source's rows have versions 1 to 3.
    """

    status: str
    acknowledged: int | None
    refused: int | None = None

    def in_step(self, version: int) -> bool:
        return (self.refused if self.status == "dead" else self.acknowledged) == version


_VERSIONS = st.integers(1, 3)
_HELD = st.builds(
    Held,
    st.sampled_from(["synced", "synced", "pending", "rejected", "dead", "removed"]),
    st.none() | _VERSIONS,
    st.none() | _VERSIONS,
)


def _expected(
    rows: dict[str, int], held: dict[str, Held], *, everything: bool
) -> tuple[set[str], set[str]]:
    live = {key: state for key, state in held.items() if state.status != "removed"}
    changes = {
        key
        for key, version in rows.items()
        if everything or key not in live or not live[key].in_step(version)
    }
    return changes, live.keys() - rows.keys()


@pytest.fixture
def elsewhere(databases: Databases) -> Iterator[str]:
    dsn = databases.create(migrated=False)
    yield dsn
    databases.drop(dsn)


@pytest_asyncio.fixture
async def together(database: str) -> AsyncIterator[Scene]:
    async with scene(database) as opened:
        yield opened


@pytest_asyncio.fixture
async def apart(database: str, elsewhere: str) -> AsyncIterator[Scene]:
    async with scene(database, elsewhere) as opened:
        yield opened


async def _fill(
    both: Scene, kind: str, rows: dict[str, int], held: dict[str, Held]
) -> Source:
    """Insert rows and states; the hashes are computed by the database."""
    base = kind.partition(" COLLATE")[0]
    spec = SourceSpec(
        table="contacts", key="id", columns=("version",), salt="s", where="version > 0"
    )
    await both.execute(
        "DROP TABLE IF EXISTS contacts, versions",
        f"CREATE TABLE contacts (id {kind} PRIMARY KEY, version integer)",
        "CREATE TABLE versions (id integer PRIMARY KEY, version integer)",
        "INSERT INTO versions VALUES (1, 1), (2, 2), (3, 3)",
    )
    async with both.source.acquire() as connection:
        insert = f"INSERT INTO contacts VALUES ($1::text::{base}, $2)"
        await connection.executemany(insert, list(rows.items()))
        await connection.execute("ANALYZE contacts")
    source = await both.inspect(spec)
    by_version = await both.inspect(
        SourceSpec(table="versions", key="id", columns=("version",), salt="s")
    )
    hashes = {
        int(key): row.source_hash
        for key, row in (await both.load(by_version, "1", "2", "3")).items()
    }
    async with both.state.acquire() as connection:
        await connection.execute("DELETE FROM syncengine.sync_state")
        await connection.executemany(
            "INSERT INTO syncengine.sync_state (destination, contact_id, "
            "contact_number, source_hash, status, rejected_hash) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            [
                (
                    destination,
                    key,
                    number_of(key) if kind.endswith("int") else None,
                    hashes.get(state.acknowledged or 0),
                    state.status,
                    hashes.get(state.refused or 0),
                )
                for key, state in held.items()
                for destination in (
                    DESTINATION,
                    "another",
                )  # whose state is none of this diff's business
            ],
        )
    return source


async def _all(
    steps_of_diff: AsyncIterator[Differences],
) -> tuple[list[str], list[str], int, int]:
    found = [step async for step in steps_of_diff]
    return (
        [key for step in found for key in step.changes],
        [key for step in found for key in step.removals],
        sum(step.source_rows for step in found),
        sum(step.known_contacts for step in found),
    )


def _check(
    found: tuple[list[str], list[str], int, int],
    rows: dict[str, int],
    held: dict[str, Held],
    *,
    everything: bool,
) -> None:
    changes, removals = _expected(rows, held, everything=everything)
    assert sorted(found[0]) == sorted(changes)
    assert sorted(found[1]) == sorted(removals)
    assert found[2:] == (
        len(rows),
        sum(state.status != "removed" for state in held.values()),
    )


def _ways(
    both: Scene, source: Source, *, everything: bool
) -> Sequence[AsyncIterator[Differences]]:
    """Return every strategy that is right for this source.

    Ranges are small, so that there are several.
    """
    numbered = source.kind == "number"
    ways = [
        stream_differences(
            both.state,
            both.source,
            source,
            DESTINATION,
            by_number=by_number,
            cut=cut,
            everything=everything,
            size=3,
        )
        for by_number in {False, numbered}
        for cut in {False, source.indexed and by_number is numbered}
    ]
    if both.state is both.source and source.indexed:
        ways += [
            range_differences(
                both.state,
                source,
                DESTINATION,
                by_number=numbered,
                everything=everything,
                size=size,
            )
            for size in (3, 50_000)
        ]
    return ways


async def _compare_all(both: Scene, kind: str, data: st.DataObject) -> None:
    keys = _KINDS[kind]
    rows = data.draw(
        st.dictionaries(keys, st.integers(0, 3)),
        "rows and their versions; 0 is not selected",
    )
    held = data.draw(
        st.dictionaries(st.sampled_from([*rows]) | keys if rows else keys, _HELD),
        "states",
    )
    everything = data.draw(st.booleans(), "everything")
    source = await _fill(both, kind, rows, held)
    selected = {key: version for key, version in rows.items() if version}
    for way in _ways(both, source, everything=everything):
        _check(await _all(way), selected, held, everything=everything)
    found = await both.diff(source, everything=everything)
    counted = (found.totals.source_rows, found.totals.known_contacts)
    _check(
        (list(found.changes), list(found.removals), *counted),
        selected,
        held,
        everything=everything,
    )


_SETTINGS = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],  # each example fills anew
)


@pytest.mark.parametrize("kind", list(_KINDS))
@_SETTINGS
@given(data=st.data())
@pytest.mark.asyncio
async def test_in_one_database(together: Scene, kind: str, data: st.DataObject) -> None:
    await _compare_all(together, kind, data)


@pytest.mark.parametrize("kind", list(_KINDS))
@_SETTINGS
@given(data=st.data())
@pytest.mark.asyncio
async def test_in_two_databases(apart: Scene, kind: str, data: st.DataObject) -> None:
    await _compare_all(apart, kind, data)


@pytest.mark.parametrize("apart_too", [False, True])
@pytest.mark.asyncio
async def test_many_contacts_in_many_ranges(
    together: Scene, apart: Scene, *, apart_too: bool
) -> None:
    both = apart if apart_too else together
    await both.execute(
        "CREATE TABLE contacts (id integer PRIMARY KEY, name text)",
        "INSERT INTO contacts SELECT n * 3, 'n' FROM generate_series(1, 60000) AS n",
        "VACUUM ANALYZE contacts",
    )
    source = await both.inspect(
        SourceSpec(table="contacts", key="id", columns=("name",))
    )
    way = Way.STREAMS if apart_too else Way.RANGES
    assert choose_strategy(
        source, same_database=not apart_too, numbered=True
    ) == Strategy(way, by_number=True, cut=True)
    await both.settle(source)
    await both.execute(
        "UPDATE contacts SET name = 'm' WHERE id % 1000 = 0",
        "DELETE FROM contacts WHERE id % 1001 = 0",
        "INSERT INTO contacts SELECT n, 'new' "
        "FROM generate_series(-5, 180010, 3601) AS n WHERE n % 3 <> 0",
    )
    found = await both.diff(source)
    ids = range(3, 180001, 3)
    removed = {n for n in ids if n % 1001 == 0}
    new = {n for n in range(-5, 180011, 3601) if n % 3}
    assert set(found.removals) == {str(n) for n in removed}
    assert set(found.changes) == {
        str(n) for n in new | {n for n in ids if n % 1000 == 0} - removed
    }
    assert (found.totals.source_rows, found.totals.known_contacts) == (
        60_000 - len(removed) + len(new),
        60_000,
    )


@pytest.mark.parametrize("kind", ["bigint", 'text COLLATE "C"'])
@pytest.mark.parametrize("left", [[], ["50"], ["10", "11", "99"]])
@pytest.mark.asyncio
async def test_a_state_that_holds_far_more_than_the_source(
    together: Scene, kind: str, left: list[str]
) -> None:
    held = {str(number): Held("synced", 1) for number in range(100)}
    source = await _fill(together, kind, dict.fromkeys(left, 1), held)
    steps_of_diff = range_differences(
        together.state,
        source,
        DESTINATION,
        by_number=kind == "bigint",
        everything=False,
        size=3,
    )
    steps = [step async for step in steps_of_diff]
    assert max(step.known_contacts for step in steps) < 12  # four times the size
    removals = [key for step in steps for key in step.removals]
    assert sorted(removals) == sorted(held.keys() - set(left))
    assert [step.changes for step in steps if step.changes] == []


@pytest.mark.asyncio
async def test_a_contact_known_under_a_key_that_was_no_number(together: Scene) -> None:
    await together.execute(
        "CREATE TABLE contacts (id integer PRIMARY KEY, name text)",
        "INSERT INTO contacts VALUES (1, 'a'), (2, 'b')",
    )
    source = await together.inspect(
        SourceSpec(table="contacts", key="id", columns=("name",))
    )
    await together.settle(source)
    await together.execute(
        "INSERT INTO syncengine.sync_state (destination, contact_id, status) "
        "VALUES ('whatsapp', 'c-1', 'synced')",
        "UPDATE syncengine.sync_state SET contact_number = NULL WHERE contact_id = '2'",
    )
    found = await together.diff(source)
    assert (found.changes, found.removals) == ((), ("c-1",))


@pytest.mark.asyncio
async def test_a_diff_left_early_gives_its_connections_back(apart: Scene) -> None:
    await apart.execute(
        "CREATE VIEW contacts AS SELECT n AS id, repeat('x', 100) AS name "
        "FROM generate_series(1, 300000) AS n"
    )
    source = await apart.inspect(
        SourceSpec(table="contacts", key="id", columns=("name",))
    )
    differ = Diff(apart.state, apart.source, source, DESTINATION, same_database=False)
    async with aclosing(aiter(differ)) as slices:
        assert len((await anext(slices)).contact_ids) < 300_000
    for pool in (apart.state, apart.source):
        assert pool.get_idle_size() == pool.get_size()
        async with pool.acquire() as connection:
            assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.asyncio
async def test_errors_in_the_middle_name_the_source(apart: Scene) -> None:
    await apart.execute(
        "CREATE VIEW contacts AS SELECT n AS id, 10 / (500 - n) AS x "
        "FROM generate_series(1, 900) AS n"
    )
    source = await apart.inspect(SourceSpec(table="contacts", key="id", columns=("x",)))
    told = r'column "x" of contacts cannot be computed for contact 500: something is divided by zero \(SQLSTATE 22012\)'
    with pytest.raises(SourceError, match=told):
        await apart.diff(source)


@pytest.mark.asyncio
async def test_a_database_without_the_state_schema(empty_database: str) -> None:
    async with scene(empty_database) as both:
        await both.execute(
            "CREATE TABLE contacts (id integer PRIMARY KEY)",
            "CREATE VIEW seen AS TABLE contacts",
        )
        for table in ("contacts", "seen"):
            source = await both.inspect(SourceSpec(table=table, key="id", columns=()))
            with pytest.raises(SchemaOutdated, match="run `syncengine migrate`"):
                await both.diff(source)
