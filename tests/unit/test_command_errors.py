"""Messages of the command on unforeseen errors and on interruptions."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from syncengine.app import project
from syncengine.cli import verbs  # noqa: F401 - registers them
from syncengine.cli.options import GlobalOptions
from syncengine.cli.root import main
from syncengine.errors import BrakeApplied, LeaseHeld, StorageError, SyncEngineError

Raising = Callable[[BaseException], None]


def grouped(error: ValueError) -> ExceptionGroup[Exception]:
    """Wrap the error as nested task groups do."""
    try:
        raise error
    except ValueError as raised:
        return ExceptionGroup("pipelines", [ExceptionGroup("workers", [raised])])


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Raising:
    """Make ``syncengine check`` raise this error."""
    monkeypatch.setattr(GlobalOptions, "load", lambda _: None)
    monkeypatch.delenv("SYNCENGINE_DEBUG", raising=False)

    def set_up(error: BaseException) -> None:
        def fail(_: object) -> None:
            raise error

        monkeypatch.setattr(project, "check", fail)

    return set_up


@pytest.mark.parametrize(
    "error",
    [
        KeyError("+491510000001"),
        grouped(ValueError("+491510000001")),
    ],
    ids=repr,
)
def test_an_error_nobody_foresaw_names_its_place_and_no_value(
    raising: Raising, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    raising(error)
    assert main(["check"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"syncengine: unexpected error: (KeyError|ValueError) \(\w+\.py, line \d+\)\. "
        r"The next run settles what was sent and not recorded\. "
        r"SYNCENGINE_DEBUG=1 shows the whole traceback\n",
        err,
    )


def test_with_debug_an_error_comes_whole(
    raising: Raising, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCENGINE_DEBUG", "1")
    raising(KeyError("what"))
    with pytest.raises(KeyError, match="what"):
        main(["check"])


def test_ctrl_c_leaves_no_traceback(
    raising: Raising, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(KeyboardInterrupt())
    with pytest.raises(SystemExit) as left:
        main(["check"])
    assert left.value.code == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageError("it is down"), 2),
        (BrakeApplied("removals", "too many"), 2),
        (LeaseHeld("held"), 3),
    ],
    ids=repr,
)
def test_an_error_of_ours_is_said_in_its_own_words(
    raising: Raising,
    capsys: pytest.CaptureFixture[str],
    error: SyncEngineError,
    code: int,
) -> None:
    raising(error)
    assert main(["check"]) == code
    assert capsys.readouterr().err == f"syncengine: {error}\n"
