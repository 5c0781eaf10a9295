"""Rules across the keys of one file.

A key may be fine by itself, but not together with others or with this vendor.
``config.loading`` calls each function when it has what the function needs, whatever
else is wrong in the file, so that a person sees all problems at once.

Each function yields the problems it finds; ``where`` is the file's name, for messages.
``options`` is the file as its model, ``raw`` the file as it is written, its variables
not yet filled in. ``config.schema`` says the same to editors, as far as a schema can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel

from syncengine.config.mapping import normalised_default
from syncengine.config.models import (
    AlertTargetModel,
    DestinationFile,
    EngineFile,
    FieldModel,
    SourceModel,
)
from syncengine.config.problems import near
from syncengine.config.urls import is_loopback, is_web_address, passwords
from syncengine.config.variables import (
    VARIABLES,
    is_variable,
    variables,
    with_defaults,
)
from syncengine.errors import Problem
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.model.mapping import Form, OnInvalid
from syncengine.planning.normalise import NotNormal
from syncengine.planning.waves import largest_wave
from syncengine.ports import Vendor
from syncengine.vendors.kit.settings import SHORTEST_SECRET


def source_problems(source: SourceModel, where: str) -> Iterator[Problem]:
    """Find what a destination's source lacks, the common keys counted in."""
    if source.table is None and source.query is None:
        what = (
            "names no table and no query: write table: SCHEMA.NAME or query: "
            "SELECT ..., here or in syncengine.yaml"
        )
        yield Problem(f"{where}: source", what)
    if source.key is None:
        what = (
            "is missing: name the column that tells contacts apart, here or in "
            "syncengine.yaml"
        )
        yield Problem(f"{where}: source.key", what)


def mapping_problems(options: DestinationFile, where: str) -> Iterator[Problem]:
    """Find problems of the mapping that do not depend on the vendor."""
    if not options.fields:
        what = "is empty: name at least one vendor field and its column"
        yield Problem(f"{where}: fields", what)
    if options.where is not None:
        yield from _condition_problems(options.where, where)
    for name, item in options.fields.items():
        yield from _field_problems(name, item, options, where)
    # With no field at all, that alone is said.
    match_fields = options.match_on if options.fields else ()
    for name in match_fields:
        if name not in options.fields:
            advice = near(name, options.fields) or "; map it there first"
            what = f'"{name}" is not a key of fields{advice}'
            yield Problem(f"{where}: match_on", what)


def _condition_problems(condition: str, where: str) -> Iterator[Problem]:
    """Find what would break the query that the condition is put into."""
    if condition.rstrip().endswith(";"):
        what = "is a condition, not a statement: leave the semicolon out"
        yield Problem(f"{where}: where", what)
    words = condition.casefold().split()
    if words[:1] == ["where"]:
        what = "is the condition alone: leave the word where out"
        yield Problem(f"{where}: where", what)


def _field_problems(
    name: str, item: FieldModel, options: DestinationFile, where: str
) -> Iterator[Problem]:
    """Find what is wrong with the mapping of one field."""
    place = f"{where}: fields.{name}"
    if name.startswith(LISTS):
        yield Problem(place, "lists have a key of their own: lists: {from: COLUMN}")
    if item.region is not None and item.form is not Form.E164:
        yield Problem(f"{place}.region", "goes with as: e164 only")
    if item.zone is not None and item.form is not Form.DATE:
        yield Problem(f"{place}.zone", "goes with as: date only")
    try:
        normalised_default(name, item)
    except NotNormal as error:
        what = f"{error}, which as: {item.form} asks for"
        yield Problem(f"{place}.default", what)
    if item.on_invalid is OnInvalid.SKIP and options.match_on == (name,):
        what = (
            "cannot be skip: this is the only field in match_on, and a contact "
            "without it cannot be found at the vendor"
        )
        yield Problem(f"{place}.on_invalid", what)


def address_problems(
    options: DestinationFile, base_url: str, where: str
) -> Iterator[Problem]:
    """Find an address to which keys and contacts would go unencrypted.

    Without encryption only this machine may be addressed, unless ``allow_http`` is set.
    """
    is_encrypted = urlsplit(base_url).scheme != "http"
    if is_encrypted or options.allow_http or is_loopback(base_url):
        return
    what = (
        "sends keys and contacts unencrypted; use https, or say allow_http: true if "
        "that is meant"
    )
    yield Problem(f"{where}: settings.base_url", what)


