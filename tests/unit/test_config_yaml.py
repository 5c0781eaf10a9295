"""YAML as people mean it, and variables filled in behind the parser's back."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine.config_yaml import fill_in, read_yaml
from syncengine.errors import ConfigError, Problem
from syncengine.model.http import Json


def read(folder: Path, text: str | bytes) -> dict[str, Json]:
    file = folder / "it.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(file)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("50", 50),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("0.05", 0.05),
        ("0123", "0123"),
        ("12:30", "12:30"),
        ("2025-01-31", "2025-01-31"),
        ("NO", "NO"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        (".", "."),
        ("1s", "1s"),
        ("{calls: 50, per: 1s}", {"calls": 50, "per": "1s"}),
        ("${KEY}", "${KEY}"),
    ],
)
def test_a_value_is_what_it_looks_like(tmp_path: Path, written: str, meant: Json) -> None:
    value = read(tmp_path, f"key: {written}\n")["key"]
    assert value == meant
    assert type(value) is type(meant)


def test_aliases_and_merges_work(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &a {x: 1}\nb: {<<: *a, y: 2}\n")["b"] == {"x": 1, "y": 2}


def test_an_empty_file_is_an_empty_mapping_and_a_mark_is_skipped(tmp_path: Path) -> None:
    assert read(tmp_path, "# nothing\n") == {}
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: 1\na: 2\n", r'"a" stands there twice \(line 2, column 1\)'),
        ("a:\n\tb: 1\n", "indent with blanks, not with tabs"),
        ("a: {key: ${KEY}}\n", r"inside \{ \} a \$\{NAME\} needs quotes"),
        ("a: [1\n", r"is no valid YAML: .*line 2"),
        ("[a]: 1\n", "a key has to be text"),
        ("- a\n", "has to be a mapping"),
        ("1: a\n", "has to be a mapping"),
        ("a: &a [*a]\n", "holds itself"),
        (b"a: \xff\n", "not UTF-8"),
        ("a: \x01\n", "characters YAML does not allow"),
        ("a: !!python/object/apply:os.system [x]\n", "could not determine a constructor"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(tmp_path: Path, text: str | bytes, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as told:
        read(tmp_path, text)
    assert str(tmp_path / "it.yaml") in str(told.value)


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it is a folder"):
        read_yaml(tmp_path)
    with pytest.raises(ConfigError, match="No such file"):
        read_yaml(tmp_path / "none.yaml")


def filled(value: Json, **environ: str) -> tuple[Json, list[Problem]]:
    problems: list[Problem] = []
    return fill_in(value, environ, "it.yaml", problems), problems


def test_variables_are_text_that_is_not_parsed_again() -> None:
    assert filled({"a": ["x-${A}-${B:-b}"]}, A="1: {") == ({"a": ["x-1: {-b"]}, [])
    assert filled("${A:-}")[0] == ""
    assert filled("$A costs $5")[0] == "$A costs $5"


@pytest.mark.parametrize(
    ("environ", "what"), [({}, "the environment variable A is not set"), ({"A": ""}, "is set, but empty")]
)
def test_a_variable_that_is_missing_is_named(environ: dict[str, str], what: str) -> None:
    _, (problem,) = filled({"settings": {"key": "${A}"}}, **environ)
    assert problem.where == "it.yaml: settings.key"
    assert what in problem.what


def test_a_broken_variable_is_told() -> None:
    for value in ("${}", "${A", "${A-b}", "${1}"):
        assert filled(value)[1], value
