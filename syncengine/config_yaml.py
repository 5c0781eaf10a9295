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
_VARIABLE = re.compile(VARIABLE)


class _Loader(yaml.SafeLoader):
    """SafeLoader, but a key that stands twice is an error and dates stay text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f'"{name}" stands there twice', key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> dict[str, Json]:
    """The mapping in a file, variables still in it. Raises ConfigError with line and column."""
    try:
        text = path.read_text(encoding="utf-8")
        loaded = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError([Problem(str(path), f"cannot be read: {reason}")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ConfigError([Problem(str(path), f"is no valid YAML: {error.problem}{place}")]) from None
    except yaml.YAMLError:
        raise ConfigError([Problem(str(path), "is no valid YAML: it holds characters YAML does not allow")]) from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise ConfigError([Problem(str(path), "has to be a mapping of keys to values")])
    return loaded


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
            problems.append(Problem(f"{where}: {path}", f"the environment variable {name} is not set"))
            return ""
        return default

    return _VARIABLE.sub(replaced, value)


def is_variable(value: Json) -> bool:
    """Whether a raw value is nothing but one variable."""
    return isinstance(value, str) and _VARIABLE.fullmatch(value.strip()) is not None
