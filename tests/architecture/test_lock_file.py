"""The two locks fit pyproject.toml, each other and the image.

They hold nothing of the machine they were made on.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_TEXTS = {
    "requirements.lock": (_ROOT / "requirements.lock").read_text(encoding="utf-8"),
    "requirements-dev.lock": (_ROOT / "requirements-dev.lock").read_text(
        encoding="utf-8"
    ),
}
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
_NO_WHEEL = {"promise"}
_BUILD_TOOLS = {"pip", "setuptools", "wheel", "hatchling", "uv"}
_OFFLINE = re.compile(
    "Temporary failure in name resolution|Network is unreachable"
    "|ConnectTimeoutError|Connection refused"
)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins(lock: str) -> list[tuple[str, str]]:
    """Return names and versions; a package may have one version for each Python."""
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", _TEXTS[lock], re.MULTILINE)
    return [(_normalised(name), version) for name, version in pins]


def _pinned(lock: str) -> set[str]:
    return {name for name, _ in _pins(lock)}


def _names(requirements: list[str]) -> set[str]:
    return {
        _normalised(re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0])
        for requirement in requirements
    }


def test_every_requirement_is_locked() -> None:
    extras = _PROJECT["optional-dependencies"]
    runtime = _names(
        [*_PROJECT["dependencies"], *extras["embedded"], *extras["report"]]
    )
    assert len(runtime) > 5
    assert runtime - _pinned("requirements.lock") == set()
    tested = _names([*extras["dev"], *extras["apprise"], *extras["otel"]])
    assert (runtime | tested) - _pinned("requirements-dev.lock") == set()


def test_what_only_developers_need_is_not_in_the_runtime_lock() -> None:
    runtime = _pinned("requirements.lock")
    assert (
        runtime & (_names(_PROJECT["optional-dependencies"]["dev"]) | _BUILD_TOOLS)
        == set()
    )


def test_the_dev_lock_holds_the_runtime_lock_at_the_same_versions() -> None:
    runtime, dev = _pins("requirements.lock"), _pins("requirements-dev.lock")
    assert runtime
    assert set(runtime) - set(dev) == set()
    assert _pinned("requirements-dev.lock") & _NO_WHEEL == set()


@pytest.mark.parametrize("lock", sorted(_TEXTS))
def test_every_pin_has_its_hashes(lock: str) -> None:
    blocks = re.split(r"^(?=[\w.-]+==)", _TEXTS[lock], flags=re.MULTILINE)[1:]
    assert len(blocks) == len(_pins(lock))
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", sorted(_TEXTS))
def test_it_names_no_host_no_index_and_no_path(lock: str) -> None:
    outside = (
        r"https?:|file:|--(?:extra-)?index-url|--find-links|--trusted-host"
        r"|(?<!\w)/\w+|[A-Z]:\\"
    )
    assert re.findall(outside, _TEXTS[lock]) == []


def _installs(stage: str) -> list[str]:
    return re.findall(r"^RUN pip install (.+)$", stage, re.MULTILINE)


def test_the_image_installs_by_hash_and_from_wheels_only() -> None:
    build, final = re.split(
        r"^(?=FROM )",
        (_ROOT / "Dockerfile").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )[1:]
    flags = "--no-cache-dir --require-hashes --only-binary :all:"
    assert _installs(build) == [f"{flags} --no-deps -r requirements-dev.lock"]
    assert _installs(final) == [
        f"{flags} -r requirements.lock",
        "--no-cache-dir --no-index --no-deps /wheel/*.whl",
    ]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_image_s_line_finds_a_wheel_of_every_package(
    machine: str, tmp_path: Path
) -> None:
    dockerfile = (_ROOT / "Dockerfile").read_text(encoding="utf-8")
    [line] = [
        line for line in _installs(dockerfile) if line.endswith("-r requirements.lock")
    ]
    [version] = set(re.findall(r"^FROM python:([\d.]+)-slim", dockerfile, re.MULTILINE))
    glibc = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(17, 37)]
    target = ["--implementation=cp", f"--python-version={version}", *glibc]
    # The environment of ./run has no pip: the Python it was made from fills it.
    python = (
        Path(sys.base_prefix)
        / "bin"
        / f"python{sys.version_info.major}.{sys.version_info.minor}"
    )
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        f"--target={tmp_path}",
    ]
    options = ["--disable-pip-version-check", "--no-input", "--retries=1", *target]
    flags = [flag for flag in line.split() if flag != "--no-cache-dir"]
    answer = subprocess.run(
        [*command, *options, *flags],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0 and _OFFLINE.search(answer.stdout + answer.stderr):
        pytest.skip("the package registry cannot be reached from here")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Would install" in answer.stdout
