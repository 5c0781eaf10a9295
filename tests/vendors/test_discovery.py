"""Vendors are found by entry points, and a broken package harms nobody else."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from syncengine import vendors
from syncengine.config.loading import read_config
from syncengine.vendor import API_VERSION, VendorSpec
from syncengine.vendors import UnusableVendorError
from syncengine.vendors.charles import VENDOR as CHARLES

_ROOT = Path(__file__).resolve().parents[2]


def test_every_module_is_a_vendor() -> None:
    folder = Path(vendors.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")}
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    expected = sorted((modules | packages) - {"__init__", "kit"})
    assert sorted(vendors.OWN) == expected
    assert list(vendors.names()) == expected


def test_our_own_have_entry_points_as_everybodys() -> None:
    declared = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    points = declared["project"]["entry-points"][vendors.GROUP]
    assert points == {name: vendors.origin(name).target for name in vendors.OWN}


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


def spec(**changes: Any) -> VendorSpec:
    given = {
        "name": "acme",
        "api_version": API_VERSION,
        "settings": CHARLES.settings,
        "build": CHARLES.build,
        "version": 1,
        "limits": CHARLES.limits,
    }
    return VendorSpec(**{**given, **changes})


class _Distribution(metadata.Distribution):
    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        assert filename in ("METADATA", "PKG-INFO", "")
        return f"Name: {self._name}\nVersion: 2.1\n"

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


def _entry(package: str, vendor: str, target: str) -> metadata.EntryPoint:
    entry = metadata.EntryPoint(vendor, target, vendors.GROUP)
    vars(entry)["dist"] = _Distribution(package)
    return entry


class Installed:
    """The packages of a test: each brings one vendor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._entries: list[metadata.EntryPoint] = []

    def add(self, package: str, vendor: str, target: str) -> None:
        self._entries.append(_entry(package, vendor, target))
        self._monkeypatch.setattr(
            metadata, "entry_points", lambda *, group: (group, self._entries)[1]
        )
        vendors.sources.cache_clear()

    def add_spec(self, package: str, vendor: str, value: object) -> None:
        name = f"{package.replace('-', '_')}_of_a_test"
        module = ModuleType(name)
        vars(module)["VENDOR"] = value
        self._monkeypatch.setitem(sys.modules, name, module)
        self.add(package, vendor, f"{name}:VENDOR")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    yield Installed(monkeypatch)
    vendors.sources.cache_clear()


def test_a_package_brings_a_vendor(installed: Installed) -> None:
    acme = spec()
    installed.add_spec("acme-sync", "acme", acme)
    assert "acme" in vendors.names()
    assert vendors.load("acme") is acme
    assert str(vendors.origin("acme")) == "the package acme-sync 2.1"
    assert not vendors.origin("acme").is_own
    assert vendors.origin("charles").is_own
    assert vendors.load_all().keys() == {"acme", *vendors.OWN}


def test_nothing_is_imported_before_it_is_used(installed: Installed) -> None:
    installed.add("acme-sync", "acme", "no_such_module_at_all:VENDOR")
    assert "acme" in vendors.names()
    assert vendors.load("charles") is CHARLES
    assert vendors.load_all().keys() == set(vendors.OWN)
    with pytest.raises(UnusableVendorError, match="cannot be imported") as refused:
        vendors.load("acme")
    assert str(refused.value) == (
        'the vendor "acme" of the package acme-sync 2.1 cannot be imported: '
        "ModuleNotFoundError: No module named 'no_such_module_at_all'; "
        "repair, update or uninstall that package"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "acme_sync_of_a_test:VENDOR is of the type object"),
        (spec(name="other"), 'calls itself "other" in its VendorSpec'),
        (spec(api_version=API_VERSION - 1), "; update it"),
        (spec(api_version=API_VERSION + 1), "; update syncengine"),
    ],
    ids=["no spec", "another name", "too old", "too new"],
)
def test_a_wrong_spec_is_named_with_its_package(
    installed: Installed, value: object, message: str
) -> None:
    installed.add_spec("acme-sync", "acme", value)
    with pytest.raises(UnusableVendorError) as refused:
        vendors.load("acme")
    told = str(refused.value)
    assert told.startswith('the vendor "acme" of the package acme-sync 2.1 ')
    assert message in told


def test_a_module_that_ends_the_process_does_not(
    installed: Installed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "acme_that_exits.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    installed.add("acme-sync", "acme", "acme_that_exits:VENDOR")
    with pytest.raises(UnusableVendorError, match="SystemExit: 3"):
        vendors.load("acme")


def test_a_name_that_is_taken_is_nobodys(installed: Installed) -> None:
    installed.add_spec("acme-sync", "charles", spec(name="charles"))
    with pytest.raises(UnusableVendorError) as refused:
        vendors.load("charles")
    version = vendors.sources()["charles"][0].version
    assert str(refused.value) == (
        f'the vendor "charles" is brought by the package syncengine {version} and '
        "the package acme-sync 2.1: uninstall one of them"
    )
    assert vendors.load("respond_io").name == "respond_io"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Acme"}, "name: "),
        ({"name": "acme-sync"}, "name: "),
        ({"version": 0}, "version: "),
        ({"limits": ()}, "limits: "),
        ({"identity": ("nothing",)}, "identity: there is no setting"),
        ({"identity": ("api_key",)}, "identity: the setting .* is a secret"),
        ({"twin": "acme_sync.twin"}, "twin: "),
        ({"widened_by": {"match_on": "no"}}, "widened_by: "),
        ({"widened_by": {"base_url": "base_url"}}, "widened_by: "),
    ],
    ids=str,
)
def test_a_mistake_in_a_spec_is_said_to_its_author(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        spec(**changes)


def test_a_plug_in_that_cannot_be_used_ends_its_destinations_only(
    installed: Installed, tmp_path: Path
) -> None:
    installed.add("acme-sync", "acme", "no_such_module_at_all:VENDOR")
    installed.add_spec("bolt-sync", "bolt", spec(name="bolt", build=_fails_to_build))
    installed.add_spec("crest-sync", "crest", spec(name="crest"))
    destinations = {"one": "acme", "two": "bolt", "three": "charles", "four": "crest"}
    for name, vendor in destinations.items():
        file = tmp_path / "destinations" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(DESTINATION.format(vendor), encoding="utf-8")
    (tmp_path / "syncengine.yaml").write_text(PROJECT, encoding="utf-8")
    config = read_config(tmp_path / "syncengine.yaml", {"KEY": "a-secret-key"})
    assert [each.name for each in config.destinations] == ["three"]
    assert config.broken.keys() == {"one", "two", "four"}
    (one,), (two,), (four,) = (config.broken[name] for name in ("one", "two", "four"))
    assert "the adapter has another name than its VendorSpec" in str(four)
    assert "package acme-sync 2.1 cannot be imported" in str(one)
    assert "package bolt-sync 2.1 cannot be built from these settings" in str(two)
    assert "RuntimeError in test_discovery.py, line" in str(two)
    assert "a-secret-key" not in str(two)


def _fails_to_build(settings: Any) -> Any:
    raise RuntimeError(settings.api_key.get_secret_value())


PROJECT = """
database: postgresql://nobody@localhost/nothing
source: {table: crm.people, key: id}
"""
DESTINATION = """
vendor: {}
settings:
  base_url: https://acme.example
  api_key: ${{KEY}}
  source_type: crm
fields:
  first_name: name
"""
