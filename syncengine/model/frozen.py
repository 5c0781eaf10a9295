"""Mappings in reports, which nobody can change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dict that refuses to be changed.

    Unlike ``types.MappingProxyType`` it can be copied deeply, pickled and written as
    JSON, as people do with reports.
    """

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a report cannot be changed; dict(...) makes a copy that can")

    __setitem__ = _refuse
    __delitem__ = _refuse
    __ior__ = _refuse
    clear = _refuse
    pop = _refuse
    popitem = _refuse
    setdefault = _refuse
    update = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        # The usual way fills an empty dict item by item.
        return (type(self), (dict(self),))


def freeze(report: object, *names: str) -> None:
    """Replace mappings of a frozen dataclass, while it is being made, by frozen ones.

    Fields that are None stay so.
    """
    for name in names:
        value: Mapping[object, object] | None = getattr(report, name)
        if value is not None and not isinstance(value, FrozenDict):
            object.__setattr__(report, name, FrozenDict(value))
