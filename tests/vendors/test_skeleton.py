"""What ``new-vendor`` writes relies on promised names, and its batches can go."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

from syncengine import testing, vendor
from syncengine.ports import BulkVendor
from syncengine.skeleton import write_skeleton
from syncengine.testing import twins
from syncengine.testing.vendors_under_test import vendor_under_test
from tests.support.contract_runs import run_contract


def _without_batches(folder: Path) -> None:
    """Take the batches out of a skeleton, by the three steps of its README."""
    readme = (folder / "README.md").read_text(encoding="utf-8")
    steps = readme.partition("## One contact a request")[2]
    _, first, imports, lines = re.split(r"^\d\. ", steps, flags=re.MULTILINE)
    for name in re.findall(r"`(\S+)`", first):
        (folder / name).unlink()
    package, _, right = re.findall(r"`(\S+)`", imports)
    module = (folder / package).read_text(encoding="utf-8")
    changed = module.replace("solo_sync.batches", right)
    (folder / package).write_text(changed, encoding="utf-8")
    mark, *files = re.findall(r"`([^`]+)`", lines.partition("\n\n")[0])
    for name in files:
        written = (folder / name).read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in written if mark not in line]
        assert len(kept) == len(written) - 1
        (folder / name).write_text("".join(kept), encoding="utf-8")


def test_a_skeleton_imports_promised_names_only(tmp_path: Path) -> None:
    write_skeleton("acme", tmp_path / "acme")
    imported: dict[str, set[str]] = {}
    for file in (tmp_path / "acme").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {alias.name for alias in node.names}
                imported.setdefault(node.module, set()).update(names)
    promised = {each.__name__: {*each.__all__} for each in (vendor, testing, twins)}
    ours = {name for name in imported if name.partition(".")[0] == "syncengine"}
    assert ours == promised.keys()
    assert all(imported[name] <= promised[name] for name in ours)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "solo"
    write_skeleton("solo", folder)
    _without_batches(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_a_skeleton_without_batches_passes_the_contract(folder: Path) -> None:
    python = "".join(
        file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.py"))
    )
    for word in ("bulk", "refuses_whole", "InBatches", "twin_batches"):
        assert word not in python
    try:
        subject = vendor_under_test(importlib.import_module("solo_sync").VENDOR)
        assert not isinstance(subject.vendor, BulkVendor)
        assert run_contract(subject) > 600
    finally:
        for name in [*sys.modules]:
            if name.partition(".")[0] == "solo_sync":
                del sys.modules[name]
