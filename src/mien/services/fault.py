"""Fault: a setting that is refused, and where it stands.

Whoever checks a setting says where it is once, by its path: `with at("retention", "events"): ...` around what may
raise a Fault or a ValueError, or `raise Fault("must be ...", "retention", "events")`. Paths are put together from the
inside out, so nobody needs to know more than the part they look at. Who read the file adds the line.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct, structs

from mien.errors import SettingsRefused

Path = tuple[str | int, ...]
"""The names, and the positions in lists, that lead to a setting."""

_PLAIN = re.compile(r"[\w-]{1,100}")
_LONGEST_REASON = 400


class Fault(SettingsRefused):
    """A setting is refused; `path` leads to it, `reason` says why, and the text of the error is both, on one line."""

    def __init__(self, reason: str, *path: str | int) -> None:
        self.reason = _legible(reason)
        super().__init__(f"{dotted(path)}: {self.reason}" if path else self.reason)
        self.path: Path = path


@contextmanager
def at(*path: str | int) -> Iterator[None]:
    """Say that what is looked at inside stands under this path: a Fault gains it, a ValueError becomes a Fault."""
    try:
        yield
    except Fault as fault:
        raise Fault(fault.reason, *path, *fault.path) from None
    except ValueError as error:
        raise Fault(str(error), *path) from None


def dotted(path: Path) -> str:
    """Return a path as it is read: `acme.identity.types.email.blocked[0]`, on one line whatever stands in it."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{_name(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def _name(part: str) -> str:
    return part if _PLAIN.fullmatch(part) else repr(part[:100])


def _legible(reason: str) -> str:
    """Return a reason as one line of a sensible length, for it may quote what was given."""
    cut = reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}…"
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in cut)


def convert(value: Any, kind: Any, *path: str | int) -> Any:
    """Return a value as the kind it must be; raise Fault with the path of the innermost part that is not.

    Parts are what stands in Structs, dicts and lists.
    """
    kind = kind if value is None else _without_none(kind)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        with at(*path):
            _look_inside(value, get_args(kind)[0] if get_origin(kind) is Annotated else kind)
            raise Fault(str(error)) from None


def _look_inside(value: Any, kind: Any) -> None:
    """Raise Fault for the first part that is not what it must be, if it is a part and not the whole."""
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Struct):
        kinds = {field.encode_name: field.type for field in structs.fields(kind)}
        for name, part in value.items():
            if name in kinds:
                convert(part, kinds[name], name)
            elif kind.__struct_config__.forbid_unknown_fields:
                raise Fault("there is no such setting", name)
    elif isinstance(value, dict) and get_origin(kind) is dict:
        names, parts = get_args(kind)
        for name, part in value.items():
            convert(name, names, name)
            convert(part, parts, name)
    elif isinstance(value, list) and get_origin(kind) is list:
        for position, part in enumerate(value):
            convert(part, *get_args(kind), position)


def _without_none(kind: Any) -> Any:
    """Return `X` for `X | None`."""
    if get_origin(kind) not in {Union, UnionType}:
        return kind
    kinds = [one for one in get_args(kind) if one is not NoneType]
    return kinds[0] if len(kinds) == 1 else kind
