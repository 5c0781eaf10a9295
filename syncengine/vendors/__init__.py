"""The vendors: our own, one module for each API, and those of other packages.

Another package brings a vendor by an entry point of the group ``syncengine.vendors``:

    [project.entry-points."syncengine.vendors"]
    acme = "acme_sync:VENDOR"

Its name is the vendor's, and its value a ``VendorSpec``. A module is imported only when
its vendor is used, so that a broken package does no harm to the others. ``kit`` is what
the adapters share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pkgutil import resolve_name

from syncengine.vendors.kit.spec import API_VERSION, VendorSpec
from syncengine.version import __version__

GROUP = "syncengine.vendors"
OWN = (
    "charles",
    "chartmogul",
    "dm_champ",
    "hubspot",
    "respond_io",
    "respond_io_v2",
    "whautomate",
)
"""The vendors of this package. They are named here because a checkout that is not
installed has no entry points."""

_REPAIR = "repair, update or uninstall that package"
"""Advice where a package is broken, whatever its version."""


class UnusableVendorError(LookupError):
    """A vendor is installed and cannot be used; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class VendorSource:
    """The origin of a vendor: a place in an installed package."""

    vendor: str
    target: str
    """The place of its ``VendorSpec``, as ``module:ATTRIBUTE``."""
    package: str
    version: str

    def __str__(self) -> str:
        return f"the package {self.package} {self.version}"

    @property
    def is_own(self) -> bool:
        """Return whether the vendor belongs to syncengine itself."""
        return self.target == _own_target(self.vendor)


def names() -> tuple[str, ...]:
    """Return the names of all vendors, sorted. Nothing is imported for it."""
    return tuple(sorted(sources()))


def load(name: str) -> VendorSpec:
    """Return the vendor of this name, importing its module.

    Raises LookupError for a name that no package brings, naming those there are, and
    UnusableVendorError for a vendor that cannot be used.
    """
    if name not in sources():
        raise LookupError(
            f'there is no vendor "{name}"; there are: {", ".join(names())}'
        )
    return _load(origin(name))


def load_all() -> dict[str, VendorSpec]:
    """Return every vendor that can be used, by name."""
    specs = {}
    for name in names():
        try:
            specs[name] = load(name)
        except UnusableVendorError:
            continue
    return specs


def origin(name: str) -> VendorSource:
    """Return the package that brings a vendor.

    Raises UnusableVendorError where several do: nobody can tell which one is meant, and
    either sees the account's credentials.
    """
    found = sources()[name]
    if len(found) > 1:
        packages = " and ".join(str(source) for source in found)
        raise UnusableVendorError(
            f'the vendor "{name}" is brought by {packages}: uninstall one of them'
        )
    return found[0]


@cache
def sources() -> Mapping[str, tuple[VendorSource, ...]]:
    """Return the packages that bring each vendor, as installed when first asked."""
    found: dict[str, tuple[VendorSource, ...]] = {}
    for name in OWN:
        source = VendorSource(name, _own_target(name), "syncengine", __version__)
        found[name] = (source,)
    for entry in metadata.entry_points(group=GROUP):
        # Our own are listed already. To read a package's name takes longer than all
        # the rest, so that only strangers are asked for theirs.
        if entry.value == _own_target(entry.name):
            continue
        package, version = "of an unknown name", ""
        if entry.dist is not None:
            package, version = entry.dist.name, entry.dist.version
        source = VendorSource(entry.name, entry.value, package, version)
        found[entry.name] = (*found.get(entry.name, ()), source)
    return found


def _own_target(name: str) -> str:
    """Return the place of the ``VendorSpec`` of one of our own vendors."""
    return f"{__name__}.{name}:VENDOR"


def _load(source: VendorSource) -> VendorSpec:
    """Import a vendor and check what it declares. Raises UnusableVendorError."""
    # Another package may do anything while it is imported, even exit.
    try:
        spec = resolve_name(source.target)
    except (Exception, SystemExit) as error:
        what = f"cannot be imported: {type(error).__name__}: {error}"
        raise _unusable(source, what, _REPAIR) from error
    if not isinstance(spec, VendorSpec):
        kind = type(spec).__name__
        what = f"is no VendorSpec: {source.target} is of the type {kind}"
        raise _unusable(source, what, _REPAIR)
    if spec.name != source.vendor:
        what = f'calls itself "{spec.name}" in its VendorSpec'
        raise _unusable(source, what, _REPAIR)
    if spec.api_version != API_VERSION:
        what = (
            f"was written for version {spec.api_version} of syncengine.vendor, "
            f"and this syncengine has version {API_VERSION}"
        )
        is_old = spec.api_version < API_VERSION
        advice = "update it" if is_old else "update syncengine"
        raise _unusable(source, what, advice)
    return spec


def _unusable(source: VendorSource, what: str, advice: str) -> UnusableVendorError:
    """Return the error that says what is wrong with a vendor, and what to do."""
    return UnusableVendorError(
        f'the vendor "{source.vendor}" of {source} {what}; {advice}'
    )
