"""Knowledge of a contact after a call that was carried out in part."""

from __future__ import annotations

from syncengine.model.calls import Action, Applied, Call, Unsupported
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import Known
from syncengine.planning.learning import learn

KNOWN = Known(
    "v7",
    fields={"name": "Ilse", "notes": "old"},
    tags=frozenset({"a", "b"}),
    found_tags=frozenset({"c"}),
)


def test_values_that_the_answer_shows_otherwise_are_not_known() -> None:
    call = Call(Action.UPDATE, "7", "v7", fields={"name": "Eva", "notes": "new"})
    dropped = (Unsupported("field_shown_otherwise", "notes"),)
    assert learn(KNOWN, call, Applied("v7", dropped), Capabilities()).fields == {
        "name": "Eva",
        "notes": "old",
    }


def test_tags_that_the_answer_still_shows_stay_ours() -> None:
    call = Call(Action.REMOVE_TAGS, "7", "v7", remove_tags=("a", "b", "c"))
    dropped = (Unsupported("remove_tag", "b"), Unsupported("remove_tag", "c"))
    known = learn(KNOWN, call, Applied("v7", dropped), Capabilities())
    assert (known.tags, known.found_tags) == (frozenset({"b"}), frozenset({"c"}))
