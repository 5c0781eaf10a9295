"""Differences between a vendor's copy and what is known of it."""

from __future__ import annotations

import pytest

from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import Known, MatchKey, Remote
from syncengine.model.http import Json
from syncengine.planning.drift import Drift, ManagedParts, drift, known_with_drift
from syncengine.planning.match_keys import keys_at_vendor

KNOWN = Known(
    external_id="x",
    key=MatchKey("phone", "+491"),
    fields={"phone": "+491", "city": "Bonn"},
    tags=frozenset({"crm:a"}),
    found_tags=frozenset({"theirs"}),
)
OWNED = ManagedParts(fields=("phone", "city", "title"), tag_prefix="crm:")
AS_LEFT = Remote(
    "x",
    {"phone": "491", "city": "Bonn", "title": "", "note": "x"},
    frozenset({"crm:a", "theirs", "new"}),
)


def same(name: str, ours: Json, theirs: Json) -> bool:
    return ours == theirs or (name == "phone" and str(ours).lstrip("+") == theirs)


def found(remote: Remote | None, owned: ManagedParts = OWNED) -> Drift:
    return drift(KNOWN, remote, owned, same, lambda name: name == "history")


def remote(*tags: str, **fields: Json) -> Remote:
    return Remote("x", {**AS_LEFT.fields, **fields}, frozenset(tags or AS_LEFT.tags))


def test_a_copy_as_we_left_it_has_not_drifted() -> None:
    assert not found(AS_LEFT)
    assert known_with_drift(KNOWN, AS_LEFT, Drift()) == KNOWN


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (None, Drift(gone=True)),
        (remote(city="Köln"), Drift(changed=("city",))),
        (remote(city=None), Drift(missing=("city",))),
        (remote(city=""), Drift(missing=("city",))),
        (remote(title="Dr."), Drift(extra=("title",))),
        (remote("theirs"), Drift(missing_tags=("crm:a",))),
        (remote("crm:a", "crm:b"), Drift(extra_tags=("crm:b",))),
        (
            remote(city="Köln", phone=None, title="x"),
            Drift(changed=("city",), missing=("phone",), extra=("title",)),
        ),
    ],
)
def test_what_somebody_did_there_is_reported(there: Remote | None, told: Drift) -> None:
    assert found(there) == told
    if there is not None:
        known = known_with_drift(KNOWN, there, told)
        assert not drift(known, there, OWNED, same, lambda _: False)


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (Remote("x", {"phone": "491"}), Drift(missing_tags=("crm:a",))),
        (
            Remote("x", {"city": None}),
            Drift(missing=("city",), missing_tags=("crm:a",)),
        ),
        (Remote("x", {"city": "Köln"}, shows_tags=False), Drift(changed=("city",))),
        (
            Remote("x", {"title": "Dr."}, frozenset({"crm:a", "crm:b"})),
            Drift(extra=("title",), extra_tags=("crm:b",)),
        ),
        (Remote("x", shows_tags=False), Drift()),
        (None, Drift(gone=True)),
    ],
)
def test_where_a_look_up_shows_less_than_there_is_only_that_is_judged(
    there: Remote | None, told: Drift
) -> None:
    assert drift(KNOWN, there, OWNED, same, lambda _: False, whole=False) == told
    if there is not None and not there.shows_tags:
        known = known_with_drift(KNOWN, there, told)
        assert (known.tags, known.found_tags) == (KNOWN.tags, KNOWN.found_tags)
        assert known.fields == {
            **KNOWN.fields,
            **{name: there.fields[name] for name in told.changed},
        }


HOLDER = Capabilities(find_by=("email", "phone", "ref"), shows_one=("email",))


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        (
            Known("x", fields={"email": "e", "phone": "1", "name": "n"}),
            [("phone", "1"), ("email", "e")],
        ),
        (
            Known("x", MatchKey("ref", "7"), {"phone": "1"}),
            [("ref", "7"), ("phone", "1")],
        ),
        (
            Known("x", MatchKey("phone", "0"), {"phone": 1}),
            [("phone", "0"), ("phone", "1")],
        ),
        (
            Known("x", MatchKey("phone", "1"), {"phone": "1", "ref": ""}),
            [("phone", "1")],
        ),
        (
            Known(
                "x", MatchKey("name", "n"), {"name": "n", "ref": None, "phone": ["1"]}
            ),
            [],
        ),
    ],
)
def test_what_a_contact_can_be_found_by_is_what_it_is_known_to_hold(
    known: Known, asked: list[tuple[str, str]]
) -> None:
    assert [(key.field, key.value) for key in keys_at_vendor(known, HOLDER)] == asked


def test_what_is_not_ours_is_no_drift() -> None:
    assert not found(remote("crm:a", "crm:b", title="Dr."), ManagedParts((), ""))


def test_fields_that_prove_nothing_are_passed_over() -> None:
    known = Known(external_id="x", fields={"history": ["a", "b"]})
    assert not drift(known, Remote("x"), OWNED, same, lambda name: name == "history")


def test_the_tags_of_others_that_vanish_are_forgotten() -> None:
    there = remote("crm:a")
    assert not found(there)
    assert known_with_drift(KNOWN, there, Drift()).found_tags == frozenset()


@pytest.mark.parametrize(
    ("fields", "missing", "changed"),
    [
        ({"phone": "491"}, (), ()),
        ({"phone": "491", "city": ""}, ("city",), ()),
        ({"phone": "491", "city": "Köln"}, (), ("city",)),
    ],
)
def test_what_a_vendor_does_not_show_as_a_rule_is_judged_where_it_does(
    fields: dict[str, Json], missing: tuple[str, ...], changed: tuple[str, ...]
) -> None:
    owned = ManagedParts((), "", hidden=("city",))
    there = Remote("x", fields, AS_LEFT.tags)
    told = drift(KNOWN, there, owned, same, lambda _: False)
    assert (told.missing, told.changed) == (missing, changed)
