"""Rules across keys.

A key may be fine by itself, but not together with others, with this vendor, or beside
another destination.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel

from syncengine.config.models import DestinationFile, FieldModel, SourceModel
from syncengine.config.words import near
from syncengine.config.yaml_files import (
    VARIABLES,
    is_variable,
    variables,
    with_defaults,
)
from syncengine.errors import Problem
from syncengine.model.capabilities import matches
from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, Form, OnInvalid
from syncengine.planning.normalise import NotNormal, normalise
from syncengine.ports import Vendor
from syncengine.vendors.kit.settings import SHORTEST_SECRET

if TYPE_CHECKING:
    from syncengine.config.loading import DestinationConfig

_KEYS = ("password", "sslpassword")
"""Passwords in the query of a database's URL."""


def of_source(source: SourceModel, where: str) -> Iterator[Problem]:
    """Find problems of a destination's source, the common one's keys included."""
    if source.table is None and source.query is None:
        what = "names no table and no query: write table: SCHEMA.NAME or query: SELECT ..., here or in syncengine.yaml"
        yield Problem(f"{where}: source", what)
    if source.key is None:
        what = "is missing: name the column that tells contacts apart, here or in syncengine.yaml"
        yield Problem(f"{where}: source.key", what)


def of_mapping(options: DestinationFile, where: str) -> Iterator[Problem]:
    """Find problems of the mapping that do not depend on the vendor."""
    if not options.fields:
        yield Problem(
            f"{where}: fields",
            "maps nothing: name at least one vendor field and its column",
        )
    if options.where and options.where.rstrip().endswith(";"):
        yield Problem(
            f"{where}: where",
            "is a condition, not a statement: leave the semicolon out",
        )
    if options.where and options.where.casefold().split()[:1] == ["where"]:
        yield Problem(
            f"{where}: where", "is the condition alone: leave the word where out"
        )
    for name, item in options.fields.items():
        if name.startswith(LISTS):
            yield Problem(
                f"{where}: fields.{name}",
                "lists have a key of their own: lists: {from: COLUMN}",
            )
        yield from _of_form(name, item, where)
        if item.on_invalid is OnInvalid.SKIP and options.match_on == (name,):
            what = "cannot be skip: without its only match field nobody recognises the contact"
            yield Problem(f"{where}: fields.{name}.on_invalid", what)
    for name in options.match_on if options.fields else ():
        if name not in options.fields:
            what = f'"{name}" is no mapped field{near(name, options.fields) or "; map it in fields first"}'
            yield Problem(f"{where}: match_on", what)


def _of_form(name: str, item: FieldModel, where: str) -> Iterator[Problem]:
    """Find problems of a field's form, and of keys that go with some forms only."""
    if item.region is not None and item.form is not Form.E164:
        yield Problem(f"{where}: fields.{name}.region", "goes with as: e164 only")
    if item.zone is not None and item.form is not Form.DATE:
        yield Problem(f"{where}: fields.{name}.zone", "goes with as: date only")
    try:
        normal_default(name, item)
    except NotNormal as error:
        yield Problem(
            f"{where}: fields.{name}.default",
            f"{error}, which as: {item.form} asks for",
        )


def of_address(
    options: DestinationFile, base_url: str, where: str
) -> Iterator[Problem]:
    """Find addresses to which keys and contacts would go unencrypted.

    Without encryption only this machine may be addressed, unless ``allow_http`` is set.
    """
    if (
        urlsplit(base_url).scheme == "http"
        and not options.allow_http
        and not is_loopback(base_url)
    ):
        yield Problem(
            f"{where}: settings.base_url",
            "sends keys and contacts unencrypted; use https, or say allow_http: true if that is meant",
        )


