"""An opt-out at the vendor is never overwritten, in whichever way it is met.

Somebody unsubscribes at the vendor, and the source still says "subscribed". Writing
that back would send messages to a person who declined them. Each test sets such a
contact up (``Scene``), plays one way in which the engine meets it (a stale record, a
look-up, a lost answer, a verify), plans, sends, and looks at the twin after each call.

What takes an opt-out back is named by ``Capabilities.opt_outs``: the vendor's own
fields (``VendorSettings.OPT_OUTS``) and those that a configuration declares. An adapter
passes ``opt_outs=settings.kept_opt_outs()``, and ``check_call`` refuses such a write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import pytest

from syncengine.model.calls import Action, Call, Exists, Unsupported
from syncengine.model.capabilities import matches
from syncengine.model.contact import Desired, Fields, Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.planning.drift import ManagedParts, drift, known_with_drift
from syncengine.planning.found_contacts import known_after_not_found, known_from_remote
from syncengine.planning.plan import Plan, plan_contact
from syncengine.ports import Vendor
from syncengine.testing.benches import Bench
from syncengine.testing.cases import VendorsUnderTest, for_each
from syncengine.testing.vendors_under_test import VendorUnderTest, showing_sample


def opt_outs(subject: VendorUnderTest) -> Iterator[tuple[str, Json]]:
    """Yield fields that are opt-outs, each with the value that means opted out.

    They are the vendor's own, and one flag of the sample that is declared to be one.
    """
    own = subject.spec.settings.OPT_OUTS
    yield from own.items()
    for name, value in subject.fields(1).items():
        if value is True and name not in own and _can_be_set_later(subject, name):
            yield name, False
            return


def _can_be_set_later(subject: VendorUnderTest, name: str) -> bool:
    later_writes = [
        each for each in (Action.UPDATE, Action.UPSERT) if subject.write(each)
    ]
    return any(name in subject.sample(action, 1) for action in later_writes)


def _with_opt_outs(
    subjects: VendorsUnderTest,
) -> Iterator[tuple[VendorUnderTest, str, Json]]:
    for subject in subjects:
        for name, opted_out in opt_outs(subject):
            yield subject, name, opted_out


every_opt_out = for_each(("subject", "name", "no"), _with_opt_outs)
"""Parameters: a vendor, its opt-out field, and the value that means opted out."""


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
    vendor = spec.build(spec.settings.model_validate(settings))
    return showing_sample(vendor, tuple(subject.fields(1)))


class Scene:
    """A contact that has opted out at the vendor, and not in the source.

    ``free`` is the vendor configured so that opt-outs may be taken back
    (``lower_opt_outs``): it sets the scene up. ``kept`` is the usual one, under test.
    """

    def __init__(self, subject: VendorUnderTest, name: str, no: Json) -> None:
        self.name, self.no = name, no
        self.free = replace(subject, vendor=vendor_of(subject, name, no, lowers=True))
        self.kept = replace(subject, vendor=vendor_of(subject, name, no, lowers=False))
        self.bench = Bench(self.free)
        self.id = self.bench.make(1)
        fields = self.free.fields(1)
        assert fields[name] != no, (
            f"{subject}: the sample contact has opted out in {name} already; bring "
            "another by ContractHints(sample=...)"
        )
        self.write(self.free, {name: no})
        self.assert_kept()
        self.bench.subject = self.kept

        keys = self._match_keys()
        changes = self._changes(but=[name, *(key.field for key in keys)])
        self.desired = Desired("contact-1", {**fields, **changes}, keys=keys)
        # The record is stale: it has the values from before the opt-out.
        self.known = Known(self.id, keys[0], fields)

    def _match_keys(self) -> tuple[MatchKey, ...]:
        """Return the contact's keys, that of the first write in front."""
        keys: list[MatchKey] = []
        first_key = self.free.key(self.free.first, 1)
        if first_key is not None:
            keys.append(first_key)
        if self.free.vendor.capabilities.find_by:
            keys.extend(self.free.keys(1))
        return tuple(dict.fromkeys(keys))

    def _changes(self, but: Collection[str]) -> dict[str, Json]:
        """Return new values for all fields but these, so that there is work to do."""
        writable = self.free.sample(self.later, 2)
        return {
            name: value
            for name, value in self.free.fields(2).items()
            if name in writable and name not in but
        }

    @property
    def later(self) -> Action:
        """The action that changes a contact which is there."""
        return Action.UPDATE if self.free.write(Action.UPDATE) else Action.UPSERT

    def write(self, subject: VendorUnderTest, fields: Mapping[str, Json]) -> None:
        """Write these fields of the contact, past any plan."""
        write = subject.write(self.later)
        assert write, f"{subject} declares neither an update nor an upsert"
        carried = {must: subject.fields(1)[must] for must in write.must_carry}
        call = subject.call(self.later, 1, self.id)
        self.bench.applied(replace(call, fields={**carried, **fields}, add_tags=()))

    def assert_kept(self) -> None:
        """Assert that the twin still has the opt-out."""
        stored = self.bench.stored(self.id)
        assert stored, f"{self.kept}: the contact is not there any more"
        assert self.bench.shows(stored, self.name, self.no), (
            f"{self.kept}: the opt-out {self.name} = {self.no!r} was taken back; the "
            f"twin has {stored.fields.get(self.name)!r}. Pass "
            "opt_outs=settings.kept_opt_outs() to Capabilities, and send only the "
            "fields that a call carries."
        )

    def play(self, known: Known) -> tuple[Unsupported, ...]:
        """Plan and send everything; return what the plan says cannot be done."""
        vendor = self.kept.vendor
        plan = plan_contact(self.desired, known, vendor.capabilities)
        assert isinstance(plan, Plan), f"{self.kept}: nothing is planned: {plan}"
        external_id = known.external_id
        for planned in plan.calls:
            call = planned if external_id is None else _with(planned, external_id)
            answer = self.bench.send(call)
            self.assert_kept()
            if isinstance(answer, Exists):
                # A create met the contact: the engine links it and plans anew.
                met = known_from_remote(answer.remote, self.desired, known, vendor.same)
                return self.play(met)
            external_id = external_id or getattr(answer, "external_id", None)
        return plan.unsupported

    def assert_named(self, known: Known) -> None:
        """Assert that a plan from here keeps the opt-out and tells of it."""
        named = self.play(known)
        assert Unsupported("lower_opt_out", self.name) in named, (
            f"{self.kept}: the plan keeps the opt-out {self.name} and names it not "
            f"among what it cannot do: {named}. Capabilities.opt_outs has to have the "
            "field."
        )


