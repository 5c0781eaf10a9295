"""Look at the source, propose a destination's mapping, and write its file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias, get_args

from syncengine import vendors
from syncengine.app.databases import state_url
from syncengine.app.named_columns import (
    field_complaint,
    key_complaint,
    opt_out_complaint,
    region_complaint,
    tags_complaint,
)
from syncengine.config.models import SourceModel
from syncengine.config.new_files import (
    DestinationDraft,
    checked_config,
    destination_text,
    elsewhere,
    refuse_to_overwrite,
    scalar,
    write_whole,
)
from syncengine.config.problems import checked, near
from syncengine.config.project import Config
from syncengine.config.rules import has_tags, match_patterns, written_fields
from syncengine.config.schema_of_vendor import capabilities_with
from syncengine.errors import ConfigError, Problem
from syncengine.model.capabilities import Capabilities
from syncengine.model.columns import SampledSource
from syncengine.model.mapping import Form
from syncengine.model.proposals import (
    MappingProposal,
    OpenQuestion,
    ProposedField,
    VendorFields,
    Wishes,
)
from syncengine.planning.column_roles import same_name
from syncengine.planning.proposal import propose_mapping
from syncengine.storage.connect import connect
from syncengine.storage.source.sampling import sample_source
from syncengine.vendors.kit.settings import lists_names
from syncengine.vendors.kit.spec import VendorSpec

_MADE_UP = "made-up-for-the-proposal"
_MADE_UP_ADDRESS = "https://vendor.invalid"


SettingValue: TypeAlias = str | tuple[str, ...]
"""A setting as somebody gave it: a text, or the texts of a list."""


@dataclass(frozen=True, slots=True)
class NewDestination:
    """Answers of a person about a new destination."""

    name: str
    vendor: str
    base_url: str | None = None
    settings: Mapping[str, SettingValue] = field(default_factory=dict)
    secret: str | None = None
    """The environment variable that holds the vendor's key or token."""
    account: str | None = None
    table: str | None = None
    key: str | None = None
    wishes: Wishes = field(default_factory=Wishes)


def destination_file(config: Config, name: str) -> Path:
    """Return the path of a destination's file. Raises ConfigError for a bad name."""
    if not re.fullmatch(r"[a-z0-9_-]+", name):
        usable = re.sub(r"[^a-z0-9_-]", "_", name.lower())
        what = (
            "a destination's name may hold a-z, 0-9, _ and - only; it could be "
            f"{usable}"
        )
        raise ConfigError([Problem("NAME", what)])
    return config.file.parent / "destinations" / f"{name}.yaml"


def refuse_other_file(config: Config, name: str, *, force: bool) -> None:
    """Raise ConfigError where the destination's file is there already."""
    refuse_to_overwrite(destination_file(config, name), force=force)


def vendor_spec(name: str) -> VendorSpec:
    """Return the vendor of this name. Raises ConfigError."""
    try:
        return vendors.load(name)
    except vendors.UnusableVendorError as error:
        raise ConfigError([Problem("--vendor", str(error))]) from None
    except LookupError as error:
        what = f"{error}{near(name, vendors.names())}"
        raise ConfigError([Problem("--vendor", what)]) from None


def common_source(config: Config, new: NewDestination) -> SourceModel:
    """Return the destination's source. Raises ConfigError where none is named."""
    source = config.engine.source
    if new.table is not None:
        own = {"table": new.table, "key": new.key}
        source = source.model_copy(update={**own, "query": None})
    elif new.key is not None:
        source = source.model_copy(update={"key": new.key})
    if source.table is None and source.query is None:
        what = "syncengine.yaml names no table: name one"
        raise ConfigError([Problem("--table", what)])
    return source


async def sample(config: Config, source: SourceModel) -> SampledSource:
    """Return what is known of the source. Raises StorageError, SourceError."""
    async with AsyncExitStack() as stack:
        url = source.database
        if not url:
            url = await stack.enter_async_context(state_url(config))
        connection = await connect(url, read_only=True)
        stack.push_async_callback(connection.close)
        return await sample_source(
            connection, table=source.table, query=source.query, place="source.table"
        )


