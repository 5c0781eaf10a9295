"""YAML as people mean it, with variables filled in after parsing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncengine.config.variables import fill_in
from syncengine.config.yaml_files import read_yaml
from syncengine.errors import ConfigError, Problem
from syncengine.model.http import Json

BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40)
)
BOMB_OF_MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 40)
)


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
        ("'.nan'", ".nan"),
        ("1s", "1s"),
        ("{calls: 50, per: 1s}", {"calls": 50, "per": "1s"}),
        ("${KEY}", "${KEY}"),
    ],
)
def test_a_value_is_what_it_looks_like(
    tmp_path: Path, written: str, meant: Json
) -> None:
    value = read(tmp_path, f"key: {written}\n")["key"]
    assert value == meant
    assert type(value) is type(meant)


def test_aliases_and_merges_work(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &a {x: 1}\nb: {<<: *a, y: 2}\n")["b"] == {"x": 1, "y": 2}


def test_an_empty_file_is_an_empty_mapping_and_a_mark_is_skipped(
    tmp_path: Path,
) -> None:
    assert read(tmp_path, "# nothing\n") == {}
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\n") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: 1\na: 2\n", r'"a" stands there twice \(line 2, column 1\)'),
        ("a:\n\tb: 1\n", "indent with blanks, not with tabs"),
        ("a: {key: ${KEY}}\n", r"inside \{ \} a \$\{NAME\} needs quotes"),
        ("a: [1\n", r"is not valid YAML: .*line 2"),
        ("[a]: 1\n", "a key has to be text"),
        ("? {a: b}\n: 1\n", "a key has to be text"),
        ("- a\n", r"has to be a mapping of keys to values \(line 1, column 1\)"),
        ("just words\n", "has to be a mapping"),
        ("1: a\n", r"a key must be text: put it in quotes \(line 1, column 1\)"),
        (
            "a:\n  b: {5: c}\n",
            r"a key must be text: put it in quotes \(line 2, column 7\)",
        ),
        ("a: {true: c}\n", "a key must be text"),
        ("a: {~: c}\n", "a key must be text"),
        (
            "a: .nan\n",
            r"one that is not a number; put it in quotes if it is text \(line 1, column 4\)",
        ),
        ("a: -.INF\n", "one that is not a number"),
        ("a:\n  b: 1\n  'b': 2\n", r'"b" stands there twice \(line 3, column 3\)'),
        ("a: *none\n", r"undefined alias.*\(line 1, column 4\)"),
        # what holds itself, or becomes huge
        ("a: &a [*a]\n", r"holds itself: .* \(line 1, column 4\)"),
        ("a: 1\nb: &b\n  c: {d: *b}\n", r"holds itself: .* \(line 2, column 4\)"),
        ("a: &a\n  <<: *a\n", "holds itself"),
        (
            BOMB,
            r"holds more than 50,000 values, aliases written out \(line \d+, column \d+\)",
        ),
        (BOMB_OF_MERGES, r"holds more than 50,000 values"),
        (
            "a: " + "[" * 60 + "]" * 60,
            r"nests deeper than 50 levels \(line 1, column 53\)",
        ),
        ("a: " + "[" * 50_000, r"nests deeper than 50 levels \(line 1, column 53\)"),
        (
            "".join(f"{' ' * level}a:\n" for level in range(500)),
            r"nests deeper than 50 levels \(line 51, ",
        ),
        ("a: " + "{a: " * 3000, r"nests deeper than 50 levels \(line 1"),
        (b"a: 1\n" + b"# padding\n" * 200_000, "larger than 1,000,000 bytes"),
        # tags
        (
            "a: !!int abc\n",
            r"holds a value that is not a valid !!int \(line 1, column 4\)",
        ),
        ("a: !!float x\n", "is not a valid !!float"),
        ("a: !!float .nan\n", "is not a valid !!float"),
        ("a: !!bool maybe\n", "is not a valid !!bool"),
        ("a: !!null x\n", "is not a valid !!null"),
        ("a: !!int [1]\n", "the tag !!int, which is not used here"),
        ("a: !!seq {b: c}\n", "the tag !!seq, which is not used here"),
        (
            "a: 1\nb: !!binary aGVsbG8=\n",
            r"the tag !!binary, which is not used here \(line 2, column 4\)",
        ),
        ("a: !!binary ä\n", "the tag !!binary"),
        ("a: !!timestamp 2025-99-99\n", "the tag !!timestamp"),
        ("a: !!set {b}\n", "the tag !!set"),
        ("a: !!omap [b: c]\n", "the tag !!omap"),
        ("a: !!pairs [b: c]\n", "the tag !!pairs"),
        ("a: !mine b\n", "the tag !mine"),
        ("!!int 5\n", "has to be a mapping"),
        (
            "a: !!python/object/apply:os.system [x]\n",
            "the tag !!python/object/apply:os.system, which is not used",
        ),
        ("a: !!python/name:os.system\n", "the tag !!python/name:os.system"),
        ("!!python/none x: 1\n", "a key must be text"),
        # numbers that are none anywhere else
        ("a: 99999999999999999999999\n", r"a number too large .* \(line 1, column 4\)"),
        ("a: " + "9" * 10_000 + "\n", "a number too large"),
        ("a: -9223372036854775809\n", "a number too large"),
        ("a: 1e999\n", "a number too large"),
        # characters
        (b"a: 1\nb: \xff\n", r"it is not UTF-8 \(line 2\); save it"),
        ("a: 1\n".encode("utf-16"), r"it is not UTF-8 \(line 1\)"),
        ("a: \x01\n", r"a character that YAML does not allow \(line 1\)"),
        ("a: 1\nb: \0\n", r"a character that YAML does not allow \(line 2\)"),
        ("a: 1\nb: \x1b[31m\n", r"a character that YAML does not allow \(line 2\)"),
        (
            'a: 1\nb: "\\0"\n',
            r"holds a character that no text may hold .* \(line 2, column 4\)",
        ),
        ('a: "\\ud800"\n', "holds a character that no text may hold"),
        ('"\\0": a\n', "holds a character that no text may hold"),
        ('a: 1\nb: "\\U00110000"\n', r"with the number of no character \(line 2, "),
        ("%YAML 9.0\n---\na: 1\n", r"line 1"),
        ("a: 'b\n", "a quote is not closed"),
        ("a: @b\n", r"\(line 1, column 4\)"),
        ("a: %b\n", r"\(line 1, column 4\)"),
        ("a: `b\n", r"\(line 1, column 4\)"),
        ("a: 1\n...\nb: 2\n", r"\(line 3|another document"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(
    tmp_path: Path, text: str | bytes, what: str
) -> None:
    with pytest.raises(ConfigError, match=what) as told:
        read(tmp_path, text)
    (problem,) = told.value.problems
    assert problem.where == str(tmp_path / "it.yaml")
    assert "\n" not in problem.what


@settings(max_examples=300, deadline=None)
@given(
    st.text(
        st.sampled_from("ab:-[]{}&*!<>|?'\"#%@`,. \n\t\\0é\ud7ff19~") | st.characters(),
        max_size=40,
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with TemporaryDirectory() as folder, suppress(ConfigError):
        read(Path(folder), text.encode("utf-8", "surrogatepass"))


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it is not a regular file"):
        read_yaml(Path("/dev/null"))
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Too many levels"):
        read_yaml(tmp_path / "loop.yaml")


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
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
    ("written", "meant"),
    [
        ("$${A}", "${A}"),
        ("$${", "${"),
        ("costs $${ 5 and ${A}", "costs ${ 5 and a"),
        ("$${A:-b}${A}", "${A:-b}a"),
        ("$$${A}", "$${A}"),
        ("$$ $A", "$$ $A"),
        ("${B:-$}", "$"),
    ],
)
def test_two_dollars_write_a_text_that_looks_like_a_variable(
    written: str, meant: str
) -> None:
    assert filled(written, A="a") == (meant, [])


@pytest.mark.parametrize(
    ("environ", "what"),
    [({}, "the environment variable A is not set"), ({"A": ""}, "is set, but empty")],
)
def test_a_variable_that_is_missing_is_named(
    environ: dict[str, str], what: str
) -> None:
    _, (problem,) = filled({"settings": {"key": "${A}"}}, **environ)
    assert problem.where == "it.yaml: settings.key"
    assert what in problem.what


def test_a_variable_of_other_bytes_is_named() -> None:
    _, (problem,) = filled("${A}", A="caf\udce9")
    assert problem.what == "the environment variable A holds bytes that are not UTF-8"


def test_a_broken_variable_is_refused() -> None:
    for value in ("${}", "${A", "${A-b}", "${1}"):
        assert filled(value)[1], value
