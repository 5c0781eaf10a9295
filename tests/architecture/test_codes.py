"""Every code that a contact can end with is explained to people."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from tests.support.repository import ROOT

_PLACE_OF_CODE = {
    "Rejected": 0,
    "deferred": 1,
    "endings.deferred": 1,
    "records.deferred": 2,
}
"""Function to the place of the code among its arguments."""


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return the module's own constants that are texts."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _given(call: ast.Call) -> Iterator[ast.expr]:
    """Return the codes that are given to a call, as they are written."""
    place = _PLACE_OF_CODE.get(ast.unparse(call.func))
    if place is not None and len(call.args) > place:
        yield call.args[place]
    yield from (word.value for word in call.keywords if word.arg == "code")


def _text(given: ast.expr, constants: Mapping[str, str]) -> str | None:
    """Return a code that is written there; None where it comes from elsewhere."""
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        return given.value
    if isinstance(given, ast.Name):
        return constants.get(given.id)
    return None


def _codes() -> set[str]:
    found: set[str] = set()
    for part in ("engine", "model", "planning", "vendors"):
        for file in (ROOT / "syncengine" / part).rglob("*.py"):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            constants = _constants(tree)
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            given = [each for call in calls for each in _given(call)]
            found |= {code for each in given if (code := _text(each, constants))}
    return found


def test_every_code_is_explained_on_the_page_of_outcomes() -> None:
    page = (ROOT / "docs/reference/outcomes.md").read_text(encoding="utf-8")
    codes = _codes()
    assert {"plan_moved", "plan_not_stated", "undo_unfinished", "not_found"} <= codes
    explained = set(re.findall(r"`([a-z_]+)`", page))
    assert sorted(codes - explained) == []
