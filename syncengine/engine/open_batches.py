"""Batches under way: each is finished once all its contacts have come to an end."""

from __future__ import annotations

from collections import Counter

from syncengine.engine.recorder import Recorder
from syncengine.engine.tally import Tally
from syncengine.model.events import Event, OnEvent
from syncengine.ports import BatchStore


class OpenBatches:
    """Counts the contacts of batches that have not ended, and finishes the batches."""

    def __init__(
        self, batches: BatchStore, recorder: Recorder, tally: Tally, on_event: OnEvent
    ) -> None:
        self._batches = batches
        self._recorder = recorder
        self._tally = tally
        self._on_event = on_event
        self._contacts: Counter[int] = Counter()
        """By batch: how many of its contacts have not ended."""
        self._complete: list[int] = []

    def open(self, batch: int, contacts: int) -> None:
        """Begin a batch with so many contacts; without any it is complete."""
        if contacts:
            self._contacts[batch] = contacts
        else:
            self._complete.append(batch)

    def close_one(self, batch: int) -> None:
        """Note that one contact of a batch has ended."""
        self._contacts[batch] -= 1
        if not self._contacts[batch]:
            del self._contacts[batch]
            self._complete.append(batch)

    async def finish_complete(self) -> None:
        """Mark the complete batches as finished. Raises StorageError, LeaseLost."""
        complete, self._complete = self._complete, []
        if not complete:
            return
        # Their records first: a batch that counts as finished is not looked at again,
        # and after a crash in between its outcomes would be lost.
        await self._recorder.flush()
        for number in complete:
            totals = self._tally.of_batch(number)
            await self._batches.finish(number, totals)
            self._on_event(Event.BATCH_FINISHED, batch=number, **totals)
