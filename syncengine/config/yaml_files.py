"""Reading of YAML files.

Repeated keys are refused, and ``${NAME}`` is filled in after parsing.
"""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from syncengine.errors import ConfigError, Problem
from syncengine.model.http import Json

_PLAIN_TYPES = {
    "tag:yaml.org,2002:bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)"),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"
    ),
    "tag:yaml.org,2002:null": re.compile(r"~|null|Null|NULL|"),
    "tag:yaml.org,2002:merge": re.compile(r"<<"),
}
"""Much as YAML 1.2 has it. By YAML 1.1 the country NO is false, 12:30 is 750, 0123 is
83, and a day is a date."""
_HINTS = {
    "found character '\\t'": "indent with blanks, not with tabs",
    "'{'": "inside { } a ${NAME} needs quotes",
    "'<stream end>'": "a { or [ is not closed",
    "unexpected end of stream": "a quote is not closed",
    "mapping values are not allowed": "a value with a colon in it needs quotes",
    "another document": "a file holds one document: leave the --- out",
}


_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
"""YAML's infinity and its like, which neither JSON nor any vendor has."""
_TEXT = "tag:yaml.org,2002:str"
_MAP = "tag:yaml.org,2002:map"
_MERGE = "tag:yaml.org,2002:merge"
_SEQUENCE = "tag:yaml.org,2002:seq"
_LARGEST = 1_000_000
"""Bytes of a file."""
_DEEPEST = 50
"""Levels of a file: a configuration needs five."""
_MOST = 50_000
"""Values in a file with its aliases written out."""


class _Loader(yaml.SafeLoader):
    """SafeLoader, but less is guessed from how a text looks."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile(rf"(?:{_PLAIN_TYPES[tag].pattern})\Z"))
        for tag in dict.fromkeys(tag for tag, _ in resolvers)
        if tag in _PLAIN_TYPES
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _UnusableError(Exception):
    """A file is well-formed, and its content cannot be used.

    The message names content and place.
    """

    def __init__(self, what: str, mark: Any) -> None:
        super().__init__(f"{what} (line {mark.line + 1}, column {mark.column + 1})")


def read_yaml(path: Path) -> dict[str, Json]:
    """Return the mapping in a file, variables still in it.

    Raises ConfigError with line and column.
    """
    try:
        return _read(_text(path))
    except _UnusableError as error:
        raise ConfigError([Problem(str(path), str(error))]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        hint = "".join(
            f"; {advice}"
            for sign, advice in _HINTS.items()
            if sign in str(error.problem)
        )
        raise ConfigError(
            [Problem(str(path), f"is no valid YAML: {error.problem}{place}{hint}")]
        ) from None


def _text(path: Path) -> str:
    """Return the text of a file. Raises ConfigError."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe might never end
            what = (
                "it is a folder; name a file"
                if stat.S_ISDIR(mode)
                else "it is no ordinary file"
            )
            raise ConfigError([Problem(str(path), f"cannot be read: {what}")])
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            [Problem(str(path), f"cannot be read: {error.strerror}")]
        ) from None
    if len(content) > _LARGEST:
        raise ConfigError(
            [
                Problem(
                    str(path), f"cannot be used: it is larger than {_LARGEST:,} bytes"
                )
            ]
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = (
            f"cannot be read: it is not UTF-8 (line {line}); save it in that encoding"
        )
        raise ConfigError([Problem(str(path), what)]) from None
    strange = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if strange is not None:
        line = text.count("\n", 0, strange.start()) + 1
        what = f"is no valid YAML: it holds a character that YAML does not allow (line {line}); take it out"
        raise ConfigError([Problem(str(path), what)])
    return text


def _read(text: str) -> dict[str, Json]:
    """Return the mapping in a text. Raises YAMLError, _UnusableError."""
    _refuse_depth(text)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return {}
        _Nodes().check(root)
        if not isinstance(root, yaml.MappingNode):
            raise _UnusableError(
                "has to be a mapping of keys to values", root.start_mark
            )
        loaded: dict[str, Json] = loader.construct_document(root)
    finally:
        loader.dispose()
    return loaded


def _refuse_depth(text: str) -> None:
    """Raise _UnusableError for what nests too deeply.

    This comes before anything recursive reads it.
    """
    depth = 0
    for event in _events(text):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise _UnusableError(
                f"nests deeper than {_DEEPEST} levels", event.start_mark
            )


def _events(text: str) -> Iterator[yaml.Event]:
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=_Loader)
    while True:
        try:
            yield next(events)
        except StopIteration:
            return
        except ValueError:  # an escape beyond the last character there is
            mark = yaml.Mark("", 0, text.count("\n", 0, text.find("\\U")), 0, None, 0)
            raise _UnusableError(
                'holds a character behind "\\U" that there is not', mark
            ) from None


