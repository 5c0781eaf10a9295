"""An earlier configuration, from a file, a folder or a commit of git.

Of git only the configuration's own files are read, into a scratch folder: nothing is
checked out, and the working tree stays as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from syncengine.config.loading import read_config
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem

OPTION = "--since-config"
_DESTINATIONS = "destinations"
_LONGEST = 60.0
"""Seconds after which git is given up."""


def read_earlier(config: Config, since: str, environ: Mapping[str, str]) -> Config:
    """Return the earlier configuration, to be planned over the state of the present one.

    ``since`` is the path of a ``syncengine.yaml`` or of its folder, or else a commit of
    the repository that has the present one. Secrets come from ``environ`` as they do
    now. Raises ConfigError.
    """
    path = Path(since)
    if path.is_dir():
        path /= config.file.name
    if path.exists():
        return _with_present_state(_read(path, since, environ), config)
    with tempfile.TemporaryDirectory(prefix="syncengine-") as folder:
        scratch = Path(folder)
        unreadable = _from_git(config.file, since, scratch)
        try:
            earlier = _read(scratch / config.file.name, since, environ)
        except ConfigError as error:
            named = _named_after(error.problems, scratch, since)
            raise ConfigError(named) from None
    readable = [
        replace(each, file=Path(f"{since}:{each.file.relative_to(scratch)}"))
        for each in earlier.readable
    ]
    problems = {**earlier.unreadable, **unreadable}
    earlier = replace(
        earlier,
        problems=_named_after(earlier.problems, scratch, since),
        readable=tuple(readable),
        unreadable={
            name: _named_after(found, scratch, since)
            for name, found in problems.items()
        },
    )
    return _with_present_state(earlier.with_account_names({}), config)


def _read(file: Path, since: str, environ: Mapping[str, str]) -> Config:
    try:
        return read_config(file, environ)
    except ConfigError as error:
        first = f"the configuration of {since} cannot be used"
        raise ConfigError([Problem(OPTION, first), *error.problems]) from None


def _with_present_state(earlier: Config, present: Config) -> Config:
    """Return the earlier configuration, with the state database that is used now."""
    update = {"database": present.engine.database}
    return replace(
        earlier,
        file=present.file,
        engine=earlier.engine.model_copy(update=update),
        keeps_markers=False,
    )


def _named_after(
    problems: Sequence[Problem], scratch: Path, since: str
) -> tuple[Problem, ...]:
    """Return problems with names of files that mean something to a person."""
    before, after = f"{scratch}/", f"{since}:"
    return tuple(
        Problem(each.where.replace(before, after), each.what.replace(before, after))
        for each in problems
    )


def _from_git(
    file: Path, since: str, scratch: Path
) -> Mapping[str, tuple[Problem, ...]]:
    """Write the configuration's files of a commit into a folder.

    Returns the problems of destinations that the commit does not hold, by name. Raises
    ConfigError.
    """
    of_engine, content = _engine_file(file, since)
    (scratch / file.name).write_bytes(content)
    target = scratch / _DESTINATIONS
    target.mkdir()
    problems: dict[str, tuple[Problem, ...]] = {}
    commit, names = _destinations(file, of_engine)
    for name in names:
        path = PurePosixPath(name)
        if path.suffix != ".yaml" or name.startswith("."):
            continue
        try:
            content = commit.content(f"{_DESTINATIONS}/{name}")
        except ConfigError as error:
            problems[path.stem] = error.problems
            continue
        (target / name).write_bytes(content)
    return problems


def _engine_file(file: Path, since: str) -> tuple[_Commit, bytes]:
    """Return a commit and its ``syncengine.yaml``. Raises ConfigError.

    Where its name is a link which no commit knows, the file itself is looked for.
    """
    try:
        commit = _Commit(file.absolute().parent, since)
        return commit, commit.content(file.name)
    except ConfigError:
        real = file.resolve()
        if real == file.absolute():
            raise
        commit = _Commit(real.parent, since)
        return commit, commit.content(real.name)


def _destinations(file: Path, of_engine: _Commit) -> tuple[_Commit, Sequence[str]]:
    """Return the commit as seen from where the destinations are, and their names.

    They stand beside the name that ``syncengine.yaml`` was given by. Where no commit
    knows that folder, they are looked for where the folder is in truth, and at last
    beside the file itself.
    """
    places = (
        file.absolute().parent,
        (file.parent / _DESTINATIONS).resolve().parent,
        file.resolve().parent,
    )
    for place in dict.fromkeys(places):
        try:
            commit = _Commit(place, of_engine.since)
            names = commit.names(_DESTINATIONS)
        except ConfigError:
            # It is in no repository.
            continue
        if names and commit.id == of_engine.id:
            return commit, names
    return of_engine, ()


class _Commit:
    """The files of one commit at and under a folder, symbolic links followed."""

    def __init__(self, folder: Path, since: str) -> None:
        """Find the commit. Raises ConfigError where there is none."""
        self._folder = folder
        self.since = since
        asked = ("rev-parse", "--verify", "--end-of-options", f"{since}^{{commit}}")
        self.id = _git(folder, since, *asked).decode().strip()
        prefix = _git(folder, since, "rev-parse", "--show-prefix")
        self._prefix = prefix.decode("utf-8", "surrogateescape").rstrip("\n")

    def content(self, name: str) -> bytes:
        """Return a file's content. Raises ConfigError."""
        kind, content = self._object(name)
        if kind == "blob":
            return content
        if kind == "symlink":
            return self._content_behind(name, os.fsdecode(content))
        if kind == "tree":
            what = "is a folder; name a file"
        elif kind == "missing":
            what = "there is no such file"
        else:
            what = "is a symbolic link that leads nowhere"
        raise self._refusal(name, what)

    def _content_behind(self, name: str, target: str) -> bytes:
        """Return what a link leads to that git does not follow, such as a full path."""
        path = (self._folder / name).parent / target
        # A link's own path in full would lead round in a circle for ever.
        if path.is_absolute() and not path.is_symlink():
            try:
                commit = _Commit(path.parent, self.since)
                if commit.id == self.id:
                    return commit.content(path.name)
            except ConfigError:
                # It is in no repository, or not in this commit.
                pass
        raise self._refusal(
            name, f"is a symbolic link to {target}, which the commit does not hold"
        )

    def _refusal(self, name: str, what: str) -> ConfigError:
        where = f"{OPTION}: {self.since}:{self._prefix}{name}"
        return ConfigError([Problem(where, what)])

    def names(self, folder: str) -> Sequence[str]:
        """Return the names in a folder; none where there is no such folder."""
        kind, tree = self._object(folder)
        if kind != "tree":
            return ()
        listed = _git(
            self._folder,
            self.since,
            "ls-tree",
            "--full-tree",
            "-z",
            "--name-only",
            tree.decode(),
        )
        names = listed.decode("utf-8", "surrogateescape").split("\0")
        # git is asked line by line, and no destination has such a name.
        return [name for name in names if name and "\n" not in name]

    def _object(self, name: str) -> tuple[str, bytes]:
        """Return what git has under a name: its kind and its content.

        Of a folder ("tree") its id; of a link out of the repository ("symlink") where
        it leads. Else "missing", or git's word for a link that leads nowhere.
        """
        asked = os.fsencode(f"{self.id}:{self._prefix}{name}\n")
        arguments = ("cat-file", "--follow-symlinks")
        checked = _git(
            self._folder, self.since, *arguments, "--batch-check", asked=asked
        )
        line, _, rest = checked.partition(b"\n")
        words = line.decode("utf-8", "replace").split(" ")
        if words[-1] == "missing":
            return "missing", b""
        if words[0] == "symlink":
            return "symlink", rest.rstrip(b"\n")
        if len(words) == 3 and words[1] == "blob":
            answer = _git(self._folder, self.since, *arguments, "--batch", asked=asked)
            return "blob", answer.partition(b"\n")[2][:-1]
        if len(words) == 3 and words[1] == "tree":
            return "tree", words[0].encode()
        return words[0], b""


def _git(folder: Path, since: str, *arguments: str, asked: bytes = b"") -> bytes:
    """Return what git prints; ``asked`` is what it reads. Raises ConfigError."""
    program = shutil.which("git")
    if program is None:
        what = (
            f'there is no file "{since}", and git is not installed, which would read '
            "it as a commit"
        )
        raise ConfigError([Problem(OPTION, what)])
    try:
        answer = subprocess.run(  # noqa: S603 - no shell, and no option of others
            [program, "-C", str(folder), *arguments],
            capture_output=True,
            input=asked,
            check=False,
            timeout=_LONGEST,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        what = f"git cannot be asked for {since} ({type(error).__name__})"
        raise ConfigError([Problem(OPTION, what)]) from None
    if answer.returncode:
        what = (
            f'"{since}" is neither a file or folder here nor a commit of the '
            f"repository of {folder}"
        )
        raise ConfigError([Problem(OPTION, what)])
    return answer.stdout
