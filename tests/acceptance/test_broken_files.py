"""A destination with an unusable file stops none of the other destinations."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine.cli.exits import exit_code
from tests.support.people_project import CHARLES, RESPOND_IO, People, people


async def _break(here: People, how: str) -> str:
    """Make the file of charles unusable, and return the expected message."""
    file = here.destination_file("charles")
    if how == "missing variable":
        del here.environ["CHARLES_KEY"]
        return (
            f"{file}: settings.api_key: the environment variable CHARLES_KEY is not set"
        )
    if how == "no YAML":
        file.write_text("vendor: [\n", encoding="utf-8")
        return f"{file}: is not valid YAML"
    if how == "ending":
        file.rename(file.with_suffix(".yml"))
        return (
            f"{file.with_suffix('.yml')}: is not read: "
            "a destination's file ends in .yaml"
        )
    here.configure(
        "charles",
        settings={**RESPOND_IO["settings"]},
        vendor="respond_io",
        match_on=["name"],
    )
    return f"{file}: match_on"


@pytest.mark.parametrize("how", ["missing variable", "no YAML", "ending", "mapping"])
@pytest.mark.asyncio
async def test_others_go_on(database: str, tmp_path: Path, how: str) -> None:
    async with people(
        database, tmp_path / "world", {"charles": CHARLES, "respond_io": RESPOND_IO}
    ) as here:
        await here.add(range(1, 4))
        assert {exit_code(report) for report in (await here.runs()).values()} == {0}
        told = await _break(here, how)

        await here.change(1, name="Zoë")
        for verb in ("plan", "run", "verify", "adopt"):
            code, said = await here.command(verb, "-d", "respond_io")
            assert (code, told in said) == (0, False), said
            code, said = await here.command(verb)
            assert (code, told in said) == (2, True), said
            if how != "ending":
                assert "they are with `-d respond_io`" in said
        code, said = await here.command("run", "-d", "respond_io", "-d", "charles")
        assert (code, told in said) == (2, True), said
        assert here.held("respond_io")[1]["fields"]["firstName"] == "Zoë"

        code, said = await here.command("check")
        assert code == 2
        assert f"BAD  charles: configuration: {told}" in said
        assert (
            "ok   respond_io: source: crm.people by id (int4), 4 columns, 3 rows"
            in said
        )
        assert "no file for it" not in said

        assert (await here.command("prune"))[0] == 0
        assert (await here.command("suppress", "--contact", "3"))[0] == 0
        assert (await here.command("suppress", "--contact", "3", "--lift"))[0] == 0
        run = await here.one(
            "SELECT max(run_id) AS id FROM syncengine.sync_run "
            "WHERE destination = 'respond_io'"
        )
        code, said = await here.command("retry", str(run["id"]))
        assert code == 0, said
        run = await here.one(
            "SELECT max(run_id) AS id FROM syncengine.sync_run "
            "WHERE destination = 'charles'"
        )
        code, said = await here.command("retry", str(run["id"]))
        assert (code, told in said) == (2, True), said


@pytest.mark.asyncio
async def test_who_is_forgotten_is_open_where_the_file_is_broken(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path / "world", {"charles": CHARLES, "respond_io": RESPOND_IO}
    ) as here:
        await here.add([1, 2])
        await here.runs()
        told = await _break(here, "missing variable")
        code, said = await here.command("forget", "1")
        assert code == 1, said
        assert told in said
        receipts = await here.source.fetch(
            "SELECT destination, status FROM syncengine.sync_erasure ORDER BY 1"
        )
        assert dict(map(tuple, receipts))["charles"] == "open"
        assert 1 in here.held("charles")
        known = await here.one(
            "SELECT count(*) AS left FROM syncengine.sync_known "
            "WHERE destination = 'charles'"
        )
        assert known["left"] == 2, "what is needed to ask the vendor later is kept"

        here.environ["CHARLES_KEY"] = "sandbox-key"
        await here.command("forget", "1")
        assert 1 not in here.held("charles")