def wished_fields(
    texts: Sequence[str],
) -> tuple[tuple[ProposedField, ...], frozenset[str]]:
    """Return the fields that ``--field`` names, and those that it leaves out.

    Each text is ``FIELD=COLUMN``, ``FIELD=COLUMN:FORM``, ``FIELD=COLUMN:e164:REGION``
    or ``FIELD=``. Raises ConfigError.
    """
    fields: list[ProposedField] = []
    left_out: set[str] = set()
    for text in texts:
        name, equals, column = text.partition("=")
        if not name or not equals:
            what = f'"{text}" is not of the form FIELD=COLUMN or FIELD=COLUMN:FORM'
            raise ConfigError([Problem("--field", what)])
        if not column:
            left_out.add(name)
        else:
            fields.append(_wished(name, column))
    return tuple(fields), frozenset(left_out)


def given_settings(spec: VendorSpec, texts: Sequence[str]) -> dict[str, SettingValue]:
    """Return the settings that ``--setting NAME=VALUE`` gives, by name.

    Of a setting that is a list, each further value is added. Raises ConfigError.
    """
    found: dict[str, SettingValue] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            # The text may be a secret in the wrong place: it is not repeated.
            what = "is not of the form NAME=VALUE"
            raise ConfigError([Problem("--setting", what)])
        given, before = setting_value(spec, name, value), found.get(name)
        if isinstance(given, tuple) and isinstance(before, tuple):
            given = (*before, *given)
        found[name] = given
    return found


def setting_value(spec: VendorSpec, name: str, text: str) -> SettingValue:
    """Return the value of a setting: of a list, its texts (``a,b`` or ``[a, b]``)."""
    about = spec.settings.model_fields.get(name)
    if about is None or not lists_names(about):
        return text
    items = text.strip()
    if items.startswith("[") and items.endswith("]"):
        items = items[1:-1]
    stripped = (item.strip().strip("\"'") for item in items.split(","))
    return tuple(item for item in stripped if item)


def refuse_unusable(
    spec: VendorSpec, source: SampledSource, new: NewDestination, key: str
) -> None:
    """Raise ConfigError for columns and regions that could never be right."""
    vendor = vendor_fields(spec, new)
    wishes = new.wishes
    found = [("--key", key_complaint(source, key))]
    for each in wishes.fields:
        found.append(("--field", field_complaint(source, vendor, each)))
        if each.region is not None:
            found.append(("--field", region_complaint(each.region)))
    if wishes.tags:
        found.append(("--tags", tags_complaint(source, wishes.tags)))
    if wishes.opted_out:
        found.append(("--opted-out", opt_out_complaint(source, wishes.opted_out)))
    if wishes.region is not None:
        found.append(("--region", region_complaint(wishes.region)))
    problems = [Problem(option, what) for option, what in found if what is not None]
    if problems:
        raise ConfigError(problems)


def settings_questions(spec: VendorSpec, new: NewDestination) -> list[OpenQuestion]:
    """Return what has to be said about the vendor's settings."""
    questions = []
    if not new.base_url and not spec.address:
        words = f"what is the address (base_url) of your {spec.name} API?"
        questions.append(OpenQuestion("--base-url URL", words))
    for name in _required_settings(spec):
        if name not in new.settings and not _is_secret(spec, name):
            words = (
                f"what is the setting {name} of your {spec.name} account"
                f"{_example(spec, name)}?"
            )
            questions.append(OpenQuestion(f"--setting {name}=VALUE", words))
    return questions


