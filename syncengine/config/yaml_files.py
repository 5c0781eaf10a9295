"""Reading of YAML files, with nothing guessed and nothing repeated.

PyYAML reads YAML 1.1, which takes ``NO`` (Norway) for false and ``12:30`` for 750,
keeps the last of two equal keys, and builds whatever a tag or an alias asks for. For a
configuration each of these is a trap, so ``read_yaml`` goes in three steps:

1. The events of the parser are counted: a file that nests too deeply ends here.
2. The nodes are composed, not yet built, and checked: keys are text and unique, values
   are what JSON and Postgres can hold, aliases do not grow beyond measure
   (``_NodeCheck``).
3. Only then are they built into dicts, lists and values.

Environment variables stay as they are written: ``config.variables`` fills them in
afterwards. A message names line and column, never a value: one may be a secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from syncengine.config.variables import is_storable
from syncengine.errors import ConfigError, Problem
from syncengine.input_files import read_regular
from syncengine.model.http import Json

# Tags are YAML's names of types.
_TEXT = "tag:yaml.org,2002:str"
_MAP = "tag:yaml.org,2002:map"
_SEQUENCE = "tag:yaml.org,2002:seq"
_MERGE = "tag:yaml.org,2002:merge"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_NULL = "tag:yaml.org,2002:null"

# Much as YAML 1.2 has it. By YAML 1.1, which PyYAML follows, 0123 is 83 as well, and a
# day is a date.
_PLAIN_TYPES = {
    _BOOL: re.compile(r"true|True|TRUE|false|False|FALSE"),
    _INT: re.compile(r"[-+]?(?:0|[1-9][0-9]*)"),
    _FLOAT: re.compile(
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"
    ),
    _NULL: re.compile(r"~|null|Null|NULL|"),
    _MERGE: re.compile(r"<<"),
}
"""What a plain scalar (one without quotes) looks like that is no text, by its tag."""
_NOT_A_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
"""YAML's infinity and its like, which neither JSON nor any vendor has."""
_HINTS = {
    "found character '\\t'": "indent with blanks, not with tabs",
    "'{'": "inside { } a ${NAME} needs quotes",
    "'<stream end>'": "a { or [ is not closed",
    "unexpected end of stream": "a quote is not closed",
    "mapping values are not allowed": "a value with a colon in it needs quotes",
    "another document": "a file holds one document: leave the --- out",
}
"""Part of PyYAML's message to what its writer usually got wrong."""

_LARGEST = 1_000_000
"""Bytes of a file."""
_DEEPEST = 50
"""Levels of a file: a configuration needs five."""
_MOST = 50_000
"""Values in a file with its aliases written out."""


class _Loader(yaml.SafeLoader):
    """SafeLoader, but less is guessed from how a text looks."""


_Resolvers: TypeAlias = list[tuple[str, re.Pattern[str]]]
"""Pairs of a tag and the expression of the texts that have it, tried in order."""


def _own_resolvers(resolvers: _Resolvers) -> _Resolvers:
    """Return PyYAML's resolvers with our types and expressions in place of its own."""
    own: _Resolvers = []
    # A tag may be there twice, with an expression for each of two ways to write it.
    for tag in dict.fromkeys(tag for tag, _ in resolvers):
        if tag in _PLAIN_TYPES:
            pattern = _PLAIN_TYPES[tag].pattern
            own.append((tag, re.compile(rf"(?:{pattern})\Z")))
    return own


