"""A vendor under test (a *subject*), driven by its capabilities alone.

The contract suite knows no vendor. It asks a subject for settings, sample contacts and
calls that fit what the vendor declares, and plays them against the vendor's twin.

Its settings and its sample contacts are derived from its settings model and its
capabilities; ``ContractHints`` may bring better ones. A twin's own credentials are
``sandbox-key`` for ``api_key``, ``sandbox-token`` for ``token``, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from pydantic import SecretStr

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import TagCall, Write, matches
from syncengine.model.contact import LISTS, MatchKey
from syncengine.model.http import Json
from syncengine.ports import FieldChooser, Vendor
from syncengine.vendors.kit.spec import VendorSpec

Variant: TypeAlias = tuple[Mapping[str, Json], Mapping[str, Json]]
"""Settings of a destination, and the twin's switches that go with them."""


@dataclass(frozen=True)
class ContractHints:
    """Facts that the contract suite cannot derive from a vendor's capabilities."""

    sample: Callable[[int], dict[str, Json]] | None = None
    """Returns the fields of a sample contact, different for each number: among them
    whatever the vendor treats in a way of its own."""
    variants: Mapping[str, Variant] = field(default_factory=dict)
    """Settings to try beside the default ones, by name."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """Required settings that name something which the twin holds."""
    unsaid: Collection[tuple[str, bool]] = ()
    """Writes whose answer is not documented, as pairs of an action (or ``merge``) and
    the body to be taken for a success: an empty object (False), or one that says
    nothing of use, such as ``{"message": "OK"}`` (True). Of many contacts, those of
    which an answer says nothing count as written then, too."""
    uncompared: Collection[str] = ()
    """Fields that answers do not show as they are held."""
    refused: Mapping[str, Json] = field(default_factory=dict)
    """Values that the vendor refuses in every write, such as a text that is too long:
    one contact with them, among others in a request, keeps nobody else back."""
    further_fields: Collection[str] = ()
    """Text fields that a call carries besides to be full, where the vendor takes only
    names that its account defines; empty: names are made up."""


NO_HINTS = ContractHints()
_SAMPLE_TAGS = ("sample-tag-0", "sample-tag-1", "sample-tag-2")


@dataclass(frozen=True)
class VendorUnderTest:
    """A vendor with an adapter built for its twin."""

    spec: VendorSpec
    variant: str
    """The name of the variant; empty for the vendor as it comes."""
    vendor: Vendor
    """The adapter."""
    fields: Callable[[int], dict[str, Json]]
    """Returns the fields of the sample contact with a number."""
    switches: Mapping[str, Json]
    """The twin's switches."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """The settings of the variant."""
    hints: ContractHints = NO_HINTS

    def given_settings(self) -> dict[str, Json]:
        """Return settings that lead to the twin, before any variant."""
        return derived_settings(self.spec, self.hints)

    def with_settings(self, settings: Mapping[str, Json]) -> VendorUnderTest:
        """Return the same vendor, built from other settings."""
        return vendor_under_test(self.spec, self.hints, settings)

    def __str__(self) -> str:
        if self.variant:
            return f"{self.spec.name}:{self.variant}"
        return self.spec.name

    def write(self, action: Action) -> Write | None:
        """Return what the vendor declares for a create, update or upsert."""
        found = getattr(self.vendor.capabilities, action)
        return found if isinstance(found, Write) else None

    @property
    def first(self) -> Action:
        """Return the action that makes a contact."""
        return Action.UPSERT if self.vendor.capabilities.upsert else Action.CREATE

    def key(self, action: Action, number: int) -> MatchKey | None:
        """Return the key of a call about a sample contact that needs one."""
        can = self.vendor.capabilities
        if can.identity:
            return MatchKey(can.identity, f"sample-key-{number}")
        offer = getattr(can, action)
        names: tuple[str, ...] = ()
        if isinstance(offer, Write):
            names = offer.keyed_by
        elif isinstance(offer, TagCall):
            names = offer.addressed_by
        fields = self.fields(number)
        for name in names:
            if name in fields:
                return MatchKey(name, str(fields[name]))
        return None

    def keys(self, number: int) -> Iterator[MatchKey]:
        """Yield the keys of a sample contact that the next one does not share."""
        other = self.fields(number + 1)
        for name, value in self.fields(number).items():
            if self.hides(name) or not isinstance(value, str) or value == other[name]:
                continue
            if matches(name, self.vendor.capabilities.find_by):
                yield MatchKey(name, value)

    def lowers(self, action: Action, name: str, value: Json) -> bool:
        """Return whether a call with a value could take back an opt-out."""
        write = self.write(action)
        if action is Action.CREATE or (write and name in write.must_carry):
            return False
        return self.vendor.capabilities.lowers_opt_out(name, value)

    def sample(self, action: Action, number: int) -> dict[str, Json]:
        """Return the fields that one such call can carry."""
        write = self.write(action)
        assert write, f"{self}: {action} carries no fields"
        fields = {
            name: value
            for name, value in self.fields(number).items()
            if not self.lowers(action, name, value)
        }
        # Those that it must carry come first: they count against ``max_fields``.
        fitting = [name for name in fields if name in write.must_carry]
        fitting += [
            name
            for name in fields
            if name not in fitting and matches(name, write.fields)
        ]
        return {name: fields[name] for name in fitting[: write.max_fields]}

    def call(
        self, action: Action, number: int = 1, external_id: str | None = "sample-id-1"
    ) -> Call:
        """Return a call that carries all it may, three tags where there is no limit."""
        call = Call(
            action,
            f"contact-{number}",
            external_id=external_id,
            key=self.key(action, number),
        )
        write = self.write(action)
        if write:
            if action is Action.CREATE:
                call = replace(call, external_id=None)
            tags = _SAMPLE_TAGS[: write.add_tags]
            return replace(call, fields=self.sample(action, number), add_tags=tags)
        two_tags = _SAMPLE_TAGS[:2]
        match action:
            case Action.ADD_TAGS:
                return replace(call, add_tags=two_tags[: self._most_tags(action)])
            case Action.REMOVE_TAGS:
                return replace(call, remove_tags=two_tags[: self._most_tags(action)])
            case Action.JOIN_LISTS:
                return replace(call, fields={f"{LISTS}sample-list-0": True})
            case Action.LEAVE_LISTS:
                return replace(call, fields={f"{LISTS}sample-list-0": None})
            case _:
                return call

    def _most_tags(self, action: Action) -> int | None:
        """Return the number of tags that a tag call may carry; None: any number."""
        offer = getattr(self.vendor.capabilities, action)
        return offer.max_tags if isinstance(offer, TagCall) else None

    def accumulates(self, name: str) -> bool:
        """Return whether the vendor keeps every value of a field."""
        return matches(name, self.vendor.capabilities.accumulates)

    def hides(self, name: str) -> bool:
        """Return whether reads may leave a field out."""
        return matches(name, self.vendor.capabilities.hidden)

    def unsaid(self) -> frozenset[tuple[str, bool]]:
        """Return the writes whose success may look like no answer."""
        return frozenset(self.hints.unsaid)

    def uncompared(self) -> frozenset[str]:
        """Return the fields that answers do not show as they are held."""
        return frozenset(self.hints.uncompared)

    def actions(self) -> tuple[Action, ...]:
        """Return the actions that the vendor's capabilities have."""
        return tuple(
            action
            for action in Action
            if getattr(self.vendor.capabilities, action) is not None
        )