def vendor_problems(
    options: DestinationFile,
    vendor: Vendor,
    where: str,
    widened_by: Mapping[str, str],
) -> Iterator[Problem]:
    """Find what the vendor cannot do, or cannot do without.

    ``widened_by`` are the settings that let it do more (``VendorSpec.widened_by``).
    """
    capabilities = vendor.capabilities
    if options.tags and not has_tags(capabilities):
        what = f"{vendor.name} has no tags; leave them out"
        if "tags" in widened_by:
            what += f", or set settings.{widened_by['tags']}"
        yield Problem(f"{where}: tags", what)
    if options.lists and not has_lists(capabilities):
        yield Problem(f"{where}: lists", f"{vendor.name} has no lists; leave them out")
    yield from _limit_problems(options, vendor, where)
    yield from _unknown_fields(options, vendor, where)
    for name, item in options.fields.items():
        refusal = capabilities.value_problem(name, item.default)
        if refusal:
            yield Problem(f"{where}: fields.{name}.default", refusal)
    # Without opt-outs the setting may be missing, or be None.
    opt_out_fields = options.settings.get("opt_outs") or ()
    for name in opt_out_fields:
        if name not in options.fields:
            what = f'"{name}" is not a key of fields{near(name, options.fields)}'
            yield Problem(f"{where}: settings.opt_outs", what)
    yield from _missing_fields(options, vendor, where)
    more_keys = widened_by.get("match_on")
    yield from _match_field_problems(options, vendor, where, more_keys)


def has_tags(capabilities: Capabilities) -> bool:
    """Return whether a vendor takes tags, in a call of their own or inside a write."""
    # 0 means none, and None any number of them.
    inside_writes = any(write.add_tags != 0 for write in capabilities.writes)
    return bool(capabilities.add_tags) or inside_writes


def has_lists(capabilities: Capabilities) -> bool:
    """Return whether a vendor takes lists, in a call of their own or inside a write."""
    inside_writes = any(write.join_lists != 0 for write in capabilities.writes)
    return bool(capabilities.join_lists) or inside_writes


def written_fields(capabilities: Capabilities) -> tuple[str, ...]:
    """Return the patterns of all fields that some write may carry, each once."""
    patterns = [pattern for write in capabilities.writes for pattern in write.fields]
    return tuple(dict.fromkeys(patterns))


def _unknown_fields(
    options: DestinationFile, vendor: Vendor, where: str
) -> Iterator[Problem]:
    """Find mapped fields that no write of the vendor can carry."""
    patterns = written_fields(vendor.capabilities)
    for name in options.fields:
        if matches(name, patterns) or name.startswith(LISTS):
            continue
        known = _as_written(patterns)
        what = (
            f"{vendor.name} has no such field (it has: {', '.join(known)})"
            f"{near(name, known)}"
        )
        yield Problem(f"{where}: fields.{name}", what)


def _missing_fields(
    options: DestinationFile, vendor: Vendor, where: str
) -> Iterator[Problem]:
    """Find fields without which the vendor creates no contact."""
    missing_by_write: list[list[str]] = []
    for write in (vendor.capabilities.upsert, vendor.capabilities.create):
        if write is None:
            continue
        missing = [name for name in write.must_carry if name not in options.fields]
        if not missing:
            # One way to create a contact is enough.
            return
        missing_by_write.append(missing)
    if not missing_by_write:
        # The vendor creates no contacts at all.
        return
    fewest = min(missing_by_write, key=len)
    names = " and ".join(fewest)
    what = f"{vendor.name} creates no contact without {names}: map it here"
    if len(fewest) > 1:
        what = f"{vendor.name} creates no contact without {names}: map them here"
    yield Problem(f"{where}: fields", what)


def _match_field_problems(
    options: DestinationFile, vendor: Vendor, where: str, more_keys: str | None
) -> Iterator[Problem]:
    """Find what is wrong with the fields a contact is to be recognised by.

    ``more_keys`` is the setting that lets more fields be keys, where there is one.
    """
    capabilities = vendor.capabilities
    place = f"{where}: match_on"
    upsert_keys = capabilities.upsert_keys
    usable = match_patterns(capabilities)
    usable_names = "any field" if "*" in usable else " or ".join(_as_written(usable))

    if upsert_keys and set(upsert_keys).isdisjoint(options.match_on):
        keys = " or ".join(upsert_keys)
        what = (
            f"{vendor.name} creates and updates contacts by {keys}: map one of them, "
            "and name it here"
        )
        yield Problem(place, what)
        return
    if not options.match_on and capabilities.identity is None:
        what = (
            f"is missing: {vendor.name} recognises contacts by {usable_names}; map "
            "one, and name it here"
        )
        yield Problem(place, what)
    # Fields that are not mapped at all are reported with the mapping.
    mapped = [name for name in options.match_on if name in options.fields]
    for name in mapped:
        if not matches(name, usable):
            what = (
                f'{vendor.name} cannot recognise contacts by "{name}", only by '
                f"{usable_names}"
            )
            if more_keys:
                what += f"; others have to be named in settings.{more_keys}"
            yield Problem(place, what)


def match_patterns(capabilities: Capabilities) -> tuple[str, ...]:
    """Return patterns of the fields by which a vendor recognises contacts.

    That is by a look-up, by the key of an upsert, or by the one field that is the
    contact's identity there.
    """
    if capabilities.identity:
        return (capabilities.identity,)
    return (*capabilities.find_by, *capabilities.upsert_keys)


