"""The contacts of a run that were deleted at the vendor and are created again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from syncengine.app.brakes import brake_limits_of, command_past
from syncengine.app.databases import Databases
from syncengine.app.plan_file import PlanPart
from syncengine.app.run_request import RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.engine.task import Task
from syncengine.planning.brakes import brake_of_recreations
from syncengine.ports import ContactStore
from syncengine.storage.state.contact_counts import known_contacts


class Recreations:
    """Chooses the contacts to create again, once the rest of the run is through."""

    def __init__(
        self,
        destination: DestinationConfig,
        databases: Databases,
        request: RunRequest,
        task: Task,
        store: ContactStore,
        planned: PlanPart | None = None,
    ) -> None:
        """Take the run's parts; ``planned`` where it sends what a plan file says."""
        self.braked: str | None = None
        """Text of the brake, where it stopped them."""
        self._destination = destination
        self._databases = databases
        self._request = request
        self._task = task
        self._store = store
        self._planned = planned

    async def wanted(self) -> Sequence[str]:
        """Return the ids of the contacts; none where a brake stops it.

        Contacts that were named one by one are not judged by the brake. Raises
        StorageError.
        """
        if not self._task.recreates:
            return ()
        if self._planned is not None:
            wanted = {each for each, _ in self._planned.ids(recreated=True)}
            gone = await self._store.gone(all_of_them=True)
            return await self._judged([each for each in gone if each in wanted])
        everybody = self._request.about_everybody
        return await self._judged(await self._store.gone(all_of_them=everybody))

    async def forecast(self, contact_ids: Collection[str]) -> Sequence[str]:
        """Return those of a run about these contacts, without there being a run."""
        if not self._task.recreates:
            return ()
        gone = await self._store.gone(all_of_them=True)
        if not self._request.about_everybody:
            gone = [each for each in gone if each in contact_ids]
        return await self._judged(gone)

    async def _judged(self, gone: Sequence[str]) -> Sequence[str]:
        """Return the contacts; none where too many of the known ones are gone."""
        request, destination = self._request, self._destination
        is_named = request.contacts or (request.plan and request.names_contacts)
        if not gone or is_named:
            return gone
        known = await known_contacts(self._databases.state, destination.name)
        allowed = brake_limits_of(destination)
        brake = brake_of_recreations(len(gone), known, allowed, request.accept)
        if brake is None:
            return gone
        self.braked = (
            f"{destination.name}: brake {brake.name}: {brake.message}. If they are to "
            f"be there, {command_past(destination, request, brake.name)}; if not, set "
            f"on_gone: report ({destination.place('on_gone')})"
        )
        return ()
