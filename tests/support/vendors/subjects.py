"""Every vendor there is, as a subject of the contract suite: found by itself, driven by its capabilities alone.

A new vendor needs no line here. Its settings and its sample contacts are derived from its settings model and its
capabilities; ``tests/vendors/of_<vendor>.py`` may bring a better ``sample(number)`` (the fields of a sample contact,
different for each number, among them whatever the vendor treats in a way of its own), ``VARIANTS`` (by name: settings,
and the twin's switches that go with them), ``SETTINGS`` (required ones that name something the twin holds),
``UNSAID`` (writes of which it is not documented what they answer, see ``Subject.unsaid``) and ``UNCOMPARED`` (fields
that answers do not show as they are held). A twin's own credentials are
``sandbox-key`` for ``api_key``, ``sandbox-token`` for ``token``, and so on.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import SecretStr

from syncengine import vendors
from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import TagCall, Write, matches
from syncengine.model.contact import LISTS, MatchKey
from syncengine.model.http import Json
from syncengine.ports import Vendor
from syncengine.vendors.kit.spec import VendorSpec


@dataclass(frozen=True)
class Subject:
    """A vendor with an adapter built for its twin."""

    module: VendorSpec
    variant: str
    vendor: Vendor
    fields: Callable[[int], dict[str, Json]]
    switches: Mapping[str, Json]
    settings: Mapping[str, Json] = field(default_factory=dict)
    """What the variant sets."""

    def __str__(self) -> str:
        return (
            f"{self.module.name}:{self.variant}" if self.variant else self.module.name
        )

    def write(self, action: Action) -> Write | None:
        """What the vendor declares for a create, update or upsert."""
        found = getattr(self.vendor.capabilities, action)
        return found if isinstance(found, Write) else None

    @property
    def first(self) -> Action:
        """The action that makes a contact."""
        return Action.UPSERT if self.vendor.capabilities.upsert else Action.CREATE

    def key(self, action: Action, number: int) -> MatchKey | None:
        """What a call about a sample contact goes by, where the external id does not say it."""
        can = self.vendor.capabilities
        if can.identity:
            return MatchKey(can.identity, f"sample-key-{number}")
        offer = getattr(can, action)
        by = (
            offer.keyed_by
            if isinstance(offer, Write)
            else offer.addressed_by
            if isinstance(offer, TagCall)
            else ()
        )
        fields = self.fields(number)
        return next(
            (MatchKey(name, str(fields[name])) for name in by if name in fields), None
        )

    def keys(self, number: int) -> Iterator[MatchKey]:
        """Every text of a sample contact that it can be looked up by, and that the next one has not."""
        other = self.fields(number + 1)
        for name, value in self.fields(number).items():
            if self.hides(name) or not isinstance(value, str) or value == other[name]:
                continue
            if matches(name, self.vendor.capabilities.find_by):
                yield MatchKey(name, value)

    def lowers(self, action: Action, name: str, value: Json) -> bool:
        """Whether such a call must not carry a value: it could take back an opt-out."""
        write = self.write(action)
        if action is Action.CREATE or (write and name in write.must_carry):
            return False
        return self.vendor.capabilities.lowers_opt_out(name, value)

    def sample(self, action: Action, number: int) -> dict[str, Json]:
        """Fields one such call can carry, those it must carry first."""
        write = self.write(action)
        assert write
        fields = {
            name: value
            for name, value in self.fields(number).items()
            if not self.lowers(action, name, value)
        }
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
        """A call of this action that uses all it may carry (three tags where there is no limit)."""
        call = Call(
            action,
            f"contact-{number}",
            external_id=external_id,
            key=self.key(action, number),
        )
        if write := self.write(action):
            if action is Action.CREATE:
                call = replace(call, external_id=None)
            tags = tuple(
                f"sample-tag-{tag}"
                for tag in range(
                    3 if write.add_tags is None else min(3, write.add_tags)
                )
            )
            return replace(call, fields=self.sample(action, number), add_tags=tags)
        match action:
            case Action.ADD_TAGS:
                return replace(
                    call,
                    add_tags=("sample-tag-0", "sample-tag-1")[: self._most(action)],
                )
            case Action.REMOVE_TAGS:
                return replace(
                    call,
                    remove_tags=("sample-tag-0", "sample-tag-1")[: self._most(action)],
                )
            case Action.JOIN_LISTS:
                return replace(call, fields={f"{LISTS}sample-list-0": True})
            case Action.LEAVE_LISTS:
                return replace(call, fields={f"{LISTS}sample-list-0": None})
            case _:
                return call

    def _most(self, action: Action) -> int | None:
        offer = getattr(self.vendor.capabilities, action)
        return offer.max_tags if isinstance(offer, TagCall) else None

    def accumulates(self, name: str) -> bool:
        """Whether the vendor keeps every value of the field it was ever sent."""
        return matches(name, self.vendor.capabilities.accumulates)

    def hides(self, name: str) -> bool:
        """Whether the vendor may leave the field out where it shows a contact."""
        return matches(name, self.vendor.capabilities.hidden)

    def unsaid(self) -> frozenset[tuple[str, bool]]:
        """The writes whose success may look like no answer: as an empty object (False), or as any (True)."""
        return frozenset(getattr(_hints(self.module.name), "UNSAID", ()))

    def uncompared(self) -> frozenset[str]:
        """The fields of which nothing follows from what an answer shows."""
        return frozenset(getattr(_hints(self.module.name), "UNCOMPARED", ()))

    def actions(self) -> tuple[Action, ...]:
        return tuple(
            action
            for action in Action
            if getattr(self.vendor.capabilities, action) is not None
        )


def subjects(*names: str, variants: bool = True) -> Iterator[Subject]:
    """Every vendor, or the named ones, as it comes and in its variants."""
    for name in names or vendors.names():
        yield subject(name)
        hints = _hints(name)
        for variant, (settings, switches) in (
            hints.VARIANTS.items() if hints and variants else ()
        ):
            yield replace(
                subject(name, settings),
                variant=variant,
                switches=switches,
                settings=settings,
            )


def subject(name: str, settings: Mapping[str, Json] | None = None) -> Subject:
    module = vendors.load(name)
    vendor = module.build(
        module.settings.model_validate({**derived_settings(module), **(settings or {})})
    )
    hints = _hints(name)
    return Subject(
        module,
        "",
        vendor,
        _writable(hints.sample, vendor) if hints else _derived_sample(vendor),
        {},
    )


def secrets(module: VendorSpec) -> dict[str, str]:
    """The settings that are credentials, with those every twin takes."""
    fields = module.settings.model_fields.items()
    return {
        name: f"sandbox-{name.rpartition('_')[2]}"
        for name, field in fields
        if field.annotation is SecretStr
    }


def derived_settings(module: VendorSpec) -> dict[str, Json]:
    """A value for everything that has no default."""
    known = getattr(_hints(module.name), "SETTINGS", {})
    given = {
        "base_url": f"https://{module.name.replace('_', '-')}.example",
        **secrets(module),
        **known,
    }
    for name, info in module.settings.model_fields.items():
        if info.is_required():
            given.setdefault(name, f"sample-{name}")
    return given


@cache
def _hints(name: str) -> Any:
    module = f"tests.support.vendors.of_{name}"
    return importlib.import_module(module) if importlib.util.find_spec(module) else None


def _writable(
    sample: Callable[[int], dict[str, Json]], vendor: Vendor
) -> Callable[[int], dict[str, Json]]:
    """The sample without the fields that no write takes with these settings."""
    can = vendor.capabilities
    patterns = tuple(
        p
        for write in (can.create, can.update, can.upsert, can.set_lifecycle)
        if write
        for p in write.fields
    )
    return lambda number: {
        name: value for name, value in sample(number).items() if matches(name, patterns)
    }


def _derived_sample(vendor: Vendor) -> Callable[[int], dict[str, Json]]:
    can = vendor.capabilities
    patterns = dict.fromkeys(
        p
        for write in (can.create, can.update, can.upsert)
        if write
        for p in write.fields
        if p != can.identity
    )

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
    return {
        "key": f"sample-{number}",
        "text": f"Žofia 李 O'Brien {number}",
        "integer": 1_000_000 + number,
        "float": number + 0.125,
        "yes": True,
        "no": False,
    }