def of_vendor(
    options: DestinationFile, vendor: Vendor, where: str
) -> Iterator[Problem]:
    """Find what the vendor cannot do, or cannot do without."""
    capabilities = vendor.capabilities
    writes = capabilities.writes
    if options.tags and not (
        capabilities.add_tags or any(write.add_tags != 0 for write in writes)
    ):
        yield Problem(f"{where}: tags", f"{vendor.name} has no tags; leave them out")
    if options.lists and not (
        capabilities.join_lists or any(write.join_lists != 0 for write in writes)
    ):
        yield Problem(f"{where}: lists", f"{vendor.name} has no lists; leave them out")
    patterns = tuple(
        dict.fromkeys(pattern for write in writes for pattern in write.fields)
    )
    for name in options.fields:
        if not matches(name, patterns) and not name.startswith(LISTS):
            there = _named(patterns)
            what = f"{vendor.name} has no such field (it has: {', '.join(there)}){near(name, there)}"
            yield Problem(f"{where}: fields.{name}", what)
    for name, item in options.fields.items():
        if why := capabilities.takes(name, item.default):
            yield Problem(f"{where}: fields.{name}.default", why)
    for name in options.settings.get("opt_outs") or ():
        if name not in options.fields:
            what = f'"{name}" is no mapped field{near(name, options.fields)}'
            yield Problem(f"{where}: settings.opt_outs", what)
    yield from _missing(options, vendor, where)
    yield from _match_on(options, vendor, where)


def of_connections(
    options: DestinationFile, most: int | None, where: str
) -> Iterator[Problem]:
    """Find more connections than the vendor accepts."""
    if most is not None and options.in_flight > most:
        yield Problem(
            f"{where}: in_flight",
            f"must be {most} or less: {options.vendor} refuses connections beyond a number, and counts those of other "
            "integrations too",
        )


def of_secrets(model: type[BaseModel], raw: Json, where: str) -> Iterator[Problem]:
    """Find secrets in files: many people read, copy and commit these."""
    for name, info in model.model_fields.items():
        given = raw.get(name) if isinstance(raw, dict) else None
        if (
            "Secret" in str(info.annotation)
            and given is not None
            and not is_variable(given)
        ):
            yield Problem(
                f"{where}: settings.{name}",
                "secrets come from the environment only: write ${NAME} here, without a default",
            )


def of_short_secrets(
    secrets: Mapping[str, str], raw: Json, where: str
) -> Iterator[Problem]:
    """Find secrets that cannot be told from ordinary words.

    Hidden wherever they stand in a message, they would mangle its words.
    """
    for name, secret in secrets.items():
        given = variables(raw.get(name)) if isinstance(raw, dict) else ()
        if given and len(secret) < SHORTEST_SECRET:
            yield Problem(
                f"{where}: settings.{name}",
                f"{' '.join(given)} is shorter than {SHORTEST_SECRET} characters, so it could not be told from "
                "ordinary words and kept out of messages; use the whole key that the vendor gave out",
            )


def of_database(raw: Mapping[str, Json], where: str) -> Iterator[Problem]:
    """Find passwords of databases or proxies in files."""
    source = raw.get("source")
    places = {
        "database": raw.get("database"),
        "proxy": raw.get("proxy"),
        "source.database": source.get("database") if isinstance(source, dict) else None,
    }
    for place, url in places.items():
        if isinstance(url, str) and passwords(with_defaults(url)):
            yield Problem(
                f"{where}: {place}",
                "holds a password: take the URL, or its password, from the environment (${NAME})",
            )


def of_state_database(
    raw: Json, environ: Mapping[str, str], where: str
) -> Iterator[Problem]:
    """Find an environment variable that is set, but empty.

    That is a mistake of the person who was to set it: the state would silently be in
    another database.
    """
    for found in VARIABLES.finditer(raw) if isinstance(raw, str) else ():
        name, default = found[1], found[2]
        if default and environ.get(name) == "":
            yield Problem(
                f"{where}: database",
                f"the environment variable {name} is set, but empty; give it the database's URL, or unset it to use "
                f"{default}",
            )


def under_several_names(
    destinations: Sequence[DestinationConfig],
) -> dict[str, list[DestinationConfig]]:
    """Find credentials that several accounts have, with their destinations."""
    sharing: dict[str, list[DestinationConfig]] = {}
    for destination in destinations:
        if destination.credentials:
            sharing.setdefault(destination.credentials, []).append(destination)
    return {
        credentials: members
        for credentials, members in sharing.items()
        if len({member.account for member in members}) > 1
    }


