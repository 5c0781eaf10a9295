"""Write the pages of the reference that follow from the code.

``./run docs`` calls this before it builds the pages; a test compares what stands in
``docs/reference`` with what this writes.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from syncengine import vendors
from syncengine.cli import verbs  # noqa: F401 - registers the verbs
from syncengine.cli.root import app
from syncengine.config.schema import schema
from syncengine.model import events
from syncengine.model.events import Event

REFERENCE = Path(__file__).resolve().parent / "reference"
_NOTE = "<!-- Written by docs/generate.py: change the code, then call ./run docs. -->"
_SECTIONS = {
    "EngineFile": "config/syncengine.yaml",
    "SourceModel": "source",
    "DestinationFile": "config/destinations/NAME.yaml",
    "FieldModel": "A field",
    "MembersModel": "tags and lists",
    "LimitModel": "A limit",
    "BrakesModel": "brakes",
}
"""Models of the configuration, in the order of the page, with their headings."""
_MOST_CHOICES = 12
_KINDS = {
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "number": "number",
    "array": "list",
    "object": "mapping",
}
_GLOBAL = ("--config", "--log-format", "--log-level", "--no-progress")
"""Options that every verb takes; the page shows them once."""


def pages() -> Mapping[str, str]:
    """Return the text of each generated page, by its file's name."""
    return {
        "commands.md": commands(),
        "configuration.md": configuration(),
        "events.md": log_events(),
    }


def commands() -> str:
    """Return the page of all verbs with their options, as ``--help`` shows them."""
    text = app.generate_docs(output_format="markdown", recursive=True)
    _, _, by_verb = text.partition("\n## syncengine ")
    introduction = [
        "# Commands",
        "",
        _NOTE,
        "",
        "`./run syncengine VERB` in a checkout, `syncengine VERB` where it is installed.",
        "Results go to stdout, logs to stderr. [Exit codes](exit-codes.md) are the same",
        "for all verbs, and [`--json`](json.md) prints what programs read.",
        "",
        "Options of every verb, before or behind it:",
        "",
        *_shared_options(text),
    ]
    return "\n".join([*introduction, "", *_verbs("## " + by_verb)]) + "\n"


def _shared_options(text: str) -> Iterator[str]:
    seen: set[str] = set()
    for line in text.splitlines():
        if _is_shared(line) and line not in seen:
            seen.add(line)
            yield line


def _is_shared(line: str) -> bool:
    return line.startswith(tuple(f"* `{option}" for option in _GLOBAL))


def _verbs(text: str) -> Iterator[str]:
    """Yield the lines of every verb, without the options that all of them share."""
    for part in re.split(r"(?m)^## ", text)[1:]:
        lines = part.rstrip().splitlines()
        title = lines[0].removeprefix("syncengine ")
        body = [line for line in lines[1:] if not _is_shared(line)]
        kept = "\n".join(body).strip()
        # A verb without options of its own is left with the heading of an empty list.
        kept = re.sub(r"\n*\*\*Parameters\*\*:\s*\Z", "", kept)
        kept = kept.replace("```console", "```text")
        yield f"## {title}\n\n{kept}\n"


def configuration() -> str:
    """Return the page of every key of the configuration's files."""
    definitions = _definitions()
    lines = [
        "# Configuration",
        "",
        _NOTE,
        "",
        "Two kinds of YAML file: `config/syncengine.yaml` holds what all destinations",
        "share, and each file in `config/destinations/` is one destination, named after",
        "the file. `config/schema.json` lets an editor check them. How a column's value",
        "becomes a field's is told in [Values](values.md).",
        "",
        "Durations are `500ms`, `2s`, `1m` or `1d`. Values may be `${NAME}` or",
        "`${NAME:-default}`, taken from the environment; `$${` is the text `${`. Keys",
        "that begin with `x-` are not read: they are for YAML anchors and notes.",
        "",
    ]
    for name, title in _SECTIONS.items():
        lines += _section(f"`{title}`" if "/" in title else title, definitions[name])
    for name in definitions["BrakesModel"]["properties"]:
        reference = definitions["BrakesModel"]["properties"][name]["$ref"]
        lines += _section(f"brakes.{name}", definitions[_target(reference)])
    for vendor in vendors.names():
        model = vendors.load(vendor).settings
        # Of two models with one name, the schema puts the module before it.
        module = model.__module__.replace(".", "__")
        name = f"{module}__{model.__name__}"
        settings = definitions.get(name) or definitions[model.__name__]
        lines += _section(f"settings of {vendor}", settings)
    return "\n".join(lines).rstrip() + "\n"