def _as_written(patterns: Iterable[str]) -> list[str]:
    """Return patterns of fields as people write them, each once: ``custom.NAME``."""
    names = [pattern.replace("*", "NAME") for pattern in patterns]
    return list(dict.fromkeys(names))


def _limit_problems(
    options: DestinationFile, vendor: Vendor, where: str
) -> Iterator[Problem]:
    """Find limits that could never let the vendor's largest request through."""
    largest = largest_wave(vendor.capabilities)
    for number, limit in enumerate(options.limits or ()):
        if limit.items is not None and limit.items < largest:
            what = (
                f"must be {largest} or more: one request to {vendor.name} carries up "
                f"to {largest} contacts; for a lower pace give it a longer per"
            )
            yield Problem(f"{where}: limits.{number}.items", what)


def connection_problems(
    options: DestinationFile, most: int | None, where: str
) -> Iterator[Problem]:
    """Find more requests in flight than the vendor accepts connections.

    ``most`` is that number of connections; None where the vendor has no such limit.
    """
    if most is not None and options.in_flight > most:
        what = (
            f"must be {most} or less: {options.vendor} refuses connections beyond a "
            "number, and counts those of other integrations too"
        )
        yield Problem(f"{where}: in_flight", what)


def secret_problems(
    model: type[BaseModel], raw: Json, where: str, path: str = "settings"
) -> Iterator[Problem]:
    """Find secrets written into a file: many people read, copy and commit it.

    ``model`` is the one of the part of the file at ``path``, such as the vendor's
    settings; ``raw`` is that part as written.
    """
    if not isinstance(raw, dict):
        # It has been reported that it is no mapping.
        return
    for name, info in model.model_fields.items():
        value = raw.get(name)
        is_secret = "Secret" in str(info.annotation)
        if is_secret and value is not None and not is_variable(value):
            what = (
                "secrets come from the environment only: write ${NAME} here, without "
                "a default"
            )
            yield Problem(f"{where}: {path}.{name}", what)


def alert_problems(
    engine: EngineFile | None, raw: Json, where: str
) -> Iterator[Problem]:
    """Find addresses of alerts that are written into the file, or are none.

    ``engine`` is the file as its model, None where that could not be made; ``raw`` is
    its key ``alerts`` as written.
    """
    written = raw.get("to") if isinstance(raw, dict) else None
    if isinstance(written, dict):
        for name, target in written.items():
            path = f"alerts.to.{name}"
            yield from secret_problems(AlertTargetModel, target, where, path)
    if engine is None:
        return
    for name, of_engine in engine.alerts.to.items():
        webhook = of_engine.webhook
        if webhook is not None and not is_web_address(webhook.get_secret_value()):
            what = "must be an address that begins with https:// or http://"
            yield Problem(f"{where}: alerts.to.{name}.webhook", what)


def short_secret_problems(
    secrets: Mapping[str, str], raw: Json, where: str
) -> Iterator[Problem]:
    """Find secrets that are too short to be kept out of messages.

    A secret is hidden wherever its text occurs. A short one occurs in ordinary words,
    too, and hiding it would spoil these. ``secrets`` maps a setting to its secret.
    """
    if not isinstance(raw, dict):
        return
    for name, secret in secrets.items():
        names = variables(raw.get(name))
        if names and len(secret) < SHORTEST_SECRET:
            what = (
                f"{' '.join(names)} is shorter than {SHORTEST_SECRET} characters, so "
                "it could not be told from ordinary words and kept out of messages; "
                "use the whole key that the vendor gave out"
            )
            yield Problem(f"{where}: settings.{name}", what)


def database_problems(raw: Mapping[str, Json], where: str) -> Iterator[Problem]:
    """Find passwords of databases or proxies written into a file."""
    urls = {"database": raw.get("database"), "proxy": raw.get("proxy")}
    source = raw.get("source")
    if isinstance(source, dict):
        urls["source.database"] = source.get("database")
    for key, url in urls.items():
        # A default is in the file as well, so a password there counts.
        if isinstance(url, str) and passwords(with_defaults(url)):
            what = (
                "holds a password: take the URL, or its password, from the "
                "environment (${NAME})"
            )
            yield Problem(f"{where}: {key}", what)


def state_database_problems(
    raw: Json, environ: Mapping[str, str], where: str
) -> Iterator[Problem]:
    """Find an environment variable that is set, but empty.

    That is a mistake of whoever was to set it. The default would take its place, and
    the state would silently be kept in another database.
    """
    if not isinstance(raw, str):
        return
    for variable in VARIABLES.finditer(raw):
        name, default = variable["name"], variable["default"]
        if default and environ.get(name) == "":
            what = (
                f"the environment variable {name} is set, but empty; give it the "
                f"database's URL, or unset it to use {default}"
            )
            yield Problem(f"{where}: database", what)
