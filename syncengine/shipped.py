"""Places of the files that are not Python.

They are beside the package in a checkout, inside it in an installed wheel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def shipped(name: Literal["migrations", "config"]) -> Path:
    """Return the folder of that name.

    Raises FileNotFoundError where an installation lost it.
    """
    package = Path(__file__).resolve().parent
    # The wheel's place comes first: beside an installed package there may be a folder
    # "config" that belongs to somebody else.
    for folder in (package / "shipped" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"This installation of syncengine lacks its folder {name!r}; install it again"
    )
