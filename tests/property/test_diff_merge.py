"""The merge of two streams against two dictionaries.

Both find the same, however the streams are cut into blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncengine.storage.diff.merge import Disordered, Merge

_HASHES = st.sampled_from([b"7", b"-8", b"9000000000000000001"])
_TEXTS = st.text(
    st.one_of(
        st.sampled_from("ab\\\t\n\r\b\f\vNé🎈"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=4,
)
_NUMBERS = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1))
_CUTS = st.lists(st.integers(1, 60), min_size=1)


def _escaped(key: str) -> bytes:
    """Return a key in COPY's text format.

    See https://www.postgresql.org/docs/current/sql-copy.html.
    """
    for plain, escape in (
        ("\\", "\\\\"),
        ("\b", "\\b"),
        ("\f", "\\f"),
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\t", "\\t"),
    ):
        key = key.replace(plain, escape)
    return key.replace("\v", "\\v").encode()


def _stream(lines: Sequence[tuple[str, bytes]]) -> bytes:
    return b"".join(_escaped(key) + b"\t" + value + b"\n" for key, value in lines)


def _blocks(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Yield the stream in blocks of these lengths, over and over.

    The last one is empty, as from a socket.
    """
    blocks: list[bytes] = []
    at = 0
    while stream[at:]:
        blocks.append(stream[at : at + cuts[len(blocks) % len(cuts)]])
        at += len(blocks[-1])
    return [*blocks, b""]


def _merged(merge: Merge, source: list[bytes], state: list[bytes]) -> Merge:
    while not (merge.source.exhausted and merge.state.exhausted):
        if merge.source.wants:
            merge.source.feed(source.pop(0))
        if merge.state.wants:
            merge.state.feed(state.pop(0))
        merge.compare()
    assert not source
    assert not state
    return merge


def _check(
    source: Mapping[str, bytes],
    state: Mapping[str, bytes | None],
    ordered: Sequence[str],
    cuts: tuple[list[int], list[int]],
    *,
    by_number: bool,
    everything: bool,
) -> None:
    ours = _stream([(key, source[key]) for key in ordered if key in source])
    theirs = _stream([(key, state[key] or b"\\N") for key in ordered if key in state])
    merge = _merged(
        Merge(by_number=by_number, everything=everything),
        _blocks(ours, cuts[0]),
        _blocks(theirs, cuts[1]),
    )
    assert merge.changes == [
        key
        for key in ordered
        if key in source
        and (everything or key not in state or state[key] != source[key])
    ]
    assert merge.removals == [
        key for key in ordered if key in state and key not in source
    ]
    assert (merge.source.lines, merge.state.lines) == (len(source), len(state))
    assert (merge.nulls, merge.repeated) == (0, [])


@given(
    st.dictionaries(_TEXTS, _HASHES),
    st.dictionaries(_TEXTS, st.one_of(st.none(), _HASHES)),
    st.booleans(),
    st.tuples(_CUTS, _CUTS),
    st.booleans(),
)
def test_by_text(
    source: dict[str, bytes],
    extra: dict[str, bytes | None],
    in_step: bool,  # noqa: FBT001 - drawn
    cuts: tuple[list[int], list[int]],
    everything: bool,  # noqa: FBT001
) -> None:
    state = {**source, **extra} if in_step else extra
    ordered = sorted({*source, *state}, key=str.encode)
    _check(source, state, ordered, cuts, by_number=False, everything=everything)


@given(
    st.dictionaries(_NUMBERS, _HASHES),
    st.dictionaries(_NUMBERS, st.one_of(st.none(), _HASHES)),
    st.booleans(),
    st.tuples(_CUTS, _CUTS),
    st.booleans(),
)
def test_by_number(
    source: dict[int, bytes],
    extra: dict[int, bytes | None],
    in_step: bool,  # noqa: FBT001
    cuts: tuple[list[int], list[int]],
    everything: bool,  # noqa: FBT001
) -> None:
    state = {**source, **extra} if in_step else extra
    ordered = [str(number) for number in sorted({*source, *state})]
    _check(
        {str(key): value for key, value in source.items()},
        {str(key): value for key, value in state.items()},
        ordered,
        cuts,
        by_number=True,
        everything=everything,
    )


@given(
    st.lists(_TEXTS, unique=True, min_size=1),
    st.data(),
    st.integers(0, 3),
    st.sets(_TEXTS),
    st.tuples(_CUTS, _CUTS),
    st.booleans(),
)
def test_rows_without_a_key_of_their_own_are_found(
    keys: list[str],
    data: st.DataObject,
    nulls: int,
    known: set[str],
    cuts: tuple[list[int], list[int]],
    everything: bool,  # noqa: FBT001
) -> None:
    repeated = data.draw(st.sets(st.sampled_from(keys), max_size=4))
    rows = sorted([*keys, *repeated, *repeated], key=str.encode)
    ours = _stream([(key, b"7") for key in rows]) + b"\\N\t7\n" * nulls
    theirs = _stream([(key, b"7") for key in sorted(known, key=str.encode)])
    merge = _merged(
        Merge(by_number=False, everything=everything),
        _blocks(ours, cuts[0]),
        _blocks(theirs, cuts[1]),
    )
    assert set(merge.repeated) == repeated
    assert merge.nulls == nulls
    assert merge.source.lines == len(rows) + nulls


@pytest.mark.parametrize("side", ["source", "state"])
def test_another_order_is_noticed(side: str) -> None:
    merge = Merge(by_number=False, everything=False)
    streams = {"source": b"", "state": b""} | {side: b"b\t1\na\t2\n"}
    with pytest.raises(Disordered):
        _merged(
            merge, _blocks(streams["source"], [60]), _blocks(streams["state"], [60])
        )
