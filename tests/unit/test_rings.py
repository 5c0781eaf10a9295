"""Contacts that wait for each other's values: who lets go, who is tried, who is stuck."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from syncengine.model.calls import Action
from syncengine.model.capabilities import Capabilities, OptOut, Write
from syncengine.model.contact import Known, Pending, Remote
from syncengine.model.http import Json
from syncengine.model.work import Blocker, Status
from syncengine.planning.rings import (
    ValueWait,
    fields_to_release,
    plan_release,
    taken_values,
)
from syncengine.planning.waiting import (
    closing_rings,
    ready_to_try,
    refusals_of_waiting,
    stuck_in_rings,
)

CAN = Capabilities(
    update=Write(clears=("*",), unique=("email", "ref"), repeatable=True),
)


def same(name: str, ours: Json, theirs: Json) -> bool:
    del name
    return str(ours).lower() == str(theirs).lower()


def wait(owner: str, taken: str, wanted: str, field: str = "email") -> ValueWait:
    """Return the wait of a contact that is to have ``wanted``, and wants ``taken``."""
    return ValueWait(owner, {field: taken}, {field: wanted})


# --- what is taken --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "theirs", "taken"),
    [
        ({"email": "A@x"}, {"email": "a@x"}, {"email": "a@x"}),
        ({"email": "a@x", "ref": "7"}, {"email": "b@x", "ref": "7"}, {"ref": "7"}),
        # Only what one contact may have: many are of one town.
        ({"email": "a@x", "city": "Ulm"}, {"email": "b@x", "city": "Ulm"}, {}),
        # The vendor has the address elsewhere, and does not show it as a value.
        ({"email": "a@x"}, {"email": None}, {}),
        ({"email": None}, {"email": None}, {}),
        ({"email": ""}, {"email": ""}, {}),
    ],
)
def test_a_value_is_taken_where_the_other_contact_shows_it(
    wanted: Mapping[str, Json], theirs: Mapping[str, Json], taken: Mapping[str, Json]
) -> None:
    assert taken_values(wanted, Remote("v1", theirs), CAN, same) == taken


# --- who lets go ----------------------------------------------------------------------

TWO = {"d/1": wait("d/2", "b", "b"), "d/2": wait("d/1", "a", "a")}
THREE = {
    "d/1": wait("d/2", "b", "b"),
    "d/2": wait("d/3", "c", "c"),
    "d/3": wait("d/1", "a", "a"),
}


@pytest.mark.parametrize(
    ("waiter", "waits", "released"),
    [
        ("d/2", TWO, ("email",)),
        ("d/3", THREE, ("email",)),
        # No ring: the owner waits for nobody, or for a third one.
        ("d/1", {"d/1": TWO["d/1"]}, ()),
        ("d/1", {"d/1": THREE["d/1"], "d/2": THREE["d/2"]}, ()),
        # The ring has a member of another destination, whose wait nobody knows.
        ("d/1", {"d/1": wait("e/2", "b", "b")}, ()),
        # Behind a ring, and no part of it.
        ("d/9", {**TWO, "d/9": wait("d/1", "a", "a")}, ()),
        # The next one waits as well, but keeps what this one waits for.
        ("d/1", {"d/1": TWO["d/1"], "d/2": wait("d/1", "a", "b")}, ()),
        (
            "d/1",
            {"d/1": wait("d/2", "b", "b"), "d/2": wait("d/1", "7", "8", "ref")},
            (),
        ),
        # Nobody knows which value it is.
        ("d/2", {**TWO, "d/1": ValueWait("d/2", {}, {"email": "b"})}, ()),
        # Each waits for another field of the other one.
        (
            "d/1",
            {
                "d/1": ValueWait("d/2", {"email": "b"}, {"email": "b", "ref": "9"}),
                "d/2": ValueWait("d/1", {"ref": "1"}, {"email": "c", "ref": "1"}),
            },
            ("ref",),
        ),
    ],
)
def test_whoever_closes_a_ring_lets_go_of_what_the_one_before_waits_for(
    waiter: str, waits: Mapping[str, ValueWait], released: tuple[str, ...]
) -> None:
    assert fields_to_release(waiter, waits, same) == released


@pytest.mark.parametrize(
    ("known", "can", "emptied"),
    [
        (Known("v1", fields={"email": "a", "ref": "1"}), CAN, {"email": None}),
        # What is unknown is emptied as well; everything else is left unknown.
        (
            Known(
                "v1",
                fields={"email": "a"},
                pending=Pending(
                    fields={"email": "b", "lists.7": None},
                    remove_tags=frozenset({"vip"}),
                ),
            ),
            CAN,
            {"email": None},
        ),
        # No value is known to be there.
        (Known("v1", fields={"ref": "1"}), CAN, None),
        # The vendor takes no empty value.
        (
            Known("v1", fields={"email": "a"}),
            Capabilities(update=Write(clears=("ref",), unique=("email",))),
            None,
        ),
        # Each update has to carry the field, or there is no update.
        (
            Known("v1", fields={"email": "a"}),
            Capabilities(update=Write(clears=("*",), must_carry=("email",))),
            None,
        ),
        (Known("v1", fields={"email": "a"}), Capabilities(upsert=Write()), None),
        # An opt-out is never taken back.
        (
            Known("v1", fields={"email": "out"}),
            Capabilities(
                update=Write(clears=("*",)), opt_outs=(OptOut("email", "out"),)
            ),
            None,
        ),
        # What every update needs goes along, as it is.
        (
            Known("v1", fields={"email": "a", "name": "Ilse"}),
            Capabilities(update=Write(clears=("*",), must_carry=("name",))),
            {"email": None, "name": "Ilse"},
        ),
    ],
)
def test_exactly_the_fields_are_emptied_with_one_update_or_none_is(
    known: Known, can: Capabilities, emptied: Mapping[str, Json] | None
) -> None:
    plan = plan_release("1", known, ("email",), can)
    if emptied is None:
        assert plan is None
        return
    assert plan is not None
    (call,) = plan.calls
    assert (call.action, call.external_id) == (Action.UPDATE, "v1")
    assert call.fields == emptied


# --- who is tried again ---------------------------------------------------------------


def test_whoever_waits_for_one_that_waits_itself_is_tried_later() -> None:
    waiting = {"d/1": "d/2", "d/2": "d/9", "d/3": None, "d/4": "d/1"}
    assert ready_to_try(waiting, ()) == ["d/2", "d/3"]
    # One that has let go holds up nobody, although it waits.
    assert ready_to_try(waiting, {"d/1"}) == ["d/2", "d/3", "d/4"]
    assert ready_to_try({"d/1": "d/2", "d/2": "d/1"}, ()) == []


def _refused(contact: str, waits_for: str | None, code: str = "key_held") -> Blocker:
    return Blocker(contact, Status.DEAD, code, waits_for)


def test_one_refused_in_a_former_run_is_tried_where_it_closes_a_ring() -> None:
    waiting = {"d/1": "d/2"}
    blockers = {"d/2": _refused("d/2", "d/3"), "d/3": _refused("d/3", "d/1")}
    assert closing_rings(waiting, blockers, "d") == ["d/2", "d/3"]
    # It waits for nobody of this run, was refused for another reason, or is elsewhere.
    assert closing_rings(waiting, {"d/2": _refused("d/2", "d/9")}, "d") == []
    bad = {"d/2": _refused("d/2", "d/1", "invalid_value")}
    assert closing_rings(waiting, bad, "d") == []
    elsewhere = {"e/2": _refused("e/2", "d/1")}
    assert closing_rings({"d/1": "e/2"}, elsewhere, "d") == []
    assert closing_rings({"d/1": "d/2", "d/2": "d/1"}, {}, "d") == []


# --- who is stuck ---------------------------------------------------------------------


def test_those_in_a_ring_and_behind_it_are_stuck() -> None:
    owners = {"d/1": "d/2", "d/2": "d/1", "d/3": "d/1", "d/4": "d/3", "d/5": "d/9"}
    everybody = set(owners)
    assert stuck_in_rings(owners, everybody) == {"d/1", "d/2", "d/3", "d/4"}
    # Whoever waits behind a ring need not wait for a value itself.
    assert stuck_in_rings(owners, {"d/1", "d/2"}) == {"d/1", "d/2", "d/3", "d/4"}
    assert stuck_in_rings(owners, {"d/1"}) == set()


def test_a_whole_chain_behind_one_that_cannot_move_is_refused_at_once() -> None:
    waits = {"d/4": "d/3", "d/3": "d/2", "d/2": "d/1"}
    pending = {name: Blocker(name, Status.PENDING, "") for name in ("d/2", "d/3")}
    blockers = {**pending, "d/1": Blocker("d/1", Status.DEAD, "invalid_value")}
    refused = refusals_of_waiting(waits, blockers, "d")
    assert refused.keys() == waits.keys()
    assert "contact d/1" in refused["d/4"].message
    # Where the first one may move, nobody is refused.
    blockers["d/1"] = Blocker("d/1", Status.PENDING, "")
    assert refusals_of_waiting(waits, blockers, "d") == {}
