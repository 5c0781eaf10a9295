"""Every code block of README and docs does what it says.

Commands run, in order, on a machine like their reader's. YAML is loaded, SQL prepared,
Python compiled, cron lines parsed. A block that cannot be run stands below a comment
with the reason, and its commands are parsed instead.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from syncengine import Project
from syncengine.cli.verbs import VERBS
from syncengine.config.loading import load_config
from tests.support.doc_blocks import Block, blocks, pages
from tests.support.readers_machine import readers_machine
from tests.support.repository import ROOT

_ELSEWHERE = {
    "docs/how-to/backup-restore-loss.md": "tests/acceptance/test_backup_page.py",
    "docs/how-to/grants.md": "tests/acceptance/test_grants.py",
}
"""Pages whose blocks need a story of their own, with the test that tells it."""
_PARSED_PYTHON = {
    "docs/how-to/airflow.md": "Airflow is not installed here",
    "docs/how-to/dagster.md": "Dagster is not installed here",
    "docs/how-to/prefect.md": "Prefect is not installed here",
    "docs/how-to/new-vendor.md": "the vendor is invented",
    "CONTRIBUTING.md": "the vendor is invented",
}
"""Pages whose Python is parsed only, with the reason."""
_CHECKOUT_ONLY = {
    "README.md": "its commands are those of the tutorial, ./run demo and ./run test",
    "CONTRIBUTING.md": "its commands test and lint the checkout itself",
}
_LANGUAGES = {"sh", "text", "yaml", "sql", "python", "cron", "json", "toml", ""}
_TUTORIAL = ROOT / "docs" / "tutorial.md"


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _all(language: str) -> Iterator[Block]:
    for page in pages():
        for block in blocks(page):
            if block.language == language and block.reason is None:
                yield block


def _followed() -> list[Path]:
    """Return the pages that are followed like a reader would."""
    found = []
    for page in pages():
        commands = [each for each in blocks(page) if each.language == "sh"]
        is_run = any(each.reason is None for each in commands)
        if is_run and _name(page) not in {*_ELSEWHERE, *_CHECKOUT_ONLY}:
            found.append(page)
    return found


@pytest.mark.asyncio
@pytest.mark.parametrize("page", _followed(), ids=_name)
async def test_a_reader_can_follow_the_page(
    page: Path, database: str, tmp_path: Path
) -> None:
    steps = [block for block in blocks(page) if block.reason is None]
    async with readers_machine(database, tmp_path) as machine:
        if page != _TUTORIAL:
            await machine.follow(_after_the_tutorial())
        await machine.follow(steps)


def _after_the_tutorial() -> Sequence[Block]:
    """Return the steps that leave a machine as the tutorial leaves its reader's."""
    steps = [block for block in blocks(_TUTORIAL) if block.reason is None]
    files = [block for block in steps if block.file is not None]
    commands = [block for block in steps if block.language == "sh"]
    runs = [block for block in commands if block.text == "./run syncengine run\n"]
    return [*files, commands[0], runs[-1]]


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_every_block_has_a_known_language(page: Path) -> None:
    found = {block.language for block in blocks(page)}
    assert found <= _LANGUAGES


