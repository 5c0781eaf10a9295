"""Choice of the diff's strategy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncengine.storage.diff.strategy import Strategy, Way, choose_strategy
from syncengine.storage.source.spec import KeyKind, Source, SourceSpec

_TABLE = Source(
    spec=SourceSpec(table="crm.contacts", key="id", columns=()),
    oid=1,
    relation="crm.contacts",
    where="TRUE",
    key="contacts.id",
    key_type="pg_catalog.int8",
    contact_id="contacts.id::text",
    text_order='contacts.id::text COLLATE "C"',
    hash="",
    columns=(),
    kind=KeyKind.NUMBER,
    indexed=True,
    unique=True,
    in_key_order=True,
    nullable=False,
    on_replica=False,
)
_UNKNOWN = replace(
    _TABLE, kind=KeyKind.OTHER, indexed=False, unique=False, in_key_order=False
)


@pytest.mark.parametrize("kind", [KeyKind.NUMBER, KeyKind.UUID, KeyKind.TEXT])
def test_a_table_beside_the_state_goes_by_ranges(kind: KeyKind) -> None:
    chosen = choose_strategy(
        replace(_TABLE, kind=kind), same_database=True, numbered=kind is KeyKind.NUMBER
    )
    assert chosen == Strategy(Way.RANGES, by_number=kind is KeyKind.NUMBER, cut=True)


@pytest.mark.parametrize(
    "unsuitable",
    [
        replace(_TABLE, unique=False),
        replace(_TABLE, in_key_order=False),
        replace(_TABLE, unique=False, indexed=False),
    ],
)
def test_ranges_need_a_unique_index_that_the_rows_follow(unsuitable: Source) -> None:
    assert (
        choose_strategy(unsuitable, same_database=True, numbered=True).way
        is Way.STREAMS
    )


def test_another_database_goes_by_streams_in_ranges() -> None:
    assert choose_strategy(_TABLE, same_database=False, numbered=True) == Strategy(
        Way.STREAMS, by_number=True, cut=True
    )


def test_contacts_without_a_number_cannot_be_joined_by_it() -> None:
    for same_database in (True, False):
        chosen = choose_strategy(_TABLE, same_database=same_database, numbered=False)
        assert chosen == Strategy(Way.STREAMS, by_number=False, cut=False)


def test_an_index_the_rows_do_not_follow_is_used_on_a_replica_only() -> None:
    scattered = replace(_TABLE, kind=KeyKind.UUID, in_key_order=False)
    assert not choose_strategy(scattered, same_database=False, numbered=False).cut
    assert choose_strategy(
        replace(scattered, on_replica=True), same_database=False, numbered=False
    ).cut


def test_what_has_no_index_is_read_at_once() -> None:
    for same_database in (True, False):
        for on_replica in (True, False):
            source = replace(_UNKNOWN, on_replica=on_replica)
            chosen = choose_strategy(
                source, same_database=same_database, numbered=False
            )
            assert chosen == Strategy(Way.STREAMS, by_number=False, cut=False)