def among(
    destinations: Sequence[DestinationConfig], kept: Mapping[str, str]
) -> Iterator[tuple[DestinationConfig, Problem]]:
    """Find destinations that do not go with others.

    One account under two names would be paced twice; two accounts under one name, as if
    they were one. ``kept`` is the account's name by credentials, where it is known;
    else the first destination's is the one to keep.
    """
    several = under_several_names(destinations)
    by_account: dict[str, DestinationConfig] = {}
    for destination in destinations:
        sharing = several.get(destination.credentials or "", [])
        name = (
            kept.get(destination.credentials or "", sharing[0].account)
            if sharing
            else destination.account
        )
        if destination.account != name:
            others = [each for each in sharing if each is not destination]
            other = next((each for each in others if each.account == name), others[0])
            what = (
                f"has the same credentials as {other.file.name}, and the vendor counts their requests together: write "
                f"account: {name} in both files"
            )
            yield destination, Problem(destination.place("account"), what)
        for problem in _one_account(
            destination, by_account.setdefault(destination.account, destination)
        ):
            yield destination, problem


def passwords(url: Json) -> frozenset[str]:
    """Return the passwords in a database's URL, as written and as meant.

    Empty where there is none.
    """
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None:
            return frozenset()
        asked = [
            value
            for key, _, value in (
                part.partition("=") for part in parts.query.split("&")
            )
            if key in _KEYS
        ]
        found = [password for password in (parts.password, *asked) if password]
    except ValueError:
        return frozenset()
    return frozenset(found) | {unquote(password) for password in found}


def _one_account(
    destination: DestinationConfig, other: DestinationConfig
) -> Iterator[Problem]:
    """Find differences between two destinations that share an account."""
    differences = {
        "vendor": (destination.vendor.name != other.vendor.name, "another vendor"),
        "settings.base_url": (
            destination.base_url != other.base_url,
            "another base_url",
        ),
        "settings": (destination.secrets != other.secrets, "other credentials"),
        "limits": (destination.limits != other.limits, "other limits"),
    }
    for key, (differs, what) in differences.items():
        if differs:
            yield Problem(
                destination.place(key),
                f"{other.file.name} is in the same account ({destination.account}) and has {what}; make them the same, "
                "or give one of the two files another account",
            )
            return


def _missing(options: DestinationFile, vendor: Vendor, where: str) -> Iterator[Problem]:
    """Return the fields that are missing to create a contact at the vendor."""
    capabilities = vendor.capabilities
    firsts = [write for write in (capabilities.upsert, capabilities.create) if write]
    lacking = [
        [name for name in write.must_carry if name not in options.fields]
        for write in firsts
    ]
    if lacking and all(lacking):
        lacking.sort(key=len)
        names = " and ".join(lacking[0])
        it = "it" if len(lacking[0]) == 1 else "them"
        yield Problem(
            f"{where}: fields",
            f"{vendor.name} takes no contact in without {names}: map {it}",
        )


def _match_on(
    options: DestinationFile, vendor: Vendor, where: str
) -> Iterator[Problem]:
    capabilities, place = vendor.capabilities, f"{where}: match_on"
    keyed_by = capabilities.upsert.keyed_by if capabilities.upsert else ()
    usable = (
        (capabilities.identity,)
        if capabilities.identity
        else (*capabilities.find_by, *keyed_by)
    )
    known = "any field" if "*" in usable else " or ".join(_named(usable))
    if keyed_by and not set(keyed_by) & set(options.match_on):
        what = f"{vendor.name} takes contacts in by {' or '.join(keyed_by)}: map one of them, and name it here"
        yield Problem(place, what)
    elif not options.match_on and capabilities.identity is None:
        what = f"is missing: {vendor.name} recognises contacts by {known}; map one, and name it here"
        yield Problem(place, what)
    else:
        for name in options.match_on:
            if name in options.fields and not matches(name, usable):
                yield Problem(
                    place,
                    f'{vendor.name} cannot recognise contacts by "{name}", only by {known}',
                )


def normal_default(name: str, item: FieldModel) -> Json:
    """Return a field's default in the form of the field. Raises NotNormal."""
    return normalise(item.default, field_mapping(name, item))


def field_mapping(name: str, item: FieldModel, default: Json = None) -> FieldMapping:
    """Return a field as the planning needs it."""
    return FieldMapping(
        field=name,
        column=item.column,
        form=item.form,
        region=item.region,
        default=default,
        on_invalid=item.on_invalid,
        zone=item.zone,
    )


def _named(patterns: Iterable[str]) -> list[str]:
    """Return patterns of fields as people write them, each once."""
    return list(dict.fromkeys(pattern.replace("*", "NAME") for pattern in patterns))


def is_loopback(base_url: str) -> bool:
    """Return whether the address is this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
