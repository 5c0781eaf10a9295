"""No plan takes back a no, whatever is known, desired and possible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncengine.model.calls import Action, Unsupported
from syncengine.model.capabilities import Capabilities, OptOut, Write
from syncengine.model.contact import Desired, Known, MatchKey, Pending
from syncengine.planning.plan import Plan, plan_contact

NO = OptOut("silent", True)
_VALUES = st.sampled_from([None, "", True, False, "true", "TRUE", "false", 0, 1, "no"])
_FIELDS = st.fixed_dictionaries(
    {"key": st.just("k")},
    optional={"silent": _VALUES, "name": st.sampled_from(["a", "b", None])},
)
_WRITES = st.builds(
    Write,
    clears=st.sampled_from([(), ("*",)]),
    must_carry=st.sampled_from([(), ("name",), ("silent",)]),
    max_fields=st.sampled_from([None, 1, 2, 3]),
    keyed_by=st.sampled_from([(), ("key",)]),
    repeatable=st.just(True),
)
_CAPABILITIES = st.builds(
    Capabilities,
    create=st.none() | _WRITES,
    update=st.none() | _WRITES,
    upsert=st.none() | _WRITES,
    find_by=st.sampled_from([(), ("key",)]),
    opt_outs=st.just((NO,)),
)
_KNOWN = st.builds(
    Known,
    external_id=st.sampled_from([None, "x"]),
    fields=_FIELDS,
    pending=st.none() | st.builds(Pending, creates=st.booleans(), fields=_FIELDS),
)


@given(_FIELDS, _KNOWN, _CAPABILITIES)
def test_only_a_create_carries_anything_but_a_no(
    fields: dict[str, object], known: Known, can: Capabilities
) -> None:
    desired = Desired("7", fields, keys=(MatchKey("key", "k"),))
    plan = plan_contact(desired, known, can)
    if not isinstance(plan, Plan):
        return
    for call in plan.calls:
        write = getattr(can, call.action)
        carried = "silent" in call.fields
        if call.action is Action.CREATE or not carried or "silent" in write.must_carry:
            continue
        assert NO.is_opted_out(call.fields["silent"])
    told = Unsupported("lower_opt_out", "silent")
    if told in plan.unsupported:
        assert not NO.is_opted_out(fields["silent"])


@given(_KNOWN, _CAPABILITIES)
def test_what_an_update_has_to_carry_is_the_no_that_is_known(
    known: Known, can: Capabilities
) -> None:
    desired = Desired("7", {"key": "k", "silent": False, "name": "c"})
    plan = plan_contact(desired, known, can)
    if isinstance(plan, Plan) and NO.is_opted_out(known.fields.get("silent")):
        later = [call for call in plan.calls if call.action is not Action.CREATE]
        carried = [call.fields["silent"] for call in later if "silent" in call.fields]
        assert all(NO.is_opted_out(value) for value in carried)
