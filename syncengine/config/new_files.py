"""Write the configuration's files: commented, checked, and whole or not at all.

A text is loaded before it is written, beside copies of the files that are there: what
the loader refuses never gets into the folder.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from syncengine.config.loading import read_config
from syncengine.config.models import EngineFile
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.proposals import MappingProposal, ProposedField
from syncengine.output_files import FreshFile, unwritable, usual_rights

_PLAIN = re.compile(r"[^\W\d](?:[\w./-]|:(?=[\w/]))*")
"""A text that YAML reads as itself, inside brackets too."""
_NO_TEXTS = frozenset(
    {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "inf", "nan"}
)
"""Words that YAML takes for something else."""
_MADE_UP = "made-up-for-this-check"
"""Stands for a key that nobody has exported yet."""


@dataclass(frozen=True, slots=True)
class EngineDraft:
    """Contents of a new ``syncengine.yaml``."""

    table: str
    key: str
    database_variable: str | None
    """The environment variable with the source's URL; None where the contacts are in
    the state's own database."""


@dataclass(frozen=True, slots=True)
class DestinationDraft:
    """Contents of a new destination's file."""

    name: str
    vendor: str
    settings: Mapping[str, str]
    """The settings in the order in which they are written; secrets as ``${NAME}``."""
    mapping: MappingProposal
    source: Mapping[str, str] = field(default_factory=dict)
    """Keys of the source that differ from the common ones."""
    account: str | None = None


def engine_text(draft: EngineDraft) -> str:
    """Return the text of ``syncengine.yaml``."""
    lines = [
        "# What all destinations share, as `syncengine init` wrote it. Where contacts go",
        "# is in destinations/NAME.yaml. A value may be ${NAME} or ${NAME:-default},",
        "# taken from the environment: passwords and keys never stand in these files.",
        "",
        "# Where syncengine keeps its own state: a Postgres of yours, in a schema named",
        '# "syncengine"; or "embedded", a Postgres of its own in .syncengine/ beside this',
        "# file, which is fine for trying things out.",
        "database: ${SYNCENGINE_DATABASE_URL:-embedded}",
        "",
        "# Where contacts are read from, and only read: SELECT is all that it needs.",
        "source:",
    ]
    if draft.database_variable is None:
        lines.append("  # Its database; empty: the same as above.")
        lines.append("  database: ${CRM_DATABASE_URL:-}")
    else:
        lines.append(f"  database: ${{{draft.database_variable}}}")
    lines += [
        "  # A table or view. Or a query of yours: `query: SELECT ...` in its place.",
        f"  table: {scalar(draft.table)}",
        "  # The column that tells contacts apart: unique and never NULL. Its text is",
        "  # the contact id, here and in every report.",
        f"  key: {scalar(draft.key)}",
        "",
        "# Options at their defaults; remove the # to change one.",
        *_engine_options(),
    ]
    return "\n".join(lines) + "\n"


def destination_text(draft: DestinationDraft, *, has_schema: bool = False) -> str:
    """Return the text of a destination's file."""
    mapping = draft.mapping
    lines = []
    if has_schema:
        lines += ["# yaml-language-server: $schema=../schema.json", "#"]
    lines += [
        f"# What goes from the source to {draft.vendor}, as `syncengine add` wrote it.",
        "# The commented example of each vendor tells of every key:",
        f"# destinations/{draft.vendor}.yaml.example, or docs/reference/configuration.md.",
        f"vendor: {scalar(draft.vendor)}",
        "",
        "settings:",
        *(f"  {name}: {value}" for name, value in draft.settings.items()),
        "",
    ]
    if draft.account is not None:
        lines += [
            "# Destinations with the same credentials share limits and lease.",
            f"account: {scalar(draft.account)}",
            "",
        ]
    if draft.source:
        pairs = ", ".join(f"{key}: {scalar(at)}" for key, at in draft.source.items())
        lines += [f"source: {{{pairs}}}", ""]
    lines += [
        *_selection(draft),
        *_match_on(mapping),
        *_fields(mapping),
        *_tags(mapping),
    ]
    lines += _notes(mapping)
    return "\n".join(lines).rstrip("\n") + "\n"


def scalar(text: str, *, literal: bool = True) -> str:
    """Return a text as YAML, quoted where that is needed.

    ``literal`` keeps a ``${`` from being taken for a variable.
    """
    if literal:
        text = text.replace("${", "$${")
    if _PLAIN.fullmatch(text) and text.casefold() not in _NO_TEXTS:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def checked_config(
    file: Path, texts: Mapping[Path, str], environ: Mapping[str, str]
) -> Config:
    """Return the configuration as it will be with these new texts.

    ``file`` is ``syncengine.yaml``, and ``texts`` maps paths to what will be there.
    Variables that are not set count as made up where the new texts name them. Raises
    ConfigError where ``syncengine.yaml`` itself could not be used.
    """
    with tempfile.TemporaryDirectory(prefix="syncengine-") as folder:
        copy = Path(folder)
        (copy / "destinations").mkdir()
        files = {copy / file.name: file}
        for destination in (file.parent / "destinations").glob("*.yaml"):
            files[copy / "destinations" / destination.name] = destination
        for target, source in files.items():
            if source.is_file():
                target.write_bytes(source.read_bytes())
        for path, text in texts.items():
            target = copy / path.relative_to(file.parent)
            target.write_text(text, encoding="utf-8")
        try:
            return read_config(copy / file.name, _with_made_up(texts, environ))
        except ConfigError as error:
            raise ConfigError(elsewhere(error.problems, copy, file.parent)) from None


