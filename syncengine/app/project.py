"""A configuration and what can be done with it: the public Python API."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from syncengine.app import arguments
from syncengine.app.blocking import run_blocking
from syncengine.app.event_log import Listener, listening
from syncengine.app.run_request import (
    KEEP_CREATED,
    RunRequest,
    retry_request,
    undo_request,
)
from syncengine.app.verbs.check import check
from syncengine.app.verbs.plan import plan
from syncengine.app.verbs.run import run
from syncengine.app.verbs.status import status
from syncengine.app.verbs.undo import plan_undo
from syncengine.app.verbs.verify import verify
from syncengine.config.earlier import read_earlier
from syncengine.config.loading import read_config
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.copies import VerifyReport
from syncengine.model.plans import PlanReport
from syncengine.model.reports import (
    CheckReport,
    Progress,
    Reports,
    RunReport,
)
from syncengine.model.status import StatusReport
from syncengine.model.undo_plan import UndoPlan


class Project:
    """A configuration, loaded and ready to be used.

    Each method exists twice: ``run`` blocks until the run is over, ``arun`` is for
    asyncio. The blocking ones work in any thread, and also while an event loop is
    running (as in Jupyter): then the call has a loop in a thread of its own, and the
    running loop waits like everything else in its thread. Under asyncio, await
    ``arun``.

    A project is not changed by what is done with it: it may be used several times, from
    several threads, and beside other projects. Nothing is configured for the process:
    no logging, no signal handlers. Log lines go to the standard logger ``syncengine``;
    each event is also passed to ``on_event``, which must not block.

    Methods raise ``ConfigError``, ``StorageError`` and other kinds of ``RunRefused``
    for what concerns the whole call. What concerns one destination is in its report,
    and ``raise_for_status()`` raises it. Destinations are named as their files are;
    without names, all are meant.
    """

    def __init__(
        self, config: Config, environ: Mapping[str, str] | None = None
    ) -> None:
        """Take a configuration that was read already; ``load`` reads one.

        ``environ`` is what it was read with; the default is that of the process.
        """
        self._config = config
        self._environ = os.environ if environ is None else environ

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] = "config/syncengine.yaml",
        *,
        environ: Mapping[str, str] | None = None,
    ) -> Project:
        """Read ``syncengine.yaml`` and the destinations beside it.

        ``environ`` holds the values of ``${NAME}``, such as keys; the default is the
        environment of the process. Raises ConfigError where the file cannot be used. A
        destination that cannot be used raises it once it is asked for.
        """
        values = os.environ if environ is None else environ
        return cls(read_config(Path(path), values), values)

    @property
    def destinations(self) -> tuple[str, ...]:
        """Return the names of the destinations that can be used."""
        return tuple(each.name for each in self._config.destinations)

    def __repr__(self) -> str:
        # The configuration holds keys: they must not get into a log by accident.
        return f"Project({str(self._config.file)!r})"

    async def acheck(self, *, on_event: Listener | None = None) -> CheckReport:
        """Check configuration, database, sources and credentials.

        Sends one harmless request to each vendor.
        """
        arguments.refuse_other_calls(on_event=on_event)
        with listening(on_event):
            return CheckReport(tuple(await check(self._config)))

    def check(self, *, on_event: Listener | None = None) -> CheckReport:
        """Do what ``acheck`` does, and block until it is done."""
        return run_blocking(lambda _: self.acheck(on_event=on_event))

    async def aplan(
        self,
        *destinations: str,
        backfill: bool = False,
        resync: bool = False,
        removed: bool = False,
        limit: int | None = None,
        contacts: Iterable[str | int] = (),
        accept: Iterable[str] = (),
        sample: int | None = None,
        since_config: str | os.PathLike[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        show_values: bool = False,
        on_event: Listener | None = None,
    ) -> Reports[PlanReport]:
        """Return what a run with the same arguments would send. Sends nothing.

        ``sample`` is a number of contacts to show one by one with their values, spread
        over reasons and actions; contacts that are named are shown with the requests
        about them. ``since_config`` is an earlier configuration, a path or a commit of
        git: the reports then say what only the present one would send.
        ``out`` is a file to write the plan to, for ``run(plan=...)``. It holds digests
        of values; with ``show_values`` the values as well, for whoever approves it.
        """
        names = arguments.destination_names("plan", destinations)
        arguments.refuse_other_flags(show_values=show_values)
        arguments.refuse_other_calls(on_event=on_event)
        file = arguments.path("out", out)
        request = _run_request(
            backfill=backfill,
            resync=resync,
            removed=removed,
            limit=limit,
            contacts=contacts,
            accept=accept,
        )
        with listening(on_event):
            earlier: Config | None = None
            if since_config is not None:
                since = os.fspath(since_config)
                earlier = read_earlier(self._config, since, self._environ)
            reports = await plan(
                self._config,
                names,
                request,
                sample=arguments.at_least_one("sample", sample),
                earlier=earlier,
                out=file,
                shows_values=show_values,
            )
        return Reports(reports)

    def plan(
        self,
        *destinations: str,
        backfill: bool = False,
        resync: bool = False,
        removed: bool = False,
        limit: int | None = None,
        contacts: Iterable[str | int] = (),
        accept: Iterable[str] = (),
        sample: int | None = None,
        since_config: str | os.PathLike[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        show_values: bool = False,
        on_event: Listener | None = None,
    ) -> Reports[PlanReport]:
        """Do what ``aplan`` does, and block until it is done."""
        return run_blocking(
            lambda _: self.aplan(
                *destinations,
                backfill=backfill,
                resync=resync,
                removed=removed,
                limit=limit,
                contacts=contacts,
                accept=accept,
                sample=sample,
                since_config=since_config,
                out=out,
                show_values=show_values,
                on_event=on_event,
            )
        )

    async def arun(
        self,
        *destinations: str,
        backfill: bool = False,
        resync: bool = False,
        removed: bool = False,
        limit: int | None = None,
        contacts: Iterable[str | int] = (),
        accept: Iterable[str] = (),
        plan: str | os.PathLike[str] | None = None,
        on_event: Listener | None = None,
        progress: Progress | None = None,
        stop: asyncio.Event | None = None,
    ) -> Reports[RunReport]:
        """Send what changed in the source, so that the vendors' copies agree with it.

        ``backfill`` compares every contact field by field; ``resync`` believes nothing
        that is known of the contacts but their ids; ``removed`` is about contacts that
        left the source earlier. ``limit`` is the largest number of contacts,
        ``contacts`` are the ids of those to send, ``accept`` the names of brakes and of
        changed settings that may pass this once. ``plan`` is a file that ``plan(out=)``
        wrote: exactly what it says is sent.

        ``progress`` receives the progress. Setting ``stop`` ends the run cleanly:
        requests under way are answered and recorded. To cancel the coroutine is safe as
        well, like killing a process: the next run settles what was sent.
        """
        names = arguments.destination_names("run", destinations)
        request = _run_request(
            backfill=backfill,
            resync=resync,
            removed=removed,
            limit=limit,
            contacts=contacts,
            accept=accept,
        )
        file = arguments.path("plan", plan)
        return await self._arun(names, request, on_event, progress, stop, file)

    def run(
        self,
        *destinations: str,
        backfill: bool = False,
        resync: bool = False,
        removed: bool = False,
        limit: int | None = None,
        contacts: Iterable[str | int] = (),
        accept: Iterable[str] = (),
        plan: str | os.PathLike[str] | None = None,
        on_event: Listener | None = None,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> Reports[RunReport]:
        """Do what ``arun`` does, and block until it is done.

        ``stop`` may be set from any thread. Ctrl-C ends the run cleanly as well, and is
        raised (KeyboardInterrupt) once it is over; a second one ends it at once.
        """
        arguments.refuse_other_stop(stop)
        return run_blocking(
            lambda stop_run: self.arun(
                *destinations,
                backfill=backfill,
                resync=resync,
                removed=removed,
                limit=limit,
                contacts=contacts,
                accept=accept,
                plan=plan,
                on_event=on_event,
                progress=progress,
                stop=stop_run,
            ),
            stop,
        )

    async def aretry(
        self,
        run_id: int | None = None,
        /,
        *,
        batch: int | None = None,
        dead: bool = False,
        code: str | None = None,
        since: datetime | None = None,
        destinations: Iterable[str] = (),
        accept: Iterable[str] = (),
        on_event: Listener | None = None,
        progress: Progress | None = None,
        stop: asyncio.Event | None = None,
    ) -> Reports[RunReport]:
        """Try again, with fresh values, what failed in an earlier run.

        ``run_id`` is its number, and ``batch`` restricts it to one of its batches. With
        ``dead`` it is about all dead letters instead, of these ``destinations``, with
        this ``code`` and last tried ``since`` then. Raises ConfigError for arguments
        that do not go together.
        """
        names = arguments.names("destinations", destinations)
        arguments.refuse_other_flags(dead=dead)
        request = retry_request(
            arguments.at_least_one("run_id", run_id),
            batch=arguments.at_least_one("batch", batch),
            dead=dead,
            code=arguments.text("code", code),
            since=arguments.moment("since", since),
            destinations=names,
            accept=frozenset(arguments.names("accept", accept)),
        )
        return await self._arun(names, request, on_event, progress, stop)

    def retry(
        self,
        run_id: int | None = None,
        /,
        *,
        batch: int | None = None,
        dead: bool = False,
        code: str | None = None,
        since: datetime | None = None,
        destinations: Iterable[str] = (),
        accept: Iterable[str] = (),
        on_event: Listener | None = None,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> Reports[RunReport]:
        """Do what ``aretry`` does, and block until it is done. See ``run``."""
        arguments.refuse_other_stop(stop)
        return run_blocking(
            lambda stop_run: self.aretry(
                run_id,
                batch=batch,
                dead=dead,
                code=code,
                since=since,
                destinations=destinations,
                accept=accept,
                on_event=on_event,
                progress=progress,
                stop=stop_run,
            ),
            stop,
        )

    async def aplan_undo(
        self,
        run_id: int,
        /,
        *,
        destinations: Iterable[str] = (),
        contacts: Iterable[str | int] = (),
        fields: Iterable[str] = (),
        created: str = "keep",
        accept: Iterable[str] = (),
        on_event: Listener | None = None,
    ) -> Reports[UndoPlan]:
        """Return what ``aundo`` with the same arguments would put back. Sends nothing."""
        names = arguments.names("destinations", destinations)
        arguments.refuse_other_calls(on_event=on_event)
        request = _undo_request(run_id, contacts, fields, created, accept)
        with listening(on_event):
            return Reports(await plan_undo(self._config, names, request))

    def plan_undo(
        self,
        run_id: int,
        /,
        *,
        destinations: Iterable[str] = (),
        contacts: Iterable[str | int] = (),
        fields: Iterable[str] = (),
        created: str = "keep",
        accept: Iterable[str] = (),
        on_event: Listener | None = None,
    ) -> Reports[UndoPlan]:
        """Do what ``aplan_undo`` does, and block until it is done."""
        return run_blocking(
            lambda _: self.aplan_undo(
                run_id,
                destinations=destinations,
                contacts=contacts,
                fields=fields,
                created=created,
                accept=accept,
                on_event=on_event,
            )
        )

    async def aundo(
        self,
        run_id: int,
        /,
        *,
        destinations: Iterable[str] = (),
        contacts: Iterable[str | int] = (),
        fields: Iterable[str] = (),
        created: str = "keep",
        accept: Iterable[str] = (),
        on_event: Listener | None = None,
        progress: Progress | None = None,
        stop: asyncio.Event | None = None,
    ) -> Reports[RunReport]:
        """Put back at the vendor what a run changed there.

        ``run_id`` is its number; ``contacts`` and ``fields`` (or ``tags``) restrict what
        is put back. With ``created="delete"`` the contacts that the run created are
        deleted. What somebody or a later run has changed since stays, and is named in
        the report. What was put back is not sent again until its row or mapping
        changes. ``destinations`` refuses a run of any other one.
        """
        names = arguments.names("destinations", destinations)
        request = _undo_request(run_id, contacts, fields, created, accept)
        return await self._arun(names, request, on_event, progress, stop)

    def undo(
        self,
        run_id: int,
        /,
        *,
        destinations: Iterable[str] = (),
        contacts: Iterable[str | int] = (),
        fields: Iterable[str] = (),
        created: str = "keep",
        accept: Iterable[str] = (),
        on_event: Listener | None = None,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> Reports[RunReport]:
        """Do what ``aundo`` does, and block until it is done. See ``run``."""
        arguments.refuse_other_stop(stop)
        return run_blocking(
            lambda stop_run: self.aundo(
                run_id,
                destinations=destinations,
                contacts=contacts,
                fields=fields,
                created=created,
                accept=accept,
                on_event=on_event,
                progress=progress,
                stop=stop_run,
            ),
            stop,
        )

    async def averify(
        self,
        *destinations: str,
        sample: int | None = None,
        contacts: Iterable[str | int] = (),
        repair: bool = False,
        fields: Iterable[str] = (),
        recreate: bool = False,
        accept: Iterable[str] = (),
        on_event: Listener | None = None,
        progress: Progress | None = None,
        stop: asyncio.Event | None = None,
    ) -> Reports[VerifyReport]:
        """Read contacts back from the vendors, and compare them with what was sent.

        ``sample`` draws so many at random, ``contacts`` are the ids of some. With
        ``repair`` the next run sends again what differs: only in these ``fields``, or,
        with ``recreate``, also contacts that were deleted at the vendor.
        """
        names = arguments.destination_names("verify", destinations)
        arguments.refuse_other_flags(repair=repair, recreate=recreate)
        arguments.refuse_other_calls(on_event=on_event, progress=progress, stop=stop)
        with listening(on_event):
            reports = await verify(
                self._config,
                names,
                sample=arguments.at_least_one("sample", sample),
                contacts=arguments.contact_ids(contacts),
                repair=repair,
                fields=arguments.names("fields", fields),
                recreate=recreate,
                accept=arguments.names("accept", accept),
                progress=progress,
                stop=stop,
            )
        return Reports(reports)

    def verify(
        self,
        *destinations: str,
        sample: int | None = None,
        contacts: Iterable[str | int] = (),
        repair: bool = False,
        fields: Iterable[str] = (),
        recreate: bool = False,
        accept: Iterable[str] = (),
        on_event: Listener | None = None,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> Reports[VerifyReport]:
        """Do what ``averify`` does, and block until it is done. See ``run``."""
        arguments.refuse_other_stop(stop)
        return run_blocking(
            lambda stop_verifying: self.averify(
                *destinations,
                sample=sample,
                contacts=contacts,
                repair=repair,
                fields=fields,
                recreate=recreate,
                accept=accept,
                on_event=on_event,
                progress=progress,
                stop=stop_verifying,
            ),
            stop,
        )

    async def astatus(self, *destinations: str) -> Reports[StatusReport]:
        """Return what the state knows of the destinations right now.

        Only reads the state: no source, no vendor. Runs may be under way meanwhile.
        """
        names = arguments.destination_names("status", destinations)
        return Reports(await status(self._config, names))

    def status(self, *destinations: str) -> Reports[StatusReport]:
        """Do what ``astatus`` does, and block until it is done."""
        return run_blocking(lambda _: self.astatus(*destinations))

    async def _arun(
        self,
        destinations: tuple[str, ...],
        request: RunRequest,
        on_event: Listener | None,
        progress: Progress | None,
        stop: asyncio.Event | None,
        plan: Path | None = None,
    ) -> Reports[RunReport]:
        arguments.refuse_other_calls(on_event=on_event, progress=progress, stop=stop)
        with listening(on_event):
            reports = await run(
                self._config,
                destinations,
                request,
                plan=plan,
                progress=progress,
                stop=stop,
            )
        return Reports(reports)


def _undo_request(
    run_id: int,
    contacts: Iterable[str | int],
    fields: Iterable[str],
    created: str,
    accept: Iterable[str],
) -> RunRequest:
    """Return the options of an undo. Raises ConfigError for others."""
    number = arguments.at_least_one("run_id", run_id)
    if number is None:
        raise ConfigError([Problem("run_id", "names the run to take back")])
    return undo_request(
        number,
        contacts=arguments.contact_ids(contacts),
        fields=arguments.names("fields", fields),
        created=arguments.text("created", created) or KEEP_CREATED,
        accept=frozenset(arguments.names("accept", accept)),
    )


def _run_request(
    *,
    backfill: bool,
    resync: bool,
    removed: bool,
    limit: int | None,
    contacts: Iterable[str | int],
    accept: Iterable[str],
) -> RunRequest:
    """Return the options of a run or a plan. Raises ConfigError for others."""
    arguments.refuse_other_flags(backfill=backfill, resync=resync, removed=removed)
    return RunRequest(
        backfill=backfill,
        resync=resync,
        removed=removed,
        limit=arguments.at_least_one("limit", limit),
        contacts=arguments.contact_ids(contacts),
        accept=frozenset(arguments.names("accept", accept)),
    )
