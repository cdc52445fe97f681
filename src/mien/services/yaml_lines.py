"""A YAML file as plain values, and the line on which each of them stands.

Less of YAML is taken than there is, so that a file means what it seems to. Names are text as they are written (`no`
and `0123` are themselves), and each stands once. Aliases and `<<` are followed within bounds, and there are no tags
but those of plain values.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import yaml
from msgspec import Struct
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from mien.errors import SettingsRefused
from mien.services.fault import Fault, Path, dotted

DEEPEST = 32
"""How many levels down a value may stand, in the file and when its aliases are followed."""

MOST_ALIASED = 250_000
"""How many values of a file may be there by aliases, beyond those that are written out."""

_NO_TAGS = "`!` (a tag) is not taken; put quotes around text"
_LONGEST_NUMBER = 40
_LARGEST_NUMBER = 2**63 - 1
_ECHO = re.compile(r" '[^'<]{2,}'")
_TAG = "tag:yaml.org,2002:"
_LISTS, _SECTIONS = _TAG + "seq", _TAG + "map"
_NUMBERS = {_TAG + "int", _TAG + "float"}
_WORDS = {_TAG + "bool", _TAG + "null"}
# What YAML would read as a date or as an operator is text.
_MERGE = _TAG + "merge"
_TEXTS = {_TAG + "str", _TAG + "timestamp", _TAG + "value", _MERGE}


class Document(Struct, frozen=True):
    """What a file says, and where: `lines` has the line of every path in it, counted from 1."""

    data: Any
    lines: Mapping[Path, int]

    def line(self, *path: str | int) -> int:
        """Return the line of a path, or of the nearest part around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    @contextmanager
    def naming_lines(self, *root: str | int) -> Iterator[None]:
        """Name the line of every Fault that is raised inside; its path goes on from `root`."""
        try:
            yield
        except Fault as fault:
            raise _refused(self.line(*root, *fault.path), str(fault)) from None


def read_yaml(text: str) -> Document:
    """Return what a file says; raise SettingsRefused, with the line, for what is not YAML or not taken.

    The text of the error holds nothing of the file but names.
    """
    try:
        return _Loader(text).document()
    except yaml.reader.ReaderError as error:
        raise _refused(text.count("\n", 0, error.position) + 1, "not YAML: a character that is no text") from None
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error) from None


class _Loader(yaml.SafeLoader):
    """Composes nodes within bounds, and makes plain values of them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._lines: dict[Path, int] = {}
        self._depth = 0
        self._seen: set[int] = set()
        self._aliased = 0

    def document(self) -> Document:
        """Read the one document of the file."""
        try:
            node = self.get_single_node()
        except (ValueError, OverflowError):  # an escape beyond Unicode, a version beyond numbers
            raise _refused(self.get_mark().line + 1, "not YAML: a number out of range") from None
        return Document(None if node is None else self._value(node, ()), self._lines)

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Compose a node as PyYAML does, but only to a depth."""
        with self._deeper(self.peek_event()):  # type: ignore[no-untyped-call]
            return super().compose_node(parent, index)

    @contextmanager
    def _deeper(self, place: Node | yaml.Event) -> Iterator[None]:
        """Look at a node and what is in it, unless that is too deep: an alias may lead back to where it stands."""
        if self._depth > DEEPEST:
            raise _refused(_line(place), f"too deep: a value may stand at most {DEEPEST} levels down")
        self._depth += 1
        yield
        self._depth -= 1

    def _value(self, node: Node, path: Path) -> Any:
        self._count(node)
        self._lines.setdefault(path, _line(node))
        with self._deeper(node):
            if isinstance(node, MappingNode) and node.tag == _SECTIONS:
                return self._section(node, path)
            if isinstance(node, SequenceNode) and node.tag == _LISTS:
                return [self._value(item, (*path, position)) for position, item in enumerate(node.value)]
            if isinstance(node, ScalarNode):
                return self._plain(node)
            raise _refused(_line(node), _NO_TAGS)

    def _count(self, node: Node) -> None:
        self._aliased += id(node) in self._seen
        self._seen.add(id(node))
        if self._aliased > MOST_ALIASED:
            raise _refused(_line(node), f"too much by aliases: at most {MOST_ALIASED} values")

    def _section(self, node: MappingNode, path: Path) -> dict[str, Any]:
        section: dict[str, Any] = {}
        names: dict[str, Node] = {}
        for key, value in node.value:
            name = _text(key)
            if name in names:
                first = _line(names[name])
                reason = f"{dotted((name,))} stands here for the second time; the first is on line {first}"
                raise _refused(_line(key), reason)
            names[name] = key
            if key.tag != _MERGE:
                self._lines.setdefault((*path, name), _line(key))
                section[name] = self._value(value, (*path, name))
        # What stands in the section goes before what is merged into it, so that comes last.
        merged = [value for key, value in node.value if key.tag == _MERGE]
        return {**self._merged(merged, path), **section}

    def _merged(self, nodes: Sequence[Node], path: Path) -> dict[str, Any]:
        """Return what `<<` brings into a section: another section, or several of which the first goes before."""
        merged: dict[str, Any] = {}
        for node in nodes:
            for part in node.value if isinstance(node, SequenceNode) else [node]:
                section = self._value(part, path)
                if not isinstance(section, dict):
                    raise _refused(_line(part), "`<<` takes a section, or a list of sections")
                for name, value in section.items():
                    merged.setdefault(name, value)
        return merged

    def _plain(self, node: ScalarNode) -> Any:
        if node.tag not in _NUMBERS | _WORDS:
            return _text(node)
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            raise _refused(_line(node), "a number this long cannot be read; put quotes around text")
        try:
            value = self.construct_object(node)
        except (ValueError, LookupError):
            raise _refused(
                _line(node), "this cannot be read as what it seems to be; put quotes around text"
            ) from None
        if node.tag in _NUMBERS and not (math.isfinite(value) and abs(value) <= _LARGEST_NUMBER):
            raise _refused(_line(node), "a number this large cannot be kept; put quotes around text")
        return value


def _text(node: Node) -> str:
    """Return the text of a node, as it is written; of a name, or of a value that is text."""
    if not isinstance(node, ScalarNode):
        raise _refused(_line(node), "a name must be text; put quotes around text that starts with `{` or `[`")
    if node.tag not in _TEXTS | _NUMBERS | _WORDS:
        raise _refused(_line(node), _NO_TAGS)
    text: str = node.value
    if text.isascii():
        return text
    try:  # JSON writes characters beyond 16 bits as two escapes, which PyYAML leaves apart
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _refused(_line(node), "half a character (a lone surrogate) is no text") from None


def _line(place: Node | yaml.Event) -> int:
    return int(place.start_mark.line) + 1 if place.start_mark else 1


def _not_yaml(error: yaml.MarkedYAMLError) -> SettingsRefused:
    """Say where and why a file is not YAML, without the text around it: a secret may stand there."""
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "line 1"
    while_ = f" ({error.context} that starts on line {error.context_mark.line + 1})" if error.context_mark else ""
    return SettingsRefused(f"{where}: not YAML: {_ECHO.sub('', f'{error.problem}{while_}')}")


def _refused(line: int, reason: str) -> SettingsRefused:
    return SettingsRefused(f"line {line}: {reason}")