def elsewhere(
    problems: tuple[Problem, ...], here: Path, there: Path
) -> tuple[Problem, ...]:
    """Return problems of a copied folder as problems of the folder itself."""
    return tuple(
        Problem(
            problem.where.replace(str(here), str(there)),
            problem.what.replace(str(here), str(there)),
        )
        for problem in problems
    )


EXAMPLE_DIGEST = "50bc0ee377b350c9852ad5caa1d9f28de2a3f54daa8cb8632b60ff8a94c42089"
"""SHA-256 of the shipped ``syncengine.yaml``. In a checkout that is the very file that
people edit, so it cannot be compared with itself."""


def is_untouched_example(file: Path) -> bool:
    """Return whether a file is the shipped ``syncengine.yaml``, which nobody wrote."""
    return hashlib.sha256(file.read_bytes()).hexdigest() == EXAMPLE_DIGEST


def refuse_to_overwrite(file: Path, *, force: bool) -> None:
    """Raise ConfigError where a file is somebody's, unless it is to be replaced."""
    if file.exists() and not file.is_file():
        what = "cannot be written: something is there that is not a file; move it away"
        raise ConfigError([Problem(str(file), what)])
    if force or not file.exists():
        return
    what = "is there already; look at it, or give --force to replace it"
    raise ConfigError([Problem(str(file), what)])


def write_whole(file: Path, text: str, *, replaces: bool) -> None:
    """Write a file, whole or not at all. Raises ConfigError.

    Without ``replaces`` a file that somebody made meanwhile stays.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FreshFile(file) as fresh:
            fresh.stream.write(text.encode())
            # There is no secret in it.
            fresh.finish(rights=usual_rights(), replaces=replaces)
    except FileExistsError:
        refuse_to_overwrite(file, force=False)
    except OSError as error:
        raise unwritable(file, error) from None


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"


def _engine_options() -> Iterator[str]:
    """Yield the options that a first configuration leaves as they are."""
    yield f"#batch_size: {EngineFile.model_fields['batch_size'].default}"
    yield "#lease_ttl: 30s"
    yield "#database_wait: 60s"
    yield "#keep_outcomes: 90d"
    yield "#keep_changes: 30d"
    yield "# Messages to a chat or by mail when a destination needs somebody: docs/how-to/alerts.md."
    yield '#alerts: {to: {ops: {webhook: "${OPS_WEBHOOK}"}}}'


def _selection(draft: DestinationDraft) -> Iterator[str]:
    """Yield the lines about who is sent at all."""
    yield "# Which rows: SQL of yours. A row that does not match counts as removed."
    if draft.mapping.where is not None:
        yield f"where: {scalar(draft.mapping.where)}"
    elif draft.mapping.conditions:
        conditions = draft.mapping.conditions
        columns = ", ".join(_in_comment(each.column) for each in conditions)
        yield f"# {columns}: should this decide who is written to?"
        known = [each.sql for each in conditions if each.sql is not None]
        if known:
            yield f"#where: {_in_comment(scalar(' AND '.join(known)))}"
    else:
        yield "#where: country = 'DE'"
    yield ""
    yield "# A boolean column: where it is true, nothing is sent about the contact."
    if draft.mapping.opted_out is not None:
        yield f"opted_out: {scalar(draft.mapping.opted_out)}"
    else:
        yield "#opted_out: opted_out"
    yield ""


def _match_on(mapping: MappingProposal) -> Iterator[str]:
    yield "# The fields by which contacts are found at the vendor, tried in this order."
    names = ", ".join(scalar(name) for name in mapping.match_on)
    yield f"match_on: [{names}]"
    yield ""


def _fields(mapping: MappingProposal) -> Iterator[str]:
    yield "# Field at the vendor: column. Or {from: COLUMN, as: FORM, region: DE, default:"
    yield "# VALUE}; forms: e164 (phone numbers), text, lower, number, boolean, date."
    yield "fields:"
    for each in mapping.fields:
        yield f"  {scalar(each.field)}: {_origin(each)}"
    if mapping.further:
        yield "  # More columns. Such fields have to exist at the vendor first."
        for each in mapping.further:
            yield f"  #{_in_comment(scalar(each.field))}: {_origin(each)}"
    yield ""


def _origin(each: ProposedField) -> str:
    column = scalar(each.column)
    if each.form is None:
        return column
    parts = [f"from: {column}", f"as: {each.form}"]
    if each.region is not None:
        parts.append(f"region: {each.region}")
    return "{" + ", ".join(parts) + "}"


def _tags(mapping: MappingProposal) -> Iterator[str]:
    if mapping.tags is not None:
        yield "# Tags that syncengine did not set are never removed. A prefix would tell"
        yield '# these from others: {from: tags, prefix: "crm:"}.'
        yield f"tags: {{from: {scalar(mapping.tags)}}}"
        yield ""


def _notes(mapping: MappingProposal) -> Iterator[str]:
    if mapping.notes:
        yield "# Seen when this was written:"
        for note in mapping.notes:
            yield f"# - {_in_comment(note)}"


def _in_comment(text: str) -> str:
    """Return a text without anything that could end a comment's line."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _with_made_up(
    texts: Mapping[Path, str], environ: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the environment, with a value for each variable that is not set."""
    made_up = dict(environ)
    for text in texts.values():
        for name in re.findall(r"(?<!\$)\$\{([A-Za-z_]\w*)\}", text):
            if not made_up.get(name):
                is_url = name.endswith("_URL")
                made_up[name] = "postgresql://localhost/x" if is_url else _MADE_UP
    return made_up
