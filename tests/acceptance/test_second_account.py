"""One key is one account, whatever it is called.

Its limit counts once, in every configuration over one state.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.config.loading import load_config
from syncengine.model.reports import RunReport
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.people_project import CHARLES, RESPOND_IO, People, people

_SPELLINGS = {
    "as it is": lambda url: url,
    "another name of this machine": lambda url: url.replace("127.0.0.1", "localhost"),
    "capitals and a slash": lambda url: url.replace("http", "HTTP") + "/",
    "dot segments and escapes": lambda url: url.replace(
        "respond_io", "%72espond_io/./x/.."
    ),
}

_ELSEWHERE = frozenset({"account", "base_url", "settings", "vendor"})
"""Changes to accept where a destination goes over to another vendor."""


def _other(here: People, folder: Path, name: str, **keys: Any) -> People:
    """Write another configuration over the same state."""
    (folder / "destinations").mkdir(parents=True, exist_ok=True)
    there = People(
        folder / "syncengine.yaml", here.source, here.sandbox, dict(here.environ), {}
    )
    there.configure_engine(**here.engine)
    there.configure(name, **{**RESPOND_IO, **keys})
    return there


@pytest.mark.asyncio
@pytest.mark.parametrize("spelled", _SPELLINGS.values(), ids=_SPELLINGS.keys())
async def test_another_name_for_one_key_is_refused_by_name(
    database: str, tmp_path: Path, spelled: Any
) -> None:
    async with people(database, tmp_path / "one", {"respond_io": RESPOND_IO}) as here:
        await here.add([1])
        assert (await here.run("respond_io")).status == "done"
        sent = here.requests("respond_io")
        there = _other(here, tmp_path / "two", "second")
        there.environ["RESPOND_IO_URL"] = spelled(here.environ["RESPOND_IO_URL"])
        message = (
            "destinations/second.yaml: account: "
            'the state knows these credentials as account "respond_io" of '
            "respond_io, and the vendor counts their requests together, so nothing "
            "was sent under another name. Write "
            "account: respond_io here, or use a key of its own"
        )
        for verb in ("check", "plan", "run", "verify", "adopt"):
            code, output = await there.command(verb)
            assert (code, message in output) == (2, True), (verb, output)
            # The one request is of check, which asks if the credentials are good.
            if verb != "check":
                assert here.requests("respond_io") <= sent + 1
        there.configure("second", account="respond_io")
        report = await there.run("second")
        assert (
            "or has its file elsewhere, `syncengine run -d second --accept no_file`"
            in str(report.error)
        )
        report = await there.run("second", accept=frozenset({"no_file"}))
        assert report.status != "refused", report.error


@pytest.mark.asyncio
async def test_a_key_may_change_and_change_places(
    database: str, tmp_path: Path
) -> None:
    both = {
        name: {**RESPOND_IO, "account": name, "settings": _settings(name)}
        for name in ("one", "two")
    }
    async with people(database, tmp_path, both) as here:
        here.environ |= {"ONE": "sandbox-token", "TWO": "another-token"}
        first = _statuses(await here.runs())
        assert first <= {"done", "halted", "incomplete"}
        here.environ |= {"ONE": "another-token", "TWO": "sandbox-token"}
        assert "refused" not in _statuses(await here.runs())
        here.environ["ONE"] = "a-third-token"
        assert (await here.run("one")).status != "refused"
        # Another account may have the key that "one" does not use any more.
        there = _other(here, tmp_path / "elsewhere", "third", settings=_settings("one"))
        there.environ["ONE"] = "another-token"
        assert (await there.run("third")).status != "refused"
        # It may not have the key that "one" uses now.
        there = _other(here, tmp_path / "elsewhere", "third", settings=_settings("one"))
        report = await there.run("third")
        assert report.status == "refused"
        assert 'as account "one" of one' in str(report.error)


@pytest.mark.asyncio
async def test_an_account_may_get_another_name(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add([1])
        assert (await here.run("respond_io")).status == "done"
        here.configure("respond_io", account="main")
        refused = await here.run("respond_io")
        assert "--accept account" in str(refused.error)
        accepted = await here.run("respond_io", accept=frozenset({"account"}))
        assert accepted.status == "done"
        assert await _accounts_with_keys(here) == ["main"]


@pytest.mark.asyncio
async def test_an_account_goes_over_to_another_name_with_all_of_its_destinations(
    database: str, tmp_path: Path
) -> None:
    alone = {**RESPOND_IO, "where": "id <= 3"}
    async with people(database, tmp_path, {"whatsapp": alone}) as here:
        await here.add(range(1, 4))
        assert (await here.run("whatsapp")).contacts["applied"] == 3
        sent = here.requests("respond_io")
        here.configure("whatsapp", account="de")
        fields = {**RESPOND_IO["fields"], "firstName": "phone"}
        here.configure(
            "second", **{**alone, "account": "de", "where": "id <= 2", "fields": fields}
        )
        message = "account of whatsapp was whatsapp and is now de"
        for verb in ("check", "plan", "run", "verify", "adopt"):
            code, words = await _words(here, verb)
            assert (code, message in words) == (2, True), (verb, words)
        # Neither may write there before whatsapp's change is accepted: "second" would
        # take contacts for its own that whatsapp owns.
        refused = await here.run("whatsapp")
        assert (refused.status, exit_code(refused)) == ("refused", 2)
        for options in ({}, {"contacts": ("1",)}):
            report = await here.run("second", **options)
            assert (report.status, exit_code(report)) == ("refused", 2)
            hint = "`syncengine run -d whatsapp --accept account`"
            assert hint in str(report.error)
        assert here.requests("respond_io") == sent + 2, (
            "check asked twice whether the credentials are good"
        )

        accepted = await here.run("whatsapp", accept=frozenset({"account"}))
        assert (accepted.status, accepted.contacts["applied"]) == ("done", 0)
        second = await here.run("second")
        assert second.status == "incomplete"
        assert (second.contacts["rejected"], second.contacts["applied"]) == (2, 0)
        await _have_one_owner_each(here)
        contacts = here.held("respond_io").values()
        names = {contact["fields"]["firstName"] for contact in contacts}
        assert names == {"Name 1", "Name 2", "Name 3"}


@pytest.mark.asyncio
async def test_what_is_accepted_for_all_destinations_lets_none_overlook_another(
    database: str, tmp_path: Path
) -> None:
    former = {"a": {**RESPOND_IO, "account": "old", "where": "id <= 2"}}
    former["b"] = {**RESPOND_IO, "account": "old", "where": "id > 2"}
    async with people(database, tmp_path, former) as here:
        await here.add(range(1, 5))
        await here.runs()
        for name in former:
            here.configure(name, account="new", where="id > 0")
        assert _statuses(await here.runs()) == {"refused"}
        reports = await here.runs(accept=frozenset({"account"}))
        # Each asks for the two contacts that the other one owns, and gets neither.
        assert {report.contacts["rejected"] for report in reports.values()} == {2}
        await _have_one_owner_each(here)
        assert await _accounts_with_keys(here) == ["new"]
        keys = await here.source.fetch(
            "SELECT DISTINCT account FROM syncengine.sync_key"
        )
        assert [row["account"] for row in keys] in ([], ["new"])


@pytest.mark.asyncio
async def test_a_file_that_breaks_while_its_account_changes_its_name_is_not_overlooked(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"whatsapp": RESPOND_IO}) as here:
        await here.add([1])
        await here.run("whatsapp")
        sent = here.requests("respond_io")
        here.configure("whatsapp", account="de")
        here.configure("second", **{**RESPOND_IO, "account": "de"})
        assert _statuses(await here.runs()) == {"refused"}
        # With a broken file, nothing says any more that whatsapp is in account de.
        here.configure("whatsapp", fields="nothing")
        code, told = await here.command("run", "-d", "second")
        assert (code, "Write account: whatsapp here" in told) == (2, True), told
        assert here.requests("respond_io") == sent


@pytest.mark.asyncio
async def test_a_file_under_a_new_name_is_refused_until_it_has_its_old_one(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"whatsapp": RESPOND_IO}) as here:
        await here.add(range(1, 4))
        assert (await here.run("whatsapp")).status == "done"
        sent = here.requests("respond_io")
        old, new = here.destination_file("whatsapp"), here.destination_file("renamed")
        old.rename(new)
        code, words = await _words(here, "run")
        advice = f"give the file its old name back (`mv {new} {old}`)"
        assert (code, advice in words) == (2, True), words
        here.destinations["renamed"] = here.destinations.pop("whatsapp")
        here.configure("renamed", account="whatsapp")
        message = (
            "account whatsapp is known to have the destination whatsapp with 3 "
            "contacts, for which there is no file"
        )
        for verb in ("check", "plan", "run", "adopt"):
            code, words = await _words(here, verb)
            assert (code, message in words) == (2, True), (verb, words)
        assert here.requests("respond_io") <= sent + 1, (
            "check asks whether the credentials are good"
        )
        new.rename(old)
        report = await here.run("whatsapp")
        assert (report.status, report.contacts["changed"]) == ("done", 0)


@pytest.mark.asyncio
async def test_a_destination_without_a_file_stops_only_who_owns_nothing_in_its_account(
    database: str, tmp_path: Path
) -> None:
    shop = {**RESPOND_IO, "account": "shop"}
    both = {
        "gone": {**shop, "where": "id <= 2"},
        "stays": {**shop, "where": "id IN (3, 4)"},
    }
    async with people(database, tmp_path, both) as here:
        await here.add([1, 2, 3])
        await here.runs()
        here.destination_file("gone").unlink()
        here.configure("new", **shop, where="id = 6")
        await here.add([4, 6])
        reports = await here.runs()
        stays, new = reports["stays"], reports["new"]
        assert (stays.status, stays.contacts["applied"]) == ("done", 1)
        assert (new.status, exit_code(new)) == ("refused", 2)
        accept = frozenset({"no_file"})
        assert (await here.plan("new", accept=accept)).brake is None
        assert (await here.run("new", accept=accept)).contacts["applied"] == 1
        assert (await here.run("new")).status == "done"
        # A file that cannot be read is there all the same.
        here.configure("stays", fields="nothing")
        assert "no_file" not in (await here.command("run", "-d", "new"))[1]


@pytest.mark.asyncio
@pytest.mark.parametrize("lost", ["nothing", "syncengine.sync_credentials"])
async def test_of_two_names_for_one_account_the_one_in_the_state_is_to_be_written(
    database: str, tmp_path: Path, lost: str
) -> None:
    async with people(database, tmp_path, {"whatsapp": RESPOND_IO}) as here:
        await here.add([1])
        await here.run("whatsapp")
        if lost != "nothing":
            # The state comes from a version that recorded no keys.
            await here.source.execute(f"TRUNCATE {lost}")
        sent = here.requests("respond_io")
        here.configure("second", **RESPOND_IO)
        message = (
            "account: has the same credentials as whatsapp.yaml, and the vendor "
            "counts their requests together: write account: whatsapp in both files"
        )
        for verb in (
            ("check",),
            ("plan",),
            ("run",),
            ("run", "-d", "second"),
            ("verify",),
            ("adopt",),
            ("show", "1"),
        ):
            code, words = await _words(here, *verb)
            assert (code, message in words) == (2, True), (verb, words)
            assert "account: second" not in words, verb
        assert here.requests("respond_io") == sent + 2, (
            "check asks for the credentials, and for a known contact"
        )
        assert (await here.command("run", "-d", "whatsapp"))[0] == 0, (
            "its file is as it should be"
        )
        here.configure("whatsapp", account="third")
        _, words = await _words(here, "check")
        assert words.count("write account: whatsapp in both files") == 2, words


@pytest.mark.asyncio
async def test_of_two_names_that_the_state_does_not_know_the_first_is_to_be_written(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {"one": RESPOND_IO, "two": RESPOND_IO}
    ) as here:
        for verb in ("check", "plan", "run"):
            code, words = await _words(here, verb)
            advice = "write account: one in both files"
            assert (code, words.count(advice)) == (2, 1), (verb, words)
            assert "two.yaml: account: has the same credentials as one.yaml" in words


async def _have_one_owner_each(here: People) -> None:
    rows = await here.source.fetch(
        "SELECT external_id FROM syncengine.sync_state WHERE external_id IS NOT NULL "
        "GROUP BY 1 HAVING count(*) > 1"
    )
    assert rows == []


@pytest.mark.asyncio
async def test_an_account_with_a_new_name_has_no_second_writer(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io"
    async with people(database, tmp_path, {name: RESPOND_IO}) as here:
        await here.add([1, 2, 3])
        here.fail(name, Rule(FaultKind.HOLD_BEFORE_COMMIT, method="POST", times=1))
        # A run that waits for the vendor, and so keeps the lease of the account.
        command = here.start("run", "--json")
        await here.sandbox.holds(name).wait_for(1)
        sent = here.requests(name)
        here.configure(name, account="other")
        for accepted in (frozenset[str](), frozenset({"account"})):
            report = await here.run(name, accept=accepted)
            assert (report.status, exit_code(report)) == ("held", 3)
            said = (
                "destinations of account other were in account respond_io, and "
                "another run is working on that one"
            )
            assert said in str(report.error)
        assert here.requests(name) <= sent + 2, "what the other run sends meanwhile"
        here.sandbox.holds(name).release()
        assert await command.ended() == 0, command.said()
        report = await here.run(name, accept=frozenset({"account"}))
        assert (report.status, report.requests) == ("done", 0)
        assert len(here.sandbox.contacts(name)) == 3
        states = await here.states(name)
        assert len({state["external_id"] for state in states.values()}) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("leaves", ["a", "b"])
async def test_a_destination_that_leaves_its_account_does_not_wait_for_its_own_run(
    database: str, tmp_path: Path, leaves: str
) -> None:
    both = {"a": {**RESPOND_IO, "account": "old", "where": "id <= 2"}}
    both["b"] = {**RESPOND_IO, "account": "old", "where": "id > 2"}
    async with people(
        database, tmp_path, both, twins=("respond_io", "charles")
    ) as here:
        await here.add(range(1, 5))
        await here.runs()
        here.configure(leaves, **{**CHARLES, "account": "new", "match_on": None})
        refused = (await here.runs())[leaves]
        assert (refused.status, exit_code(refused)) == ("refused", 2)
        leases = await here.source.fetch(
            "SELECT account, released FROM syncengine.sync_lease ORDER BY account"
        )
        assert [tuple(row) for row in leases] == [("new", True), ("old", True)]
        reports = await here.runs(accept=_ELSEWHERE)
        ends = {name: (report.status, report.error) for name, report in reports.items()}
        assert ends == {"a": ("done", None), "b": ("done", None)}
        assert reports[leaves].contacts["applied"] == 2
        assert sum(report.requests for report in (await here.runs()).values()) == 0


@pytest.mark.asyncio
async def test_two_destinations_that_change_places_do_not_wait_for_each_other(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database,
        tmp_path,
        {"a": RESPOND_IO, "b": CHARLES},
        twins=("respond_io", "charles"),
    ) as here:
        await here.add([1, 2])
        await here.runs()
        here.configure("a", account="b")
        here.configure("b", account="a")
        # Each takes both leases. In opposite orders they would wait for ever.
        reports = await here.runs(accept=frozenset({"account"}))
        assert _statuses(reports) == {"done"}, reports
        assert len(here.held("respond_io")) == 2
        assert len(here.held("charles")) == 2


@pytest.mark.asyncio
async def test_where_another_run_has_the_former_account_no_lease_stays(
    database: str, tmp_path: Path
) -> None:
    both = {"a": {**RESPOND_IO, "account": "old", "where": "id <= 2"}}
    both["b"] = {**RESPOND_IO, "account": "old", "where": "id > 2"}
    async with people(
        database, tmp_path, both, twins=("respond_io", "charles")
    ) as here:
        await here.add([1, 3])
        await here.runs()
        await here.add([2])
        here.fail(
            "respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT, method="POST", times=1)
        )
        command = here.start("run", "--json")
        await here.sandbox.holds("respond_io").wait_for(1)
        here.configure("b", **{**CHARLES, "account": "new", "match_on": None})
        reports = await here.runs(accept=_ELSEWHERE)
        assert _statuses(reports) == {"held"}
        assert (
            "destinations of account new were in account old, and another run is"
            in str(reports["b"].error)
        )
        leases = await here.source.fetch(
            "SELECT released FROM syncengine.sync_lease WHERE account = 'new'"
        )
        assert [row["released"] for row in leases] in ([], [True])
        here.sandbox.holds("respond_io").release()
        assert await command.ended() == 0, command.said()


@pytest.mark.asyncio
async def test_what_a_run_that_died_sent_under_the_former_name_counts_on(
    database: str, tmp_path: Path
) -> None:
    name, calls, per = "respond_io", 6, 4.0
    limited = {**RESPOND_IO, "limits": [{"calls": calls, "per": "4s"}]}
    async with people(database, tmp_path, {name: limited}) as here:
        await here.add([1, 2, 3])
        assert (await here.run(name)).requests == calls
        # A process that dies neither releases its lease nor hands on its ledger.
        await here.source.execute(
            "UPDATE syncengine.sync_lease SET released = false, ledger = NULL"
        )
        await here.add([4, 5, 6])
        here.configure(name, account="other")
        assert (await here.run(name)).status == "refused"
        accepted = await here.run(name, accept=frozenset({"account"}))
        assert accepted.contacts["applied"] == 3
        times = sorted(entry.at for entry in here.sandbox.journal(name).log)
        assert len(times) == 2 * calls
        # No window of the limit has more requests than the limit allows.
        for earlier, later in zip(times, times[calls:], strict=False):
            assert later - earlier >= per


@pytest.mark.asyncio
async def test_a_long_limit_counts_what_was_sent_under_the_former_name(
    database: str, tmp_path: Path
) -> None:
    name = "respond_io"
    limited = {**RESPOND_IO, "limits": [{"calls": 6, "per": "1d"}]}
    async with people(database, tmp_path, {name: limited}) as here:
        await here.add([1, 2, 3])
        assert (await here.run(name)).requests == 6
        await here.add([4, 5, 6])
        here.configure(name, account="other")
        report = await here.run(name, accept=frozenset({"account"}))
        assert (report.status, report.requests) == ("halted", 0), report.error
        assert "limits" in str(report.error)
        accounts = (
            "SELECT DISTINCT account FROM syncengine.sync_quota "
            "UNION SELECT account FROM syncengine.sync_run"
        )
        rows = await here.source.fetch(accounts)
        assert [row["account"] for row in rows] == ["other"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "verb", ["check", "run", "plan", "verify", "run -d respond_io"]
)
async def test_a_key_of_a_few_characters_is_refused(
    database: str, tmp_path: Path, verb: str
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        # Secrets are hidden in all output, and "tok" is a part of many words.
        here.environ["RESPOND_IO_TOKEN"] = "tok"
        await here.add([1])
        code, said = await here.command(*verb.split())
        assert code == 2
        assert (
            "respond_io.yaml: settings.token: "
            "${RESPOND_IO_TOKEN} is shorter than 8 characters"
        ) in said
        assert "[secret]" not in said
        assert here.requests("respond_io") == 0


@pytest.mark.asyncio
async def test_a_key_that_is_long_enough_mangles_no_word(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        here.environ["RESPOND_IO_TOKEN"] = "settings"
        await here.add([1])
        code, said = await here.command("run")
        assert code == 1
        assert "check settings.token" in said


@pytest.mark.asyncio
async def test_an_address_that_was_remembered_in_another_spelling_is_the_same(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.run("respond_io")
        await here.source.execute(
            "UPDATE syncengine.sync_destination "
            "SET base_url = upper(left(base_url, 4)) || substr(base_url, 5) || '/'"
        )
        config = load_config(here.file, here.environ)
        (report,) = await app.run(config, (), app.RunRequest())
        assert (report.status, report.error) == ("done", None)


async def _words(here: People, *arguments: str) -> tuple[int, str]:
    """Call the command; return its exit code, and its output without line breaks."""
    code, output = await here.command(*arguments)
    return code, " ".join(output.split())


def _statuses(reports: Mapping[str, RunReport]) -> set[str]:
    return {report.status for report in reports.values()}


async def _accounts_with_keys(here: People) -> list[str]:
    rows = await here.source.fetch("SELECT account FROM syncengine.sync_credentials")
    return [row["account"] for row in rows]


def _settings(name: str) -> dict[str, str]:
    return {**RESPOND_IO["settings"], "token": f"${{{name.upper()}}}"}
