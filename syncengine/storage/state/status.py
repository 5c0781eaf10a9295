"""Status of destinations, as the state knows it right now (``syncengine status``)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import asyncpg
import orjson

from syncengine.model.alerts import AlertKind, Concern
from syncengine.model.progress import snapshot_from
from syncengine.model.reports import RunStatus
from syncengine.model.status import LastRun, LeaseHolder, StatusReport
from syncengine.model.work import RunKind, Standing
from syncengine.storage.connect import Pool
from syncengine.storage.state.access import read_state
from syncengine.storage.state.failures import SEND_NOTHING
from syncengine.storage.statements import statements

_SQL = statements("status")


async def read_status(
    pool: Pool, destinations: Sequence[tuple[str, str]]
) -> list[StatusReport]:
    """Return the status of these destinations, given with their accounts, in order.

    Raises StorageError.
    """
    names = [name for name, _ in destinations]
    accounts = [account for _, account in destinations]
    async with read_state(pool) as connection:
        rows = await connection.fetch(
            _SQL["status"], names, accounts, list(SEND_NOTHING)
        )
        standing_rows = await connection.fetch(_SQL["standing"], names)
        alert_rows = await connection.fetch(_SQL["alerts"], names)
        waiting_rows = await connection.fetch(_SQL["undelivered_alerts"], names)
    undelivered = {row["destination"]: row["number"] for row in waiting_rows}
    alerts: defaultdict[str, dict[Concern, AlertKind]] = defaultdict(dict)
    for row in alert_rows:
        concern = Concern(row["concern"])
        alerts[row["destination"]][concern] = AlertKind(row["state"])
    standing: defaultdict[str, Counter[Standing]] = defaultdict(Counter)
    by_code: defaultdict[str, dict[Standing, Counter[str]]] = defaultdict(dict)
    for row in standing_rows:
        name, reason, number = (
            row["destination"],
            Standing(row["standing"]),
            row["number"],
        )
        standing[name][reason] += number
        if row["code"]:
            by_code[name].setdefault(reason, Counter())[row["code"]] = number
    found = {row["destination"]: row for row in rows}
    reports: list[StatusReport] = []
    for name, account in destinations:
        row = found[name]
        report = StatusReport(
            destination=name,
            account=account,
            last_run=_last_run(row),
            standing=standing[name],
            standing_codes=by_code[name],
            in_step=_in_step(row["sent_status"]),
            progress=snapshot_from(orjson.loads(row["progress"] or "null")),
            lease=_lease(row),
            open_erasures=row["erasures"],
            alerts=alerts[name],
            undelivered_alerts=undelivered.get(name, 0),
        )
        reports.append(report)
    return reports


def _in_step(sent_status: str | None) -> bool | None:
    """Return whether the run that ended so did everything."""
    if sent_status in (None, RunStatus.RUNNING.value):
        return None
    return sent_status == RunStatus.DONE.value


def _last_run(row: asyncpg.Record) -> LastRun | None:
    """Return the newest run in a row of the statement; None where there was none."""
    if row["run_id"] is None:
        return None
    totals = orjson.loads(row["totals"])
    contacts = totals.get("contacts")
    # Of a verification or an adoption, contacts are a list, and no numbers.
    if not isinstance(contacts, dict):
        contacts = {}
    return LastRun(
        run_id=row["run_id"],
        kind=RunKind(row["kind"]),
        status=RunStatus(row["status"]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        contacts=contacts,
        error=row["error"],
    )


def _lease(row: asyncpg.Record) -> LeaseHolder | None:
    """Return who has the account's lease; None where nobody has."""
    if row["holder"] is None:
        return None
    return LeaseHolder(row["holder"], row["expires_at"])
