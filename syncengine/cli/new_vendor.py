"""``syncengine new-vendor``: write the package of a new vendor.

The templates are in ``syncengine.skeleton``. Nothing is installed or configured; the
last lines that are printed say what to do next.
"""

from __future__ import annotations

from pathlib import Path

from syncengine import vendors
from syncengine.cli.rendering.layout import print_line
from syncengine.config.paths import quoted
from syncengine.errors import ConfigError, Problem
from syncengine.skeleton import package_of, write_skeleton


def new_vendor(name: str, /, *, folder: Path | None = None) -> int:
    """Write the package of a new vendor, which passes its own tests at once.

    Parameters
    ----------
    name
        The vendor's name, as destinations will say it, such as acme.
    folder
        The new folder to write into. Default: NAME-sync, here.
    """
    # Two packages with a vendor of one name make it unusable (see ``vendors.origin``).
    if name in vendors.names():
        what = f"{vendors.origin(name)} brings a vendor of this name; choose another"
        raise ConfigError([Problem("NAME", what)])
    target = folder or Path(package_of(name))
    try:
        files = write_skeleton(name, target)
    except ValueError as error:
        raise ConfigError([Problem("NAME", str(error))]) from None
    except OSError as error:
        raise ConfigError([Problem("--folder", str(error))]) from None
    print_line(f"{target}: {len(files)} files written. Install and test them:")
    print_line(f"  cd {quoted(target)}")
    # Without --no-deps, pip may look for syncengine in an index, which may have another
    # project of that name.
    print_line("  python -m pip install --no-deps -e . && python -m pytest")
    print_line(
        "This needs syncengine's own wheel in the same environment. "
        "README.md there says how to install it, and what to replace in which order."
    )
    return 0