@cache
def _definitions() -> Mapping[str, Any]:
    """Return the models of the configuration as JSON Schema, by name."""
    definitions: Mapping[str, Any] = schema()["$defs"]
    return definitions


def _section(title: str, model: Mapping[str, Any]) -> Iterator[str]:
    # A field may be a column's name alone: then its keys are the second alternative.
    alternatives = model.get("anyOf", [model])
    model = next(part for part in alternatives if "properties" in part)
    required = model.get("required", ())
    yield f"## {title}"
    yield ""
    yield _text(model.get("description", ""))
    yield ""
    yield "| key | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for key, fragment in model["properties"].items():
        default = "required" if key in required else _default(fragment)
        meaning = _text(fragment.get("description", ""))
        yield f"| `{key}` | {_value(fragment)} | {default} | {meaning} |"
    yield ""


def _text(description: str) -> str:
    """Return a docstring as one line of Markdown."""
    one_line = " ".join(description.split())
    return one_line.replace("``", "`").replace("|", "\\|")


def _default(fragment: Mapping[str, Any]) -> str:
    default = fragment.get("default")
    if default is None or default in ([], {}, ""):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, dict):
        return "see below"
    if _is_duration(fragment):
        return f"`{_duration(default)}`"
    return f"`{default}`"


def _duration(seconds: Any) -> str:
    if isinstance(seconds, str):
        return seconds
    for unit, length in (("d", 86400), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _is_duration(fragment: Mapping[str, Any]) -> bool:
    return "(?:ms|s|m|h|d)" in str(fragment)


def _value(fragment: Mapping[str, Any]) -> str:
    """Return in words what a key takes."""
    if _is_duration(fragment):
        return "duration"
    # The first alternative is how a value is usually written; the others are the texts
    # that mean the same, such as "${NAME}".
    options = fragment.get("anyOf", [fragment])
    first = options[0]
    if reference := first.get("$ref"):
        return _referred(_target(reference))
    if choices := first.get("enum"):
        return _choices(choices)
    if any(option.get("type") == "array" for option in options[1:]):
        return "name, or list of names"
    kind = str(first.get("type"))
    return _KINDS.get(kind, "text") + _bounds(first)


def _bounds(fragment: Mapping[str, Any]) -> str:
    least, most = fragment.get("minimum"), fragment.get("maximum")
    if least is not None and most is not None:
        return f", {least} to {most}"
    return "" if least is None else f", {least} or more"


def _target(reference: str) -> str:
    return reference.rpartition("/")[2]


def _referred(name: str) -> str:
    definition = _definitions()[name]
    if title := _SECTIONS.get(name):
        anchor = re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-")
        return f"[{title}](#{anchor})"
    if name.endswith("Brake"):
        return "see below"
    first = definition.get("anyOf", [definition])[0]
    return _choices(first.get("enum", ()))


def _choices(choices: Sequence[Any]) -> str:
    """Return all choices, or the first ones of a long list such as all countries."""
    shown = [f"`{choice}`" for choice in choices[:_MOST_CHOICES]]
    return ", ".join(shown) + (", ..." if len(choices) > _MOST_CHOICES else "")


def log_events() -> str:
    """Return the page of all events with their facts."""
    lines = [
        "# Log events",
        "",
        _NOTE,
        "",
        "Away from a terminal, logs are JSON lines on stderr; in a terminal, warnings",
        "between the progress bars. `--log-level` and `--log-format` say otherwise. Each",
        "line has `event`, `level` and `timestamp`, and the facts listed here: names,",
        "ids, codes and numbers, never a value of a contact's field. The Python API hands",
        "the same events to `on_event`.",
        "",
        "| event | facts |",
        "| --- | --- |",
    ]
    described = dict(_described(inspect.getsource(events)))
    for event in Event:
        facts = _text(described.get(event.name, ""))
        lines.append(f"| `{event.value}` | {facts} |")
    return "\n".join(lines) + "\n"


def _described(source: str) -> Iterator[tuple[str, str]]:
    """Yield the members of ``Event`` that have a docstring, with that."""
    module = ast.parse(source)
    classes = [part for part in module.body if isinstance(part, ast.ClassDef)]
    body = next(part.body for part in classes if part.name == Event.__name__)
    for member, below in itertools.pairwise(body):
        if not isinstance(member, ast.Assign) or not isinstance(below, ast.Expr):
            continue
        name, text = member.targets[0], below.value
        if isinstance(name, ast.Name) and isinstance(text, ast.Constant):
            yield name.id, str(text.value)


def main() -> None:
    """Write all pages, and print the names of those that changed."""
    for name, text in pages().items():
        file = REFERENCE / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"docs/reference/{name} changed\n")


if __name__ == "__main__":
    main()
