"""Merge two contacts at a vendor that can, for ambiguous matches of an adoption.

The vendor decides which of the two is left. Where one is the copy of a contact of ours,
that contact owns the one that is left afterwards: ``app.merging`` says how that stays
true through crashes and lost answers.
"""

from __future__ import annotations

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.merge_owners import merge_refusal
from syncengine.app.merge_pair import MergePair
from syncengine.app.merging import merge_ours, merge_strangers
from syncengine.app.pipelines import side_by_side
from syncengine.app.session import session, status_of
from syncengine.app.vendor_access import vendor_access
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import (
    AccountStopped,
    ConfigError,
    Problem,
    RequestFailed,
    RunRefused,
    SyncEngineError,
)
from syncengine.model.copies import MergeReport
from syncengine.model.reports import RunStatus
from syncengine.ports import Merger


async def merge(config: Config, name: str, into: str, other: str) -> MergeReport:
    """Merge the vendor contact ``other`` into ``into`` (external ids).

    A contact of ours that has ``into`` has the one that is left afterwards, and the
    next run brings it in step. Raises ConfigError for a vendor that cannot.
    """
    config = await settled(config)
    (destination,) = config.chosen((name,))
    if not isinstance(destination.vendor, Merger):
        what = (
            f"{destination.vendor.name} cannot merge contacts; delete one of the two "
            "there"
        )
        raise ConfigError([Problem(f"merge -d {name}", what)])
    if into == other:
        raise ConfigError([Problem("merge", "a contact cannot be merged into itself")])
    async with open_databases(config, (destination,)) as databases:

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> MergeReport:
            try:
                return await _merge(
                    destination, account, config, databases, into, other
                )
            except RunRefused as error:
                return await _failed(destination, error)

        (report,) = await side_by_side(config, databases, (destination,), work, _failed)
        return report


async def _failed(
    destination: DestinationConfig, error: SyncEngineError
) -> MergeReport:
    return MergeReport(destination.name, status_of(error), error=str(error))


async def _merge(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    into: str,
    other: str,
) -> MergeReport:
    """Merge under the lease: no run may write about these contacts meanwhile."""
    name = destination.name
    async with session(destination, account, config, databases, kind=None) as s:  # noqa: PLR1702 - resources
        # Of ``into`` any owner counts, even a removed contact; of ``other`` only one
        # that would not give it up.
        owners = {
            **await s.contacts.owners("", [into], takes_over=False),
            **await s.contacts.owners("", [other], takes_over=True),
        }
        refusal = merge_refusal(name, owners, into, other)
        if refusal:
            return MergeReport(name, RunStatus.REFUSED, error=refusal)
        try:
            async with vendor_access(destination, account) as retrier:
                pair = MergePair(destination, retrier, into, other)
                if into not in owners:
                    return await merge_strangers(pair)
                contact_id = owners[into].partition("/")[2]
                states = await s.contacts.load([contact_id])
                return await merge_ours(pair, s.contacts, states[contact_id])
        except AccountStopped as stopped:
            error = stopped_by(stopped, destination)
            return MergeReport(name, RunStatus.HALTED, error=error)
        except RequestFailed as failure:
            return MergeReport(name, RunStatus.REJECTED, error=str(failure))
