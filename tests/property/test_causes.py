"""Causes of candidates:

every contact has one. The configuration is a cause only where it changed.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncengine.model.calls import Action, Call
from syncengine.model.contact import LISTS, Desired, Known, Pending
from syncengine.model.work import ContactState, Status
from syncengine.planning.causes import CauseKind, causes_of

NAMES = ("phone", "name", f"{LISTS}a")
PARTS = (
    "fields.phone",
    "fields.name",
    "fields.gone",
    "tags",
    "lists",
    "on_null",
    "on_unmap",
    "version",
)
FIELDS = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from([None, "", "a", "b", True])
)
KNOWN = st.builds(
    Known,
    external_id=st.sampled_from([None, "17"]),
    fields=FIELDS,
    pending=st.sampled_from([None, None, Pending()]),
)
HASHES = st.sampled_from([None, 1, 2])
STATES = st.builds(
    ContactState,
    st.just("1"),
    KNOWN,
    st.sampled_from(Status),
    source_hash=HASHES,
    rejected_hash=HASHES,
)
CALLS = st.lists(
    st.builds(
        Call,
        st.sampled_from(Action),
        st.just("1"),
        fields=FIELDS,
        add_tags=st.sampled_from([(), ("a",)]),
    ),
    max_size=3,
)
OF_PART = {
    CauseKind.TAGS: "tags",
    CauseKind.LISTS: "lists",
    CauseKind.ON_NULL: "on_null",
    CauseKind.ON_UNMAP: "on_unmap",
    CauseKind.VERSION: "version",
}


@given(
    STATES,
    CALLS,
    st.frozensets(st.sampled_from(PARTS)),
    st.sampled_from([Desired("1", {}), None]),
)
def test_every_contact_has_a_cause_and_none_that_is_not_there(
    state: ContactState,
    calls: list[Call],
    changed: frozenset[str],
    desired: Desired | None,
) -> None:
    found = causes_of(state, desired, 2, calls, changed)
    assert found
    sent = {name for call in calls for name in call.fields}
    for cause in found:
        if cause.why is CauseKind.MAPPING:
            assert f"fields.{cause.field}" in changed
            assert cause.field in sent
        elif cause.why.is_configuration:
            assert OF_PART[cause.why] in changed
        assert bool(cause.field) == (cause.why is CauseKind.MAPPING)
        assert cause.in_words
    if desired is None:
        assert {cause.why for cause in found} <= {CauseKind.LEFT, CauseKind.UNFINISHED}
