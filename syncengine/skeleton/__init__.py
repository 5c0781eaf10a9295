"""The skeleton of a package that brings a vendor: adapter, twin, tests, an example.

``syncengine new-vendor`` writes it; it passes its own contract suite at once. The files
beside this one are its templates. They end in ``.txt`` so that no tool takes them for
code, and ``{{vendor}}`` and the like stand for names: of "acme_crm", ``{{Vendor}}``
becomes "AcmeCrm", ``{{VENDOR}}`` "ACME_CRM" and ``{{module}}`` "acme_crm_sync".
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path


def write_skeleton(vendor: str, folder: Path) -> tuple[Path, ...]:
    """Write the package of a new vendor into a new or empty folder; return its files.

    Raises ValueError for a name that no module can have, FileExistsError where the
    folder holds something, and OSError where it cannot be written.
    """
    if not is_usable_name(vendor):
        raise ValueError(
            f'"{vendor}" is no name for a vendor: write it in small letters, digits '
            "and underscores, a letter first"
        )
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; name another --folder")
    names = _names(vendor)
    written = []
    for template, target in _targets(names["module"], vendor).items():
        content = (files(__name__) / template).read_text(encoding="utf-8")
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled_in(content, names), encoding="utf-8")
        written.append(path)
    return tuple(written)


def is_usable_name(vendor: str) -> bool:
    """Return whether a module, a class and an entry point can have the name."""
    if not vendor.isascii() or not vendor.isidentifier() or keyword.iskeyword(vendor):
        return False
    return vendor == vendor.lower() and vendor[0].isalpha()


def package_of(vendor: str) -> str:
    """Return the name under which the package is installed."""
    return f"{vendor.replace('_', '-')}-sync"


def _names(vendor: str) -> dict[str, str]:
    """Return what each placeholder stands for."""
    return {
        "vendor": vendor,
        "Vendor": "".join(part.capitalize() for part in vendor.split("_")),
        "VENDOR": vendor.upper(),
        "module": f"{vendor}_sync",
        "package": package_of(vendor),
    }


def _targets(module: str, vendor: str) -> dict[str, str]:
    """Return the path in the new package of each template, by the template's name."""
    return {
        "pyproject.toml.txt": "pyproject.toml",
        "README.md.txt": "README.md",
        "__init__.py.txt": f"{module}/__init__.py",
        "adapter.py.txt": f"{module}/adapter.py",
        "batches.py.txt": f"{module}/batches.py",
        "twin.py.txt": f"{module}/twin.py",
        "twin_batches.py.txt": f"{module}/twin_batches.py",
        "test_contract.py.txt": "tests/test_contract.py",
        "test_wire.py.txt": "tests/test_wire.py",
        "test_batches.py.txt": "tests/test_batches.py",
        "destination.yaml.txt": f"{vendor}.yaml.example",
    }


def _filled_in(content: str, names: Mapping[str, str]) -> str:
    """Return a template with each ``{{name}}`` replaced."""
    for name, value in names.items():
        placeholder = "{{" + name + "}}"
        content = content.replace(placeholder, value)
    return content