class _Nodes:
    """Checks a document before it is built.

    An alias counts as all that it names, each time it is used.
    """

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def check(self, node: yaml.Node) -> int:
        """Return how many nodes there are with all aliases written out.

        Raises _UnusableError, YAMLError.
        """
        if id(node) in self._sizes:
            return self._sizes[id(node)]
        if id(node) in self._open:
            raise _UnusableError(
                "holds itself: an alias stands inside of what it names", node.start_mark
            )
        self._open.add(id(node))
        _check_tag(node)
        size = 1
        for part in _parts(node):
            size += self.check(part)
            if size > _MOST:
                raise _UnusableError(
                    f"holds more than {_MOST:,} values, aliases written out",
                    node.start_mark,
                )
        self._open.remove(id(node))
        self._sizes[id(node)] = size
        return size


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    """Return the nodes in a node; a mapping's keys are text, each once."""
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key has to be text", key.start_mark
                )
            if key.tag not in (_TEXT, _MERGE):
                raise _UnusableError(
                    "a key must be text: put it in quotes", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'"{key.value}" stands there twice', key.start_mark
                )
            seen.add(key.value)
            yield key
            yield value


def _check_tag(node: yaml.Node) -> None:
    """Raise _UnusableError for a value that cannot be used.

    Its tag does not fit, or it cannot be stored or sent.
    """
    if not isinstance(node, yaml.ScalarNode):
        if node.tag != (_MAP if isinstance(node, yaml.MappingNode) else _SEQUENCE):
            raise _UnusableError(
                f"holds the tag {_short(node.tag)}, which is not used here",
                node.start_mark,
            )
        return
    if not is_storable(node.value):
        raise _UnusableError(
            "holds a character that no text may hold (NUL, or half of a character)",
            node.start_mark,
        )
    if node.tag == _TEXT:
        if node.style is None and _NO_NUMBER.fullmatch(node.value):
            raise _UnusableError(
                "holds a number that is none; put it in quotes if it is text",
                node.start_mark,
            )
        return
    plain = _PLAIN_TYPES.get(node.tag)
    if plain is None:
        raise _UnusableError(
            f"holds the tag {_short(node.tag)}, which is not used here", node.start_mark
        )
    if plain.fullmatch(node.value) is None:
        raise _UnusableError(
            f"holds a value that is no {_short(node.tag)}", node.start_mark
        )
    if not _is_number_kept(node):
        raise _UnusableError(
            "holds a number too large to be kept or sent; put it in quotes",
            node.start_mark,
        )


def is_storable(value: str) -> bool:
    """Return whether Postgres can store a text and UTF-8 can encode it."""
    return "\0" not in value and not any(
        "\ud800" <= letter <= "\udfff" for letter in value
    )


def _is_number_kept(node: yaml.ScalarNode) -> bool:
    if node.tag.endswith(":int"):
        return len(node.value) <= 20 and -(2**63) <= int(node.value) < 2**63
    return not node.tag.endswith(":float") or math.isfinite(float(node.value))


def _short(tag: str) -> str:
    """Return a tag as people write it."""
    return tag.replace("tag:yaml.org,2002:", "!!")
