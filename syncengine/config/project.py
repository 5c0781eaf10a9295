"""The whole configuration: the common settings and all destinations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from syncengine.config.destination import DestinationConfig
from syncengine.config.models import EngineFile
from syncengine.config.problems import near
from syncengine.config.shared_accounts import account_conflicts
from syncengine.config.urls import passwords
from syncengine.errors import ConfigError, Problem


def alert_addresses(engine: EngineFile) -> frozenset[str]:
    """Return the addresses that alerts are sent to. Who has one can send there."""
    addresses: set[str] = set()
    for target in engine.alerts.to.values():
        for address in (target.webhook, target.apprise):
            if address is not None:
                addresses.add(address.get_secret_value())
    return frozenset(addresses)


@dataclass(frozen=True, slots=True)
class Config:
    """Configuration as a whole: all that is in its folder.

    A destination is *readable* where its own file has no problem, and *usable* where
    it also fits the other destinations. All others are *broken*.
    """

    file: Path
    engine: EngineFile = field(repr=False)
    destinations: tuple[DestinationConfig, ...] = ()
    """The usable destinations."""
    broken: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    """The problems of each destination that cannot be used, by its name."""
    problems: tuple[Problem, ...] = ()
    """Problems that matter only where all destinations are asked for, such as that
    there is none."""
    readable: tuple[DestinationConfig, ...] = ()
    """Destinations whose own files have no problem, whether or not they fit each other.
    """
    keeps_markers: bool = True
    """True where the newest run is noted beside the configuration."""
    unreadable: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    """The problems of each destination whose own file has some, by its name."""

    @property
    def secrets(self) -> frozenset[str]:
        """Return the values that must never be printed."""
        secrets: set[str] = set()
        secrets |= passwords(self.engine.database)
        secrets |= passwords(self.engine.source.database)
        secrets |= alert_addresses(self.engine)
        for destination in self.readable:
            secrets |= destination.secrets
            secrets |= passwords(destination.source.database)
            secrets |= passwords(destination.options.proxy)
        return frozenset(secrets)

    def with_account_names(self, accounts: Mapping[str, str]) -> Config:
        """Return the configuration, judged with the account names that the state knows.

        ``accounts`` maps credentials to names. Destinations that name their account
        otherwise are broken in the result.
        """
        broken = dict(self.unreadable)
        for destination, problem in account_conflicts(self.readable, accounts):
            broken[destination.name] = (*broken.get(destination.name, ()), problem)
        usable = tuple(
            destination
            for destination in self.readable
            if destination.name not in broken
        )
        return replace(self, destinations=usable, broken=broken)

    def chosen(self, names: tuple[str, ...]) -> tuple[DestinationConfig, ...]:
        """Return the destinations of these names; without names, all.

        Raises ConfigError with every problem of the destinations asked for. Problems
        of other destinations do not count.
        """
        if not names:
            try:
                self.refuse_any_problem()
            except ConfigError as error:
                raise ConfigError([*error.problems, *self._advice()]) from None
            return self.destinations
        usable = {destination.name: destination for destination in self.destinations}
        problems: list[Problem] = []
        for name in names:
            problems += self._problems_of(name, usable)
        if problems:
            raise ConfigError(problems)
        # A name given twice is asked for once.
        return tuple(usable[name] for name in dict.fromkeys(names))

    def named(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the destinations of these names; without names, all by name.

        For verbs that read the state alone: a file that cannot be used, since a key is
        not set in this shell, is no reason to say nothing of its runs. Raises
        ConfigError where there is no such file, or none at all.
        """
        known = {*self.broken, *(each.name for each in self.destinations)}
        if not names:
            if not known and self.problems:
                raise ConfigError(list(self.problems))
            return tuple(sorted(known))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError([_no_such_destination(name, known) for name in unknown])
        return tuple(dict.fromkeys(names))

    def account_of(self, name: str) -> str:
        """Return the account of a destination; its own name where its file is broken."""
        accounts = {each.name: each.account for each in self.readable}
        return accounts.get(name, name)

    def refuse_any_problem(self) -> None:
        """Raise ConfigError where there is any problem in the whole configuration."""
        problems = list(self.problems)
        for found in self.broken.values():
            problems += found
        if problems:
            raise ConfigError(problems)

    def _advice(self) -> tuple[Problem, ...]:
        """Return how to go on with the usable destinations, where others are broken."""
        usable = " ".join(f"-d {each.name}" for each in self.destinations)
        if self.problems or not usable:
            return ()
        what = (
            "are not worked on either, since all were asked for; they are with "
            f"`{usable}`"
        )
        return (Problem("the other destinations", what),)

    def _problems_of(
        self, name: str, usable: Mapping[str, DestinationConfig]
    ) -> tuple[Problem, ...]:
        """Return what keeps a destination from being used; one may not exist."""
        if name in self.broken:
            return self.broken[name]
        if name in usable:
            return ()
        return (_no_such_destination(name, {*usable, *self.broken}),)


def _no_such_destination(name: str, known: Collection[str]) -> Problem:
    # In the words of both callers: an option of the command, an argument in Python.
    there_are = sorted(known)
    listed = ", ".join(there_are) or "none"
    what = f"there is no such destination; there are: {listed}{near(name, there_are)}"
    return Problem(f'destination "{name}"', what)