def setting_complaint(spec: VendorSpec, name: str, value: str) -> str | None:
    """Return why a text cannot be the value of a setting; None where it can."""
    if "${" in value:
        # Its value is in the environment, or will be.
        return None
    problems: list[Problem] = []
    given = {**_made_up(spec), name: setting_value(spec, name, value)}
    checked(spec.settings, given, "settings", problems)
    for problem in problems:
        if problem.where == f"settings: {name}":
            return f"{name} {problem.what}"
    return None


def vendor_fields(spec: VendorSpec, new: NewDestination) -> VendorFields:
    """Return what a mapping has to know of the vendor."""
    capabilities = _capabilities(spec, new)
    written = written_fields(capabilities)
    upsert_keys = capabilities.upsert_keys
    instead = {usual: others for usual, *others in _field_choices(spec).values()}
    usual = spec.usual_fields or tuple(name for name in written if "*" not in name)
    return VendorFields(
        name=spec.name,
        usual=usual,
        written=written,
        required=_must_carry(capabilities),
        instead=instead,
        settings=tuple(spec.settings.model_fields),
        match_keys=match_patterns(capabilities),
        upsert_keys=upsert_keys,
        identity=capabilities.identity,
        shows_one=capabilities.shows_one,
        several=capabilities.accumulates,
        has_tags=has_tags(capabilities),
        more_keys=spec.widened_by.get("match_on"),
    )


def propose(
    spec: VendorSpec, source: SampledSource, key: str, new: NewDestination
) -> MappingProposal:
    """Return the mapping that is proposed."""
    return propose_mapping(source, key, vendor_fields(spec, new), new.wishes)


def with_chosen_fields(
    spec: VendorSpec, source: SampledSource, new: NewDestination
) -> NewDestination:
    """Return the destination with settings that choose between two fields.

    A field that somebody maps is chosen, and else the only one that has a column of its
    name.
    """
    settings = dict(new.settings)
    wished = {each.field for each in new.wishes.fields}
    for name, (usual, *others) in _field_choices(spec).items():
        if name in settings or usual in wished or _has_column(source, usual):
            continue
        for other in others:
            if other in wished or _has_column(source, other):
                settings[name] = other
    return replace(new, settings=settings)


def refuse_secrets(spec: VendorSpec, new: NewDestination) -> None:
    """Raise ConfigError for a secret's value, which must not get into a file."""
    for name in new.settings:
        if name in spec.settings.model_fields and _is_secret(spec, name):
            what = (
                f"{name} is a secret, and comes from the environment: name its "
                "variable with --secret"
            )
            raise ConfigError([Problem("--setting", what)])


def secret_variables(spec: VendorSpec, new: NewDestination) -> dict[str, str]:
    """Return the environment variable for each secret setting."""
    found = {}
    for name in _required_settings(spec):
        if _is_secret(spec, name):
            usual = f"{spec.name}_{name}".upper()
            found[name] = new.secret or usual
    return found


def write_destination(
    config: Config,
    spec: VendorSpec,
    new: NewDestination,
    mapping: MappingProposal,
    environ: Mapping[str, str],
    *,
    force: bool,
) -> Path:
    """Write a destination's file, and return its path.

    Raises ConfigError for what the loader would refuse.
    """
    file = destination_file(config, new.name)
    refuse_to_overwrite(file, force=force)
    draft = DestinationDraft(
        name=new.name,
        vendor=spec.name,
        settings=_written_settings(spec, new),
        mapping=mapping,
        source=_own_source(config, new),
        account=new.account,
    )
    has_schema = (config.file.parent / "schema.json").is_file()
    text = destination_text(draft, has_schema=has_schema)
    loaded = checked_config(config.file, {file: text}, environ)
    shared = _shared_account(loaded, new)
    if shared is not None:
        text = destination_text(replace(draft, account=shared), has_schema=has_schema)
        loaded = checked_config(config.file, {file: text}, environ)
    problems = loaded.broken.get(new.name, ())
    if problems:
        here, there = loaded.file.parent, config.file.parent
        raise ConfigError(elsewhere(problems, here, there))
    write_whole(file, text, replaces=file.exists())
    return file


