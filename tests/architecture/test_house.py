"""The package as a house: no room leads back into itself, and no two things share a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import TopologicalSorter

import grimp

from tests.support.repository import ROOT


def test_no_import_leads_in_a_circle() -> None:
    graph = grimp.build_graph("syncengine", include_external_packages=False)
    imports = {
        module: graph.find_modules_directly_imported_by(module)
        for module in graph.modules
    }
    # Raises CycleError, which names the modules of a circle.
    TopologicalSorter(imports).prepare()


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for file in sorted((ROOT / "syncengine").rglob("*.py")):
        module = ast.parse(file.read_text(encoding="utf-8"))
        for part in module.body:
            if isinstance(part, ast.ClassDef):
                places[part.name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
