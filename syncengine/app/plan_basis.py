"""Basis of a plan file: the destination, and the meaning of its configuration.

A plan is sent only where both are what they were when it was made. What is known of the
contacts, and their rows, are compared contact by contact (``app.approved_run``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncengine.app.databases import Databases
from syncengine.app.meaning import meaning_of
from syncengine.app.plan_file import PlanFile
from syncengine.app.recognition import Recognised
from syncengine.config.destination import DestinationConfig
from syncengine.errors import RunRefused
from syncengine.model.http import Json
from syncengine.model.plan_file import PlanBasis
from syncengine.planning.plan_file import Digests
from syncengine.storage.state.destinations import Identity
from syncengine.storage.state.plan_files import newest_run

_OPTION = "option."
"""Beginning of a part's name that is a key of the file; the key follows."""
_IN_WORDS = {
    "tags": "the mapping of the tags",
    "tags_prefix": "the prefix of the tags",
    "lists": "the mapping of the lists",
    "version": "the version of what reads and sends the values",
}
_FIELD = "fields."


async def basis_of(
    destination: DestinationConfig,
    databases: Databases,
    recognised: Recognised,
    digests: Digests,
) -> PlanBasis:
    """Return what a plan of the destination rests on now. Raises StorageError."""
    return PlanBasis(
        destination=destination.name,
        account=destination.account,
        vendor=f"{destination.vendor.name} {destination.version}",
        base_url=destination.base_url,
        identity=_identity(recognised.identity, digests),
        meaning=_meaning(destination, digests),
        last_run=await newest_run(databases.state, destination.name),
    )


async def refuse_other_basis(
    destination: DestinationConfig, recognised: Recognised, plan: PlanFile
) -> None:
    """Raise RunRefused where the plan rests on what is not so any more."""
    part = plan.part(destination.name)
    # Before the comparison: a new plan would be refused for the same reason.
    refuse_without_known(destination, recognised)
    changed = [
        *_changed(part.basis.identity, _identity(recognised.identity, part.digests)),
        *_changed(part.basis.meaning, _meaning(destination, part.digests)),
    ]
    if not changed:
        return
    what = ", ".join(dict.fromkeys(changed))
    raise RunRefused(
        f"{destination.name}: since {plan.path} was made, this changed: {what} "
        f"({destination.file}). So nothing was sent; make a new plan "
        f"(`{command_to_plan(destination.name, plan)}`)"
    )


def refuse_without_known(
    destination: DestinationConfig, recognised: Recognised
) -> None:
    """Raise RunRefused where the next run believes nothing that is known.

    What it sends depends on what reading back shows, so that no plan can state it.
    """
    if not recognised.resync and not recognised.is_anew:
        return
    raise RunRefused(
        f"{destination.name}: the next run reads every contact back, since its state "
        "was restored or its account is another one. What it will send cannot be "
        "written into a plan file before: run it without one"
    )


def command_to_plan(name: str, plan: PlanFile) -> str:
    """Return the command that makes a new plan of one destination."""
    return f"syncengine plan -d {name} --out {plan.path}"


def _identity(identity: Identity, digests: Digests) -> dict[str, str]:
    """Return the digest of each part of a destination's identity, by name."""
    parts: dict[str, Json] = {
        "account": identity.account,
        "vendor": identity.vendor,
        "base_url": identity.base_url,
        "settings": dict(identity.settings),
        "source": identity.source,
        "database": identity.database,
    }
    return {name: digests.of(name, value) for name, value in parts.items()}


def _meaning(destination: DestinationConfig, digests: Digests) -> dict[str, str]:
    """Return the digest of each part of the configuration that decides about calls."""
    options = destination.options
    parts: dict[str, Json] = {
        "match_on": list(options.match_on),
        "where": options.where,
        "opted_out": options.opted_out,
        "find_first": options.find_first,
        "on_removed": options.on_removed.value,
        "on_gone": options.on_gone.value,
    }
    options_by_name = {
        _OPTION + name: digests.of(value) for name, value in parts.items()
    }
    return {**meaning_of(destination), **options_by_name}


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield what changed, in words."""
    # Names of both: a part may be new, or not be there any more.
    for name in dict.fromkeys((*before, *now)):
        if before.get(name) == now.get(name):
            continue
        if name.startswith(_FIELD):
            yield f"the mapping of {name.removeprefix(_FIELD)}"
        else:
            yield _IN_WORDS.get(name, name.removeprefix(_OPTION))