# PyYAML finds the type of a plain text by its first character: that table is kept.
_Loader.yaml_implicit_resolvers = {
    first: _own_resolvers(resolvers)
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
    text = _text(path)
    try:
        return _read(text)
    except _UnusableError as error:
        raise _problem(path, str(error)) from None
    except yaml.MarkedYAMLError as error:
        raise _problem(path, _in_words(error)) from None


def _problem(path: Path, what: str) -> ConfigError:
    return ConfigError([Problem(str(path), what)])


def _in_words(error: yaml.MarkedYAMLError) -> str:
    """Return PyYAML's message with its place, and what probably caused it."""
    words = f"is not valid YAML: {error.problem}"
    if error.problem_mark is not None:
        mark = error.problem_mark
        words += f" (line {mark.line + 1}, column {mark.column + 1})"
    for sign, advice in _HINTS.items():
        if sign in str(error.problem):
            words += f"; {advice}"
    return words


def _text(path: Path) -> str:
    """Return the text of a file. Raises ConfigError."""
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = (
            f"cannot be read: it is not UTF-8 (line {line}); save it in that encoding"
        )
        raise _problem(path, what) from None
    # Looked for here, since PyYAML's own message shows the bytes around it.
    unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if unprintable is not None:
        line = text.count("\n", 0, unprintable.start()) + 1
        what = (
            "is not valid YAML: it holds a character that YAML does not allow "
            f"(line {line}); take it out"
        )
        raise _problem(path, what)
    return text


def _content(path: Path) -> bytes:
    """Return the bytes of a file. Raises ConfigError."""
    content = read_regular(path, _LARGEST + 1)
    if len(content) > _LARGEST:
        raise _problem(path, f"cannot be used: it is larger than {_LARGEST:,} bytes")
    return content


def _read(text: str) -> dict[str, Json]:
    """Return the mapping in a text. Raises YAMLError, _UnusableError."""
    # Everything after this reads recursively, and would exhaust Python's stack.
    _refuse_depth(text)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return {}
        # Checked before it is built: aliases of aliases can grow to any size.
        _NodeCheck().check(root)
        if not isinstance(root, yaml.MappingNode):
            raise _UnusableError(
                "has to be a mapping of keys to values", root.start_mark
            )
        loaded: dict[str, Json] = loader.construct_document(root)
    finally:
        loader.dispose()
    return loaded


def _refuse_depth(text: str) -> None:
    """Raise _UnusableError for what nests too deeply."""
    depth = 0
    for event in _events(text):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            what = f"nests deeper than {_DEEPEST} levels"
            raise _UnusableError(what, event.start_mark)


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield what PyYAML's parser reads. Raises YAMLError, _UnusableError.

    Not a plain ``for``, since an error has to be caught at each step.
    """
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=_Loader)
    while True:
        try:
            yield next(events)
        except StopIteration:
            return
        except ValueError:
            # PyYAML lets this one escape: chr() of a "\U" beyond the last character.
            line = text.count("\n", 0, text.find("\\U"))
            mark = yaml.Mark("", 0, line, 0, None, 0)
            what = 'holds a "\\U" with the number of no character'
            raise _UnusableError(what, mark) from None


class _NodeCheck:
    """Check of a document before it is built.

    An alias counts as all that it names, each time it is used: a few lines of aliases
    of aliases can stand for billions of values ("billion laughs").
    """

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        """Sizes of the nodes that are checked, by ``id``."""
        self._open: set[int] = set()
        """The nodes around the one that is being checked, by ``id``."""

    def check(self, node: yaml.Node) -> int:
        """Return how many nodes there are with all aliases written out.

        Raises _UnusableError, YAMLError.
        """
        if id(node) in self._sizes:
            return self._sizes[id(node)]
        if id(node) in self._open:
            what = "holds itself: an alias stands inside of what it names"
            raise _UnusableError(what, node.start_mark)
        self._open.add(id(node))
        _check_value(node)
        size = 1
        for part in _parts(node):
            size += self.check(part)
            if size > _MOST:
                what = f"holds more than {_MOST:,} values, aliases written out"
                raise _UnusableError(what, node.start_mark)
        self._open.remove(id(node))
        self._sizes[id(node)] = size
        return size


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield the nodes in a node; a mapping's keys are text, each once."""
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            _check_key(key, seen)
            seen.add(key.value)
            yield key
            yield value


def _check_key(key: yaml.Node, seen: set[str]) -> None:
    """Raise YAMLError or _UnusableError for a key that cannot be used."""
    if not isinstance(key, yaml.ScalarNode):
        raise yaml.constructor.ConstructorError(
            None, None, "a key has to be text", key.start_mark
        )
    if key.tag not in (_TEXT, _MERGE):
        raise _UnusableError("a key must be text: put it in quotes", key.start_mark)
    if key.value in seen:
        # PyYAML itself would silently take the last one.
        raise yaml.constructor.ConstructorError(
            None, None, f'"{key.value}" stands there twice', key.start_mark
        )


def _check_value(node: yaml.Node) -> None:
    """Raise _UnusableError for a value that cannot be kept, or whose tag is unfit."""
    if isinstance(node, yaml.ScalarNode):
        what = _unusable_scalar(node)
    else:
        usual = _MAP if isinstance(node, yaml.MappingNode) else _SEQUENCE
        what = None if node.tag == usual else _unused_tag(node.tag)
    if what is not None:
        raise _UnusableError(what, node.start_mark)


def _unusable_scalar(node: yaml.ScalarNode) -> str | None:
    """Return why a single value cannot be used, if it cannot."""
    if not is_storable(node.value):
        return "holds a character that no text may hold (NUL, or half of a character)"
    if node.tag == _TEXT:
        return _unusable_text(node)
    if node.tag not in _PLAIN_TYPES:
        return _unused_tag(node.tag)
    if _PLAIN_TYPES[node.tag].fullmatch(node.value) is None:
        return f"holds a value that is not a valid {_short(node.tag)}"
    if not _is_number_kept(node):
        return "holds a number too large to be kept or sent; put it in quotes"
    return None


def _unusable_text(node: yaml.ScalarNode) -> str | None:
    """Return why a text cannot be used: it looks like ``.inf`` or ``.nan``."""
    is_in_quotes = node.style is not None
    if is_in_quotes or not _NOT_A_NUMBER.fullmatch(node.value):
        return None
    return (
        "holds an infinite number, or one that is not a number; put it in quotes if "
        "it is text"
    )


def _is_number_kept(node: yaml.ScalarNode) -> bool:
    """Return whether Postgres and JSON can keep a number; true for other values."""
    if node.tag == _INT:
        # The length comes first: Python refuses to read thousands of digits.
        if len(node.value) > 20:
            return False
        return -(2**63) <= int(node.value) < 2**63
    if node.tag == _FLOAT:
        return math.isfinite(float(node.value))
    return True


def _unused_tag(tag: str) -> str:
    return f"holds the tag {_short(tag)}, which is not used here"


def _short(tag: str) -> str:
    """Return a tag as people write it."""
    return tag.replace("tag:yaml.org,2002:", "!!")
