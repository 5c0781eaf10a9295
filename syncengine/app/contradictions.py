"""Fields that two destinations of one account want to have different values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from syncengine.app.counted import counted, worded
from syncengine.app.databases import Databases
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.neighbours import desired_of
from syncengine.errors import SourceError
from syncengine.model.calls import Rejected
from syncengine.model.capabilities import matches
from syncengine.model.contact import Desired, Known
from syncengine.model.contact_ids import name_of
from syncengine.planning.changes import EMPTY, equal_as_json
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.shares import OwnedContact, Shares

_MOST = 20
"""Contacts of a run that are looked at."""


def differently_mapped(destination: DestinationConfig, config: Config) -> Iterator[str]:
    """Yield fields that another destination of the account maps in another way.

    Each pair of destinations comes once.
    """
    mine = {field.field: field for field in destination.mapping.fields}
    for other in config.destinations:
        if other.account != destination.account or other.name <= destination.name:
            continue
        names = [
            each.field
            for each in other.mapping.fields
            if mine.get(each.field, each) != each
        ]
        if names:
            them = worded(len(names), "it", "them")
            yield (
                f"{', '.join(names)}: {other.file} of the same account maps {them} "
                f"in another way than {destination.file}. A contact that both select "
                "belongs to one of them, and has the values of that one"
            )


async def contradictions(
    destination: DestinationConfig,
    databases: Databases,
    source: Source,
    fence: Fence,
    run_id: int,
) -> tuple[str, ...]:
    """Return remarks on contacts for which two destinations ask different values.

    The contacts of the run are looked at that another destination owns.

    Raises StorageError.
    """
    owned = await Shares(fence).owned_elsewhere(run_id, destination.name, _MOST)
    if not owned:
        return ()
    # These contacts were rejected, so their desired values are stored nowhere and are
    # worked out from the rows again.
    try:
        reader = SourceRows(databases.source(destination), source)
        rows = await reader.load([each.contact_id for each in owned])
    except SourceError:
        return ()  # the report itself names the source's failure
    capabilities = destination.vendor.capabilities
    desired = {
        row.contact_id: desired_of(row, destination.mapping, capabilities)
        for row in rows
    }
    several = capabilities.accumulates
    return tuple(_remarks(destination.file, owned, desired, several))


def _remarks(
    file: Path,
    owned: Sequence[OwnedContact],
    desired: Mapping[str, Desired | Rejected],
    several: tuple[str, ...],
) -> Iterator[str]:
    found: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for contact in owned:
        wanted = desired.get(contact.contact_id)
        if not isinstance(wanted, Desired):
            continue
        for name in _different(wanted, contact.known, several):
            found[contact.owner, name] += 1
            examples.setdefault((contact.owner, name), contact.contact_id)
    for (owner, name), number in sorted(found.items()):
        contacts = counted(number, "contact", "contacts")
        example = name_of(examples[owner, name])
        yield (
            f"{file} and {file.with_stem(owner)} want different values of {name} for "
            f"{contacts} of the account, such as contact {example}, which {owner} has. "
            "Let only one of the two files select such a contact"
        )


def _different(
    wanted: Desired, known: Known, several: tuple[str, ...]
) -> Iterator[str]:
    """Yield the fields that have two values.

    A field that holds several values beside each other has room for both.
    """
    for name, value in wanted.fields.items():
        theirs = known.fields.get(name)
        empty = value in EMPTY or theirs in EMPTY
        if (
            not empty
            and not matches(name, several)
            and not equal_as_json(value, theirs)
        ):
            yield name