def vendors_under_test(
    spec: VendorSpec, hints: ContractHints = NO_HINTS
) -> Iterator[VendorUnderTest]:
    """Yield a vendor as it comes, and in its variants."""
    yield vendor_under_test(spec, hints)
    for variant, (settings, switches) in hints.variants.items():
        yield replace(
            vendor_under_test(spec, hints, settings),
            variant=variant,
            switches=switches,
            settings=settings,
        )


def vendor_under_test(
    spec: VendorSpec,
    hints: ContractHints = NO_HINTS,
    settings: Mapping[str, Json] | None = None,
) -> VendorUnderTest:
    """Return a vendor with an adapter built for its twin."""
    given = {**derived_settings(spec, hints), **(settings or {})}
    vendor = spec.build(spec.settings.model_validate(given))
    if hints.sample is None:
        sample = _derived_sample(vendor)
    else:
        sample = _writable(hints.sample, vendor)
    vendor = showing_sample(vendor, (*sample(1), *hints.further_fields))
    return VendorUnderTest(spec, "", vendor, sample, {}, hints=hints)


def showing_sample(vendor: Vendor, fields: Collection[str]) -> Vendor:
    """Return an adapter whose reads show these fields, as for a mapping of them."""
    if isinstance(vendor, FieldChooser):
        return vendor.showing(fields)
    return vendor


def secrets(spec: VendorSpec) -> dict[str, str]:
    """Return the settings that are credentials, with those every twin takes.

    The setting ``api_token`` gets ``sandbox-token``: its last word counts.
    """
    fields = spec.settings.model_fields.items()
    return {
        name: f"sandbox-{name.rpartition('_')[2]}"
        for name, field in fields
        if field.annotation is SecretStr
    }


def derived_settings(
    spec: VendorSpec, hints: ContractHints = NO_HINTS
) -> dict[str, Json]:
    """Return a value for every setting that has no default."""
    given = {
        "base_url": f"https://{spec.name.replace('_', '-')}.example",
        **secrets(spec),
        **hints.settings,
    }
    for name, info in spec.settings.model_fields.items():
        if info.is_required():
            given.setdefault(name, f"sample-{name}")
    return given


def _writable(
    sample: Callable[[int], dict[str, Json]], vendor: Vendor
) -> Callable[[int], dict[str, Json]]:
    """Return a sample without the fields that no write takes with these settings."""
    can = vendor.capabilities
    patterns: tuple[str, ...] = ()
    for write in (can.create, can.update, can.upsert, can.set_lifecycle):
        if write:
            patterns += write.fields
    return lambda number: {
        name: value for name, value in sample(number).items() if matches(name, patterns)
    }


def _derived_sample(vendor: Vendor) -> Callable[[int], dict[str, Json]]:
    """Return a sample with a value for every field that a write takes.

    A pattern such as ``custom.*`` becomes a field of each kind of value, so that
    ``same`` is tried with all of them.
    """
    can = vendor.capabilities
    patterns: dict[str, None] = {}
    for write in (can.create, can.update, can.upsert):
        if write:
            patterns.update(dict.fromkeys(write.fields))
    # The identity's value is the key of the call.
    patterns.pop(can.identity or "", None)

    def sample(number: int) -> dict[str, Json]:
        fields: dict[str, Json] = {}
        for pattern in patterns:
            if "*" not in pattern:
                fields[pattern] = f"{pattern}-{number}"
            elif matches(pattern, can.accumulates):
                fields[pattern.replace("*", "sample")] = f"sample-{number}"
            else:
                fields |= {
                    pattern.replace("*", f"sample_{kind}"): value
                    for kind, value in _kinds(number).items()
                }
        return fields

    return sample


def _kinds(number: int) -> dict[str, Json]:
    """Return a value of each kind, those that differ by contact with its number."""
    return {
        "key": f"sample-{number}",
        "text": f"Žofia 李 O'Brien {number}",
        "integer": 1_000_000 + number,
        "float": number + 0.125,
        "yes": True,
        "no": False,
    }
