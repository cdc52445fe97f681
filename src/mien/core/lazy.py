"""Mappings that are put together only when somebody looks: most events look at little."""

from abc import abstractmethod
from collections.abc import ItemsView, Iterator, Mapping
from typing import Any, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Lazy(Mapping[_K, _V]):
    """A mapping that is put together once, when it is first looked at."""

    _made: dict[_K, _V] | None = None

    @abstractmethod
    def _make(self) -> dict[_K, _V]:
        """Put it together."""

    def _whole(self) -> dict[_K, _V]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __getitem__(self, key: _K) -> _V:
        return self._whole()[key]

    def __iter__(self) -> Iterator[_K]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def get(self, key: _K, default: Any = None) -> Any:
        """Return the value of a key, faster than by asking whether it is there."""
        return self._whole().get(key, default)

    def items(self) -> ItemsView[_K, _V]:
        """Return keys and values, faster than one by one."""
        return self._whole().items()
