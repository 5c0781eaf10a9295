"""An opt-out at the vendor is never overwritten, in whichever way it is met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from syncengine.model.calls import Action, Call, Exists, Unsupported
from syncengine.model.capabilities import matches
from syncengine.model.contact import Desired, Fields, Known, Pending
from syncengine.model.http import Json
from syncengine.planning.drift import ManagedParts, drift, known_with_drift
from syncengine.planning.found_contacts import known_after_not_found, known_from_remote
from syncengine.planning.plan import Plan, plan_contact
from syncengine.ports import Vendor
from syncengine.testing.benches import Bench
from syncengine.testing.cases import for_each
from syncengine.testing.vendors_under_test import VendorUnderTest


def opt_outs(subject: VendorUnderTest) -> Iterator[tuple[str, Json]]:
    """Yield the vendor's opt-outs, and a flag of the sample declared to be one.

    Each comes with the value that means opted out.
    """
    own = subject.spec.settings.OPT_OUTS
    yield from own.items()
    for name, value in subject.fields(1).items():
        if value is True and name not in own and _can_be_set_later(subject, name):
            yield name, False
            return


def _can_be_set_later(subject: VendorUnderTest, name: str) -> bool:
    return any(
        name in subject.sample(action, 1)
        for action in (Action.UPDATE, Action.UPSERT)
        if subject.write(action)
    )


every_opt_out = for_each(
    ("subject", "name", "no"),
    lambda subjects: [
        (subject, name, no) for subject in subjects for name, no in opt_outs(subject)
    ],
)


def vendor_of(subject: VendorUnderTest, name: str, no: Json, *, lowers: bool) -> Vendor:
    """Return the vendor with a field declared as an opt-out, to be lowered or not."""
    declared = {} if name in subject.spec.settings.OPT_OUTS else {name: no}
    settings = {
        **subject.given_settings(),
        **subject.settings,
        "opt_outs": declared,
        "lower_opt_outs": [name] if lowers else [],
    }
    spec = subject.spec
    return spec.build(spec.settings.model_validate(settings))


class Scene:
    """A contact that has opted out at the vendor, and not in the source."""

    def __init__(self, subject: VendorUnderTest, name: str, no: Json) -> None:
        self.name, self.no = name, no
        self.free = replace(subject, vendor=vendor_of(subject, name, no, lowers=True))
        self.kept = replace(subject, vendor=vendor_of(subject, name, no, lowers=False))
        self.bench = Bench(self.free)
        self.id = self.bench.make(1)
        fields = self.free.fields(1)
        assert fields[name] != no
        self.write(self.free, {name: no})
        self.assert_kept()
        self.bench.subject = self.kept
        renamed = {
            field: value
            for field, value in self.free.fields(2).items()
            if field in self.free.sample(self.later, 2) and field != name
        }
        keys = tuple(self.free.keys(1)) if self.free.vendor.capabilities.find_by else ()
        key = self.free.key(self.free.first, 1)
        keys = tuple(dict.fromkeys((key, *keys))) if key else keys
        held = {each.field for each in keys}
        changes = {name: new for name, new in renamed.items() if name not in held}
        self.desired = Desired("contact-1", {**fields, **changes}, keys=keys)
        self.known = Known(self.id, keys[0], fields)

    @property
    def later(self) -> Action:
        return Action.UPDATE if self.free.write(Action.UPDATE) else Action.UPSERT

    def write(self, subject: VendorUnderTest, fields: Mapping[str, Json]) -> None:
        write = subject.write(self.later)
        assert write
        carried = {must: subject.fields(1)[must] for must in write.must_carry}
        call = subject.call(self.later, 1, self.id)
        self.bench.applied(replace(call, fields={**carried, **fields}, add_tags=()))

    def assert_kept(self) -> None:
        held = self.bench.held(self.id)
        assert held
        assert self.bench.shows(held, self.name, self.no), "the opt-out was taken back"

    def play(self, known: Known) -> tuple[Unsupported, ...]:
        """Plan and send everything; what the plan says cannot be done."""
        vendor = self.kept.vendor
        plan = plan_contact(self.desired, known, vendor.capabilities)
        assert isinstance(plan, Plan)
        external_id = known.external_id
        for planned in plan.calls:
            call = planned if external_id is None else _with(planned, external_id)
            answer = self.bench.send(call)
            self.assert_kept()
            if isinstance(answer, Exists):
                met = known_from_remote(answer.remote, self.desired, known, vendor.same)
                return self.play(met)
            external_id = external_id or getattr(answer, "external_id", None)
        return plan.unsupported


def _with(call: Call, external_id: str) -> Call:
    return call if call.external_id else replace(call, external_id=external_id)


def without(fields: Fields, name: str) -> dict[str, Json]:
    return {field: value for field, value in fields.items() if field != name}


@every_opt_out
def test_a_no_stays_whatever_was_known(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    told = Unsupported("lower_opt_out", name)
    known = scene.known
    assert told not in scene.play(known), "what is believed in step is not planned"
    assert told in scene.play(replace(known, fields=without(known.fields, name)))
    assert told in scene.play(replace(known, fields={**known.fields, name: no}))
    doubt = Pending(fields={name: known.fields[name]}, age=None)
    assert told in scene.play(replace(known, pending=doubt))


@every_opt_out
def test_a_no_is_not_cleared(subject: VendorUnderTest, name: str, no: Json) -> None:
    scene = Scene(subject, name, no)
    fields = {**scene.desired.fields, name: None}
    scene.desired = replace(scene.desired, fields=fields)
    known = replace(scene.known, fields={**scene.known.fields, name: no})
    assert Unsupported("lower_opt_out", name) in scene.play(known)


@every_opt_out
def test_a_no_stays_where_a_contact_is_found_or_taken_over(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    vendor = scene.kept.vendor
    if not vendor.capabilities.find_by:
        scene.play(Known())
        return
    (remote,) = scene.bench.do(vendor.find(scene.desired.keys[0]))
    linked = known_from_remote(remote, scene.desired, Known(), vendor.same)
    assert Unsupported("lower_opt_out", name) in scene.play(linked)
    scene.play(Known())


@every_opt_out
def test_verify_tells_of_a_no_and_repairs_it_not(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    vendor = scene.kept.vendor
    if not vendor.capabilities.reads:
        return
    remote = scene.bench.read(scene.id)
    owned = ManagedParts((), "", opt_outs=vendor.capabilities.opt_outs)
    found = drift(scene.known, remote, owned, vendor.same, lambda _: False)
    assert found.opted_out == (name,)
    assert name not in (*found.changed, *found.missing, *found.extra)
    assert remote is not None
    scene.play(known_with_drift(scene.known, remote, found))


@every_opt_out
def test_a_setting_that_names_the_field_lowers_it(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    scene.bench.subject = scene.free
    scene.write(scene.free, {name: scene.free.fields(1)[name]})
    held = scene.bench.held(scene.id)
    assert held
    assert scene.bench.shows(held, name, scene.free.fields(1)[name])


@every_opt_out
def test_a_no_of_the_source_is_sent(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    can = scene.kept.vendor.capabilities
    desired = replace(scene.desired, fields={**scene.desired.fields, name: no})
    plan = plan_contact(desired, scene.known, can)
    assert isinstance(plan, Plan)
    assert [call.fields[name] for call in plan.calls if name in call.fields] == [no]
    assert Unsupported("lower_opt_out", name) not in plan.unsupported


@every_opt_out
def test_a_call_that_would_take_back_a_no_is_refused_before_it_is_sent(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    write = scene.kept.write(scene.later)
    if write and name in write.must_carry:
        return
    with pytest.raises(ValueError, match="opt-out"):
        scene.write(scene.kept, {name: scene.free.fields(1)[name]})
    scene.assert_kept()


@every_opt_out
def test_who_is_made_again_says_no_again(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    vendor = scene.kept.vendor
    said = replace(scene.known, fields={**scene.known.fields, name: no})
    gone = known_after_not_found(said, vendor.capabilities)
    plan = plan_contact(scene.desired, gone, vendor.capabilities)
    assert isinstance(plan, Plan)
    sent = [call.fields[name] for call in plan.calls if name in call.fields]
    takes = matches(name, _first_fields(scene.kept))
    assert sent[:1] == ([no] if takes else [])
    assert Unsupported("lower_opt_out", name) in plan.unsupported


def _first_fields(subject: VendorUnderTest) -> tuple[str, ...]:
    write = subject.write(subject.first)
    assert write
    return write.fields
