"""The pictures of terminal views are those that the code draws now."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from tests.support.repository import ROOT


def _pictures() -> ModuleType:
    file = ROOT / "docs" / "pictures.py"
    spec = importlib.util.spec_from_file_location("docs_pictures", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for the module of a class.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_pictures_are_up_to_date_and_fetch_nothing() -> None:
    module = _pictures()
    for name, picture in module.pictures().items():
        written = (module.IMAGES / name).read_text(encoding="utf-8")
        assert written == module.drawn(name, picture), (
            f"docs/images/{name}: call ./run docs"
        )
        assert "url(" not in written.replace("url(#", "")
        assert "<script" not in written
