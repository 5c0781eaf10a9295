"""Conflicts between destinations: the same account twice, or two under one name.

An *account* is one set of credentials at a vendor. Rate limits, the lease and match
keys belong to it, so several destinations that share credentials have to name the same
account (``account:``). An account under two names would be paced twice, and its vendor
would see twice the requests it allows. Two accounts under one name would be treated as
one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from syncengine.config.destination import DestinationConfig
from syncengine.errors import Problem


def credentials_of_several_accounts(
    destinations: Sequence[DestinationConfig],
) -> dict[str, list[DestinationConfig]]:
    """Return the credentials used under several account names.

    Each has the list of all destinations that use it.
    """
    by_credentials: dict[str, list[DestinationConfig]] = {}
    for destination in destinations:
        if destination.credentials:
            by_credentials.setdefault(destination.credentials, []).append(destination)
    of_several_accounts: dict[str, list[DestinationConfig]] = {}
    for credentials, sharing in by_credentials.items():
        account_names = {destination.account for destination in sharing}
        if len(account_names) > 1:
            of_several_accounts[credentials] = sharing
    return of_several_accounts


def account_conflicts(
    destinations: Sequence[DestinationConfig], known_accounts: Mapping[str, str]
) -> Iterator[tuple[DestinationConfig, Problem]]:
    """Yield each destination that conflicts with another one, and the problem.

    ``known_accounts`` maps credentials to the name under which the state knows their
    account. Where it says nothing, the first destination's account name is kept.
    """
    several = credentials_of_several_accounts(destinations)
    first_of_account: dict[str, DestinationConfig] = {}
    for destination in destinations:
        sharing = several.get(destination.credentials or "", [])
        if sharing:
            problem = _other_name(destination, sharing, known_accounts)
            if problem is not None:
                yield destination, problem
        # All destinations of an account are compared with the first one of it.
        first = first_of_account.setdefault(destination.account, destination)
        difference = _difference(destination, first)
        if difference is not None:
            yield destination, difference


def _other_name(
    destination: DestinationConfig,
    sharing: Sequence[DestinationConfig],
    known_accounts: Mapping[str, str],
) -> Problem | None:
    """Return the problem of a destination whose account has another name elsewhere.

    ``sharing`` are all destinations with the same credentials, itself among them. One
    name is kept, and whoever has it has no problem.
    """
    kept_name = known_accounts.get(destination.credentials or "", sharing[0].account)
    if destination.account == kept_name:
        return None
    others = [other for other in sharing if other is not destination]
    # The message names a destination that has the right name, if there is one.
    with_kept_name = [other for other in others if other.account == kept_name]
    other = (with_kept_name or others)[0]
    return Problem(
        destination.place("account"),
        f"has the same credentials as {other.file.name}, and the vendor counts their "
        f"requests together: write account: {kept_name} in both files",
    )


def _difference(
    destination: DestinationConfig, other: DestinationConfig
) -> Problem | None:
    """Return the first difference between two destinations of one account."""
    if destination.vendor.name != other.vendor.name:
        key, what = "vendor", "another vendor"
    elif destination.base_url != other.base_url:
        key, what = "settings.base_url", "another base_url"
    elif destination.secrets != other.secrets:
        key, what = "settings", "other credentials"
    elif destination.limits != other.limits:
        key, what = "limits", "other limits"
    else:
        return None
    return Problem(
        destination.place(key),
        f"{other.file.name} is in the same account ({destination.account}) and has "
        f"{what}; make them the same, or give one of the two files another account",
    )
