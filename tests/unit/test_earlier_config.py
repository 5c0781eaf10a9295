"""Earlier configurations out of git: symbolic links are followed within the commit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from syncengine.config.earlier import read_earlier
from syncengine.config.loading import read_config
from syncengine.config.project import Config
from syncengine.errors import ConfigError
from tests.acceptance.test_plan_samples import git

ENGINE = "database: embedded\nsource: {table: crm.people, key: id}\n"
DESTINATION = """\
vendor: respond_io
settings: {token: "${KEY}", base_url: https://example.org}
match_on: [phone]
fields: {phone: phone, firstName: NAME}
"""

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def _plain(repository: Path) -> Path:
    _write(repository / "config")
    return repository / "config" / "syncengine.yaml"


def _engine_is_a_link(repository: Path) -> Path:
    file = _plain(repository)
    shared = repository / "shared"
    shared.mkdir()
    file.rename(shared / "common.yaml")
    file.symlink_to("../shared/common.yaml")
    return file


def _engine_is_a_link_by_its_full_path(repository: Path) -> Path:
    file = _engine_is_a_link(repository)
    file.unlink()
    file.symlink_to(repository / "shared" / "common.yaml")
    return file


def _destination_is_a_link(repository: Path) -> Path:
    file = _plain(repository)
    destination = file.parent / "destinations" / "one.yaml"
    destination.rename(repository / "template.yaml")
    destination.symlink_to("../../template.yaml")
    return file


def _destination_is_a_link_by_its_full_path(repository: Path) -> Path:
    file = _destination_is_a_link(repository)
    destination = file.parent / "destinations" / "one.yaml"
    destination.unlink()
    destination.symlink_to(repository / "template.yaml")
    return file


def _folder_is_a_link(repository: Path) -> Path:
    file = _plain(repository)
    (file.parent / "destinations").rename(repository / "destinations")
    (file.parent / "destinations").symlink_to("../destinations")
    return file


def _links_from_outside(repository: Path) -> Path:
    file = _plain(repository)
    outside = repository.parent / "etc"
    outside.mkdir()
    for name in ("syncengine.yaml", "destinations"):
        (outside / name).symlink_to(file.parent / name)
    return outside / "syncengine.yaml"


def _write(folder: Path) -> None:
    (folder / "destinations").mkdir(parents=True)
    (folder / "syncengine.yaml").write_text(ENGINE, encoding="utf-8")
    text = DESTINATION.replace("NAME", "first")
    (folder / "destinations" / "one.yaml").write_text(text, encoding="utf-8")


def _commit(repository: Path) -> None:
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "first")


def _read(file: Path) -> Config:
    return read_config(file, {"KEY": "key-of-the-test"})


def _earlier(file: Path) -> Config:
    return read_earlier(_read(file), "HEAD", {"KEY": "key-of-the-test"})


@pytest.mark.parametrize(
    "layout",
    [
        _plain,
        _engine_is_a_link,
        _engine_is_a_link_by_its_full_path,
        _destination_is_a_link,
        _destination_is_a_link_by_its_full_path,
        _folder_is_a_link,
        _links_from_outside,
    ],
)
def test_links_lead_to_what_the_commit_holds(
    layout: Callable[[Path], Path], tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    file = layout(repository)
    _commit(repository)
    destination = file.parent / "destinations" / "one.yaml"
    changed = DESTINATION.replace("NAME", "last")
    destination.resolve().write_text(changed, encoding="utf-8")
    file.resolve().write_text(ENGINE + "batch_size: 7\n", encoding="utf-8")
    assert _columns(_read(file)) == {"one": "last"}
    earlier = _earlier(file)
    assert _columns(earlier) == {"one": "first"}
    assert earlier.engine.batch_size != 7
    assert [str(each.file) for each in earlier.readable] == [
        "HEAD:destinations/one.yaml"
    ]


def _columns(config: Config) -> dict[str, str]:
    assert config.unreadable == {}
    return {
        each.name: each.options.fields["firstName"].column for each in config.readable
    }


def test_a_destination_that_the_commit_does_not_hold_is_named(tmp_path: Path) -> None:
    file = _plain(tmp_path / "repository")
    folder = file.parent / "destinations"
    secret = tmp_path / "elsewhere.yaml"
    secret.write_text(DESTINATION, encoding="utf-8")
    (folder / "outside.yaml").symlink_to(secret)
    (folder / "astray.yaml").symlink_to("none.yaml")
    (folder / "round.yaml").symlink_to("round.yaml")
    (folder / "broken.yaml").write_text("vendor: [", encoding="utf-8")
    _commit(tmp_path / "repository")
    earlier = _earlier(file)
    assert [each.name for each in earlier.readable] == ["one"]
    told = {name: str(found[0]) for name, found in earlier.unreadable.items()}
    where = "--since-config: HEAD:config/destinations"
    assert told.pop("broken").startswith("HEAD:destinations/broken.yaml: is not valid")
    assert told == {
        "outside": f"{where}/outside.yaml: is a symbolic link to {secret}, which the "
        "commit does not hold",
        "astray": f"{where}/astray.yaml: is a symbolic link that leads nowhere",
        "round": f"{where}/round.yaml: is a symbolic link that leads nowhere",
    }


def test_no_message_names_a_scratch_folder(tmp_path: Path) -> None:
    file = _plain(tmp_path / "repository")
    file.write_text(ENGINE + "batch_size: many\n", encoding="utf-8")
    _commit(tmp_path / "repository")
    file.write_text(ENGINE, encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        _earlier(file)
    assert "HEAD:syncengine.yaml: batch_size" in str(told.value)
    assert "/tmp" not in str(told.value)  # noqa: S108
    other = file.with_name("other.yaml")
    other.write_text(ENGINE, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"HEAD:config/other.yaml: there is no such"):
        _earlier(other)
