"""Read YAML as people write it: repeated keys refused, ``${NAME}`` filled in after parsing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from syncengine.errors import ConfigError, Problem
from syncengine.model.http import Json

VARIABLE = r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}"
"""``${NAME}`` or ``${NAME:-default}``, as a regular expression."""
VARIABLES = re.compile(VARIABLE)


_PLAIN_TYPES = {
    "tag:yaml.org,2002:bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"),
    "tag:yaml.org,2002:null": re.compile(r"~|null|Null|NULL|"),
    "tag:yaml.org,2002:merge": re.compile(r"<<"),
}
"""Much as YAML 1.2 has it. By YAML 1.1 the country NO is false, 12:30 is 750, 0123 is 83, and a day is a date."""
_HINTS = {
    "found character '\\t'": "indent with blanks, not with tabs",
    "'{'": "inside { } a ${NAME} needs quotes",
    "'<stream end>'": "a { or [ is not closed",
    "unexpected end of stream": "a quote is not closed",
    "mapping values are not allowed": "a value with a colon in it needs quotes",
    "another document": "a file holds one document: leave the --- out",
}


class _Loader(yaml.SafeLoader):
    """SafeLoader, but a key that stands twice is an error, and less is guessed from how a text looks."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key has to be text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f'"{key.value}" stands there twice', key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile(rf"(?:{_PLAIN_TYPES[tag].pattern})\Z"))
        for tag in dict.fromkeys(tag for tag, _ in resolvers)
        if tag in _PLAIN_TYPES
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> dict[str, Json]:
    """The mapping in a file, variables still in it. Raises ConfigError with line and column."""
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)  # noqa: S506 - a SafeLoader
        _untwisted(loaded)
    except OSError as error:
        what = "it is a folder; name a file" if path.is_dir() else error.strerror
        raise ConfigError([Problem(str(path), f"cannot be read: {what}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), "cannot be read: it is not UTF-8; save it in that encoding")]) from None
    except RecursionError:
        raise ConfigError([Problem(str(path), "cannot be used: it nests too deeply, or holds itself")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        hint = "".join(f"; {advice}" for sign, advice in _HINTS.items() if sign in str(error.problem))
        raise ConfigError([Problem(str(path), f"is no valid YAML: {error.problem}{place}{hint}")]) from None
    except yaml.YAMLError:
        raise ConfigError([Problem(str(path), "is no valid YAML: it holds characters YAML does not allow")]) from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise ConfigError([Problem(str(path), "has to be a mapping of keys to values")])
    return loaded


def _untwisted(value: Json) -> None:
    """Raise RecursionError for what holds itself."""
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _untwisted(part)


def fill_in(value: Json, environ: Mapping[str, str], where: str, problems: list[Problem], path: str = "") -> Json:
    """The value with every ``${NAME}`` and ``${NAME:-default}`` replaced; notes variables that are not set."""
    if isinstance(value, dict):
        return {
            key: fill_in(item, environ, where, problems, f"{path}.{key}" if path else str(key))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [fill_in(item, environ, where, problems, f"{path}.{index}") for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        if environ.get(name):
            return environ[name]
        if default is None:
            how = "is set, but empty" if name in environ else "is not set"
            problems.append(Problem(f"{where}: {path}", f"the environment variable {name} {how}"))
            return ""
        return default

    if "${" in VARIABLES.sub("", value):
        problems.append(
            Problem(f"{where}: {path}", "holds a ${ that begins no variable: write ${NAME} or ${NAME:-default}")
        )
    return VARIABLES.sub(replaced, value)


def is_variable(value: Json) -> bool:
    """Whether a raw value is nothing but one variable, and names no default."""
    return isinstance(value, str) and (found := VARIABLES.fullmatch(value.strip())) is not None and found[2] is None
