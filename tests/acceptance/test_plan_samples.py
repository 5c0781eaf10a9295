"""``plan`` shows single contacts with their requests, and what a changed file sends."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from syncengine import Project
from syncengine.errors import ConfigError
from syncengine.model.plan_sample import SampledContact
from tests.support.demo_project import TOKEN
from tests.support.people_project import RESPOND_IO, People, people

NAME = "respond_io"
FILE = {**RESPOND_IO, "on_removed": "untag"}
LOWER = {**RESPOND_IO["fields"], "firstName": {"from": "name", "as": "lower"}}


def requests(contact: SampledContact, *cases: str) -> list[tuple[str, str]]:
    """Return method and path of the requests in these cases, in their order."""
    return [
        (step.request.method, step.request.path)
        for step in contact.steps
        if step.request is not None and step.case in cases
    ]


@pytest.mark.asyncio
async def test_the_requests_that_are_shown_are_those_that_are_sent(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {NAME: FILE}) as here:
        await here.add([1], tags=["vip"])
        (shown,) = (await here.plan(NAME, contacts=("1",))).sample
        await here.run(NAME)
        journal = [
            (entry.method, entry.path) for entry in here.sandbox.journal(NAME).log
        ]
        new_id = here.held(NAME)[1]["id"]
        assert [
            (method, path.replace("{id}", new_id))
            for method, path in requests(shown, "always", "not_found")
        ] == journal
        assert shown.why == "new"
        assert shown.fields["firstName"] == {"new": "Name 1"}
        body = shown.steps[1].request.body  # type: ignore[union-attr]
        assert "Name 1" in json.dumps(body)
        # Whoever is found is brought in step instead, as far as that differs.
        found = [step.action for step in shown.steps if step.case == "found"]
        assert found == ["update", "add_tags"]
        assert ("PUT", "/contact/{id}") in requests(shown, "found")

        await here.change(1, name="Bea", tags=[])
        (shown,) = (await here.plan(NAME, contacts=("1",))).sample
        before = len(journal)
        await here.run(NAME)
        journal = [
            (entry.method, entry.path) for entry in here.sandbox.journal(NAME).log
        ]
        assert requests(shown, "always") == journal[before:]
        assert shown.fields == {"firstName": {"old": "Name 1", "new": "Bea"}}
        assert (shown.tags_added, shown.tags_removed) == ((), ("vip",))
        assert TOKEN not in json.dumps(shown.public())
        assert shown.steps[0].request.headers["authorization"] == "[secret]"  # type: ignore[union-attr]


@pytest.mark.asyncio
async def test_a_sample_is_spread_and_values_are_shown_only_where_asked_for(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path / "config", {NAME: FILE}) as here:
        await here.add(range(1, 7))
        await here.run(NAME)
        await here.add(range(7, 12))
        await here.change(1, name="Secret Person")
        await here.remove([2])
        await here.change(3, phone="not a phone", name=None)
        plan = await here.plan(NAME, sample=3, accept=frozenset({"removals"}))
        assert {contact.why for contact in plan.sample} >= {"new", "row_changed"}
        assert len(plan.sample) == 3
        assert all(not contact.steps for contact in plan.sample)
        unasked = await here.plan(NAME, accept=frozenset({"removals"}))
        assert unasked.sample == ()
        assert "Secret Person" not in json.dumps(unasked.public())
        code, said = await here.command("plan", "--contact", "1")
        assert code == 0
        assert "respond_io, contact 1 (row changed): update" in said
        assert "Secret Person" in said
        assert "  update: PUT /contact/" in said
        assert "authorization: [secret]" in said
        assert TOKEN not in said


def git(folder: Path, *arguments: str) -> None:
    program = shutil.which("git")
    assert program is not None
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run([program, *who, *arguments], cwd=folder, check=True)


async def since(here: People, earlier: str, **options: Any) -> dict[str, Any]:
    """Return what only the present configuration would send."""
    project = Project.load(here.file, environ=here.environ)
    (report,) = await project.aplan(NAME, since_config=earlier, **options)
    assert report.since_config is not None
    found = report.since_config.public()
    return {key: value for key, value in found.items() if value}


@pytest.mark.asyncio
async def test_what_a_change_of_the_configuration_alone_sends(
    database: str, tmp_path: Path
) -> None:
    if shutil.which("git") is None:
        pytest.skip("there is no git, which holds the earlier configuration")
    folder = tmp_path / "repository" / "config"
    async with people(database, folder, {NAME: FILE}) as here:
        git(folder.parent, "init", "-q")
        git(folder.parent, "add", "config")
        git(folder.parent, "commit", "-q", "-m", "first")
        await here.add(range(1, 7), tags=["vip"])
        await here.run(NAME)
        # Due anyway, whatever the configuration says.
        await here.add([7], tags=["vip"])
        await here.change(1, phone="+4915199999")
        assert await since(here, "HEAD") == {}

        shutil.copytree(folder, tmp_path / "before")
        here.configure(NAME, fields=LOWER)
        expected = {
            # Five are in step by the earlier mapping.
            "contacts": 5,
            # Of the new one and of the changed one more is sent.
            "contacts_more": 2,
            "requests": 5,
            "fields": {"firstName": {"set": 1, "changed": 6, "cleared": 0}},
        }
        assert await since(here, "HEAD") == expected
        assert await since(here, str(tmp_path / "before")) == expected
        before = tmp_path / "before" / "syncengine.yaml"
        assert await since(here, str(before)) == expected
        # Nothing was written or checked out: the plan is the same, and so is the file.
        assert await since(here, "HEAD") == expected
        assert "lower" in here.destination_file(NAME).read_text(encoding="utf-8")

        here.configure(NAME, where="false")
        assert "brake empty_source" in (await since(here, "HEAD"))["refused_by"]
        for wrong in ("no-such-commit", "--all", "HEAD~7"):
            with pytest.raises(ConfigError, match="neither a file or folder"):
                await since(here, wrong)
        here.configure(NAME, where=None)
        code, said = await here.command("plan", "--since-config", "HEAD")
        assert code == 0
        assert "since the earlier configuration: 5 contacts about which nothing" in said