def _with(call: Call, external_id: str) -> Call:
    """Return a call about the contact that an earlier one has made."""
    return call if call.external_id else replace(call, external_id=external_id)


def without(fields: Fields, name: str) -> dict[str, Json]:
    return {field: value for field, value in fields.items() if field != name}


@every_opt_out
def test_a_no_stays_whatever_was_known(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    known = scene.known
    assert Unsupported("lower_opt_out", name) not in scene.play(known), (
        f"{subject}: {name} is believed in step, and the plan wants to write it. "
        "same() may judge two equal values as different."
    )
    scene.assert_named(replace(known, fields=without(known.fields, name)))
    scene.assert_named(replace(known, fields={**known.fields, name: no}))
    # The answer to a write was lost: it may have been carried out or not.
    lost_write = Pending(fields={name: known.fields[name]}, age=None)
    scene.assert_named(replace(known, pending=lost_write))


@every_opt_out
def test_a_no_is_not_cleared(subject: VendorUnderTest, name: str, no: Json) -> None:
    scene = Scene(subject, name, no)
    fields = {**scene.desired.fields, name: None}
    scene.desired = replace(scene.desired, fields=fields)
    scene.assert_named(replace(scene.known, fields={**scene.known.fields, name: no}))


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
    scene.assert_named(known_from_remote(remote, scene.desired, Known(), vendor.same))
    scene.play(Known())


@every_opt_out
def test_verify_names_a_no_and_does_not_repair_it(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    vendor = scene.kept.vendor
    if not vendor.capabilities.reads:
        return
    remote = scene.bench.read(scene.id)
    owned = ManagedParts((), "", opt_outs=vendor.capabilities.opt_outs)
    found = drift(scene.known, remote, owned, vendor.same, lambda _: False)
    assert found.opted_out == (name,), (
        f"{subject}: verify names {found.opted_out} as opted out, and the contact is "
        f"in {name}. read() has to show the field, and same() to judge its values."
    )
    assert name not in (*found.changed, *found.missing, *found.extra), (
        f"{subject}: verify would repair {name}, which is an opt-out"
    )
    assert remote is not None
    scene.play(known_with_drift(scene.known, remote, found))


@every_opt_out
def test_a_setting_that_names_the_field_lowers_it(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    scene.bench.subject = scene.free
    scene.write(scene.free, {name: scene.free.fields(1)[name]})
    stored = scene.bench.stored(scene.id)
    assert stored
    assert scene.bench.shows(stored, name, scene.free.fields(1)[name]), (
        f"{subject}: {name} was not written, although lower_opt_outs names it. "
        "kept_opt_outs() of the settings leaves such fields out; name no others."
    )


@every_opt_out
def test_a_no_of_the_source_is_sent(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    can = scene.kept.vendor.capabilities
    desired = replace(scene.desired, fields={**scene.desired.fields, name: no})
    plan = plan_contact(desired, scene.known, can)
    assert isinstance(plan, Plan)
    sent = [call.fields[name] for call in plan.calls if name in call.fields]
    assert sent == [no], (
        f"{subject}: the source opts out in {name}, and the plan sends {sent} in place "
        f"of [{no!r}] once. A write of Capabilities has to take the field."
    )
    assert Unsupported("lower_opt_out", name) not in plan.unsupported, (
        f"{subject}: opting out in {name} is taken for taking an opt-out back; see "
        "OptOut in Capabilities.opt_outs"
    )


@every_opt_out
def test_a_call_that_would_take_back_a_no_is_refused_before_it_is_sent(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    write = scene.kept.write(scene.later)
    if write and name in write.must_carry:
        # Such a field goes out with each call, so that none can be refused for it.
        return
    # ``check_call``, called first in ``send``, raises it.
    with pytest.raises(ValueError, match="opt-out"):
        scene.write(scene.kept, {name: scene.free.fields(1)[name]})
    scene.assert_kept()


@every_opt_out
def test_a_contact_made_again_has_opted_out_again(
    subject: VendorUnderTest, name: str, no: Json
) -> None:
    scene = Scene(subject, name, no)
    vendor = scene.kept.vendor
    said = replace(scene.known, fields={**scene.known.fields, name: no})
    gone = known_after_not_found(said, vendor.capabilities)
    plan = plan_contact(scene.desired, gone, vendor.capabilities)
    assert isinstance(plan, Plan)
    sent = [call.fields[name] for call in plan.calls if name in call.fields]
    is_made_with_it = matches(name, _first_fields(scene.kept))
    assert sent[:1] == ([no] if is_made_with_it else []), (
        f"{subject}: a contact that had opted out in {name} is made again with {sent}; "
        f"it has to begin as it was, with {no!r}"
    )
    assert Unsupported("lower_opt_out", name) in plan.unsupported, (
        f"{subject}: a contact is made again without a word of its opt-out {name}"
    )


def _first_fields(subject: VendorUnderTest) -> tuple[str, ...]:
    """Return the fields with which a contact can be made."""
    write = subject.write(subject.first)
    assert write
    return write.fields