def test_every_destination_can_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "syncengine.yaml").write_text(
        (ROOT / "config" / "syncengine.yaml").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    folder = tmp_path / "destinations"
    folder.mkdir()
    written = [block for block in _all("yaml") if "destinations/" in (block.file or "")]
    assert len(written) > 6
    for block in written:
        file = folder / Path(str(block.file)).name
        file.write_text(block.text, encoding="utf-8")
        names = re.findall(r"\$\{(\w+)", block.text)
        environ = dict.fromkeys(names, "a-value-of-some-length")
        load_config(tmp_path / "syncengine.yaml", environ)
        file.unlink()


def test_every_yaml_block_names_its_file() -> None:
    assert [block.place for block in _all("yaml") if block.file is None] == []


@pytest.mark.asyncio
async def test_every_statement_is_understood_by_postgres(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(
            "CREATE SCHEMA crm; CREATE TABLE crm.contacts (id integer)"
        )
        statements = [
            block for block in _all("sql") if _name(block.page) not in _ELSEWHERE
        ]
        assert statements
        for block in statements:
            await connection.prepare(block.text)
    finally:
        await connection.close()


@pytest.mark.parametrize("block", list(_all("python")), ids=lambda block: block.place)
def test_python_is_valid(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", list(_all("toml")), ids=lambda block: block.place)
def test_toml_is_valid(block: Block) -> None:
    assert tomllib.loads(block.text)


def test_cron_lines_call_verbs_that_exist() -> None:
    lines = [line for block in _all("cron") for line in block.text.splitlines()]
    assert lines
    for line in lines:
        *fields, command = line.split(maxsplit=5)
        assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields), line
        assert len(fields) == 5
        verb = re.search(r"bin/syncengine (?:--\S+ \S+ )*([a-z]+)", command)
        assert verb is not None, line
        assert verb[1] in VERBS


@pytest.mark.parametrize(
    "block",
    [block for page in pages() for block in blocks(page) if block.reason],
    ids=lambda block: block.place,
)
def test_what_is_not_run_is_parsed(block: Block) -> None:
    """The verbs exist, and the reason says more than a word."""
    assert len(str(block.reason).split()) > 3
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "syncengine" in words[:2]:
            verb = words[words.index("syncengine") + 1]
            assert verb in VERBS, block.place


def test_tests_that_play_a_page_are_there() -> None:
    for page, test in _ELSEWHERE.items():
        name = Path(page).name
        assert (ROOT / page).exists()
        assert name in (ROOT / test).read_text(encoding="utf-8")


_REPORTS = {
    "run, retry, undo": "RunReport",
    "plan": "PlanReport",
    "verify": "VerifyReport",
    "adopt": "AdoptReport",
    "status": "StatusReport",
    "watch": "WatchReport",
    "progress": "RunSnapshot",
    "show": "ShowReport",
    "forget": "Receipt",
    "merge": "MergeReport",
    "suppress": "SuppressReport",
    "runs": "RunSummary",
    "failures": "Failure",
    "why": "WhyReport",
    "history": "ContactEvent",
    "suppressions": "SuppressionRow",
    "erasures": "ErasureRow",
    "export": "ContactRow",
    "export --consent, import": "ConsentReport",
    "prune": "PruneReport",
    "rename": "RenameReport",
}
"""Sections of the page on JSON, with the class whose ``public`` they describe."""


@pytest.mark.parametrize("section", _REPORTS)
def test_the_page_on_json_names_every_key(section: str) -> None:
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    text = page.partition(f"## {section}\n")[2].partition("\n## ")[0]
    first_columns = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    described = {key for cell in first_columns for key in re.findall(r"`(\w+)`", cell)}
    assert described == _public_keys(_REPORTS[section])


def _public_keys(class_name: str) -> set[str]:
    """Return the keys that a report's ``public`` writes, read from its source."""
    for file in (ROOT / "syncengine" / "model").glob("*.py"):
        for part in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(part, ast.ClassDef) and part.name == class_name:
                return set(_keys(part))
    raise AssertionError(f"there is no class {class_name}")


def _keys(report: ast.ClassDef) -> Iterator[str]:
    methods = [part for part in report.body if isinstance(part, ast.FunctionDef)]
    public = next(method for method in methods if method.name == "public")
    for statement in ast.walk(public):
        if not isinstance(statement, (ast.AnnAssign, ast.Assign, ast.Return)):
            continue
        # A key that is only there if it was asked for.
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Subscript):
                yield str(ast.literal_eval(target.slice))
        if not isinstance(statement.value, ast.Dict):
            continue
        for key in statement.value.keys:
            if isinstance(key, ast.Constant):
                yield str(key.value)


def test_the_page_on_the_api_names_every_argument() -> None:
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    table = page.partition("| argument | of |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", table, re.MULTILINE)
    described = {name for names, _ in rows for name in re.findall(r"`(\w+)`", names)}
    arguments: set[str] = set()
    for method in ("check", "plan", "run", "retry", "undo", "verify", "status"):
        signature = inspect.signature(getattr(Project, method))
        arguments |= signature.parameters.keys()
    assert described == arguments - {"self"}


def test_generated_pages_are_up_to_date() -> None:
    file = ROOT / "docs" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", file)
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, text in generate.pages().items():
        written = (generate.REFERENCE / name).read_text(encoding="utf-8")
        assert written == text, f"docs/reference/{name}: call ./run docs"