def _wished(name: str, column: str) -> ProposedField:
    """Return the field of one ``--field``; a form and region may follow the column."""
    start, _, region = column.rpartition(":")
    begin, _, form = start.rpartition(":")
    if begin and form == Form.E164 and re.fullmatch("[A-Z]{2}", region):
        return ProposedField(name, begin, Form.E164, region)
    if start and region in {each.value for each in Form}:
        return ProposedField(name, start, Form(region))
    return ProposedField(name, column)


def _required_settings(spec: VendorSpec) -> list[str]:
    fields = spec.settings.model_fields
    return [
        name
        for name, info in fields.items()
        if info.is_required() and name != "base_url"
    ]


def _example(spec: VendorSpec, name: str) -> str:
    """Return an example of a setting's value, in words."""
    examples = spec.settings.model_fields[name].examples
    return f", such as {examples[0]}" if examples else ""


def _is_secret(spec: VendorSpec, name: str) -> bool:
    return "Secret" in str(spec.settings.model_fields[name].annotation)


def _made_up(spec: VendorSpec) -> dict[str, str]:
    """Return a value for each setting that a vendor needs."""
    needed = dict.fromkeys(_required_settings(spec), _MADE_UP)
    needed["base_url"] = _MADE_UP_ADDRESS
    return needed


def _capabilities(spec: VendorSpec, new: NewDestination) -> Capabilities:
    """Return the vendor's capabilities with the settings that were given.

    Where one of them is wrong, its usual value counts here: the loader, which looks at
    the whole file, says what is wrong.
    """
    settings = checked(spec.settings, {**_made_up(spec), **new.settings}, "", [])
    if settings is None:
        return capabilities_with(spec, {})
    given = {name: getattr(settings, name) for name in new.settings}
    return capabilities_with(spec, given)


def _field_choices(spec: VendorSpec) -> dict[str, tuple[str, ...]]:
    """Return the settings that name one of several required fields, the usual first."""
    required = _must_carry(capabilities_with(spec, {}))
    found = {}
    for name, info in spec.settings.model_fields.items():
        if info.default in required:
            others = [
                each for each in get_args(info.annotation) if each != info.default
            ]
            found[name] = (str(info.default), *others)
    return found


def _has_column(source: SampledSource, name: str) -> bool:
    return any(same_name(name, column.name) for column in source.columns)


def _must_carry(capabilities: Capabilities) -> tuple[str, ...]:
    """Return the fields without which no contact is created."""
    creating = [write for write in (capabilities.upsert, capabilities.create) if write]
    # One way to create a contact is enough.
    return min((write.must_carry for write in creating), key=len, default=())


def _written_settings(spec: VendorSpec, new: NewDestination) -> dict[str, str]:
    """Return the settings as YAML."""
    settings = {"base_url": scalar(new.base_url or spec.address, literal=False)}
    for name, variable in secret_variables(spec, new).items():
        settings[name] = f"${{{variable}}}"
    for name, value in new.settings.items():
        settings[name] = _as_yaml(value)
    return settings


def _as_yaml(value: SettingValue) -> str:
    if isinstance(value, str):
        return scalar(value, literal=False)
    return f"[{', '.join(scalar(item, literal=False) for item in value)}]"


def _own_source(config: Config, new: NewDestination) -> dict[str, str]:
    """Return the keys of the source that differ from the common ones."""
    own = {}
    if new.table is not None and new.table != config.engine.source.table:
        own["table"] = new.table
    if new.key is not None and new.key != config.engine.source.key:
        own["key"] = new.key
    return own


def _shared_account(config: Config, new: NewDestination) -> str | None:
    """Return the account that another destination has with the same credentials."""
    if new.account is not None:
        return None
    by_name = {each.name: each for each in config.readable}
    ours = by_name.pop(new.name, None)
    if ours is None or ours.credentials is None:
        return None
    for other in by_name.values():
        if other.credentials == ours.credentials:
            return other.account
    return None
