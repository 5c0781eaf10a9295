"""Vendors are found by existing."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from syncengine import vendors


def test_every_module_is_a_vendor() -> None:
    folder = Path(vendors.__file__).parent
    expected = sorted(
        path.stem for path in folder.glob("*.py") if path.stem != "__init__"
    )
    assert list(vendors.names()) == expected
    assert expected


@pytest.mark.parametrize("name", ["kit", "nobody", "", "__init__", "..model", "os"])
def test_what_is_no_vendor(name: str) -> None:
    with pytest.raises(LookupError) as refused:
        vendors.load(name)
    assert all(known in str(refused.value) for known in vendors.names())


def test_the_kit_knows_no_vendor() -> None:
    for path in Path(
        importlib.import_module("syncengine.vendors.kit").__file__ or ""
    ).parent.glob("*.py"):
        words = path.read_text().lower()
        assert not [
            name
            for name in vendors.names()
            if name in words or name.replace("_", ".") in words
        ], path
