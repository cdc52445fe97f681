"""Parser: the text of a definition to a Query and back.

docs/reference/definitions.md is this language for whoever writes it. grammar.py has its grammar, here is what a
grammar cannot say: what may stand where, and how much of it. The way back is `show`, in wording.py.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal as OneOf
from typing import NamedTuple, NoReturn

from lark import Token, Tree

from mien.core import values
from mien.core.grammar import SYMBOLS, UNITS, place_of, read, refuse
from mien.core.message import ACCOUNTS
from mien.core.query import (
    AfterParent,
    AllMembers,
    And,
    AnyMember,
    Comparison,
    Condition,
    ContextRef,
    EventValue,
    Literal,
    Not,
    Operator,
    Or,
    Path,
    PropertyRef,
    Reducer,
    Reduction,
    Scalar,
    Session,
    Sliding,
    Stream,
    TimeRef,
    TraitRef,
    Window,
)
from mien.core.values import Value
from mien.core.wording import show
from mien.errors import QueryRefused

__all__ = ["audience", "computed_trait", "show"]

LONGEST = 10_000
"""Characters of a query."""
LONGEST_STRING = 1000
MOST_COMPARISONS = 50
"""Segment's primary expressions: each comparison is one, those within `where` included."""
MOST_ITEMS = 1000
DEEPEST = 32
"""How deep parentheses, `where`, NOT, ANY and ALL may lie within each other."""
MOST_REPEATS = 1_000_000

LONGEST_SPAN = 1000 * 365 * UNITS["day"]

Kind = OneOf["number", "string", "array"]
KINDS: dict[str, Kind] = {"number": "number", "string": "string", "array": "array"}
DEFAULT_KIND: dict[Reducer, Kind] = {Reducer.MIN: "number", Reducer.MAX: "number", Reducer.MODE: "string"}
_NESTING = frozenset({"group", "negation", "members", "where"})
_UNREADABLE = re.compile("[\0\ud800-\udfff]")

Node = Tree[Token]


class _Scope(NamedTuple):
    """Where in a definition we are: in how many `where`, and whether in ANY or ALL."""

    collection: str
    events: int = 0
    of_members: bool = False


def audience(text: str, *, collection: str) -> Condition:
    """Return the condition a text states about profiles of a collection; QueryRefused says what it is not."""
    [condition] = _trees(_checked(text, "audience"))
    return _condition(condition, _Scope(collection))


def computed_trait(text: str, *, collection: str) -> Scalar:
    """Return the value a text asks of profiles of a collection; QueryRefused says what it is not."""
    [scalar] = _trees(_checked(text, "computed_trait"))
    if scalar.data not in {"reduction", "trait"}:
        refuse(scalar, "a computed trait is a value of events, such as event('Login').count(), or a trait")
    return _scalar(scalar, _Scope(collection))


def _checked(text: str, start: str) -> Node:
    if len(text) > LONGEST:
        _refuse_at(text, LONGEST, f"a query has at most {LONGEST:,} characters; make several definitions of it")
    if wrong := _UNREADABLE.search(text):
        _refuse_at(text, wrong.start(), f"U+{ord(wrong[0]):04X} cannot stand in a query; remove it")
    tree = read(text, start)
    _check_size(tree)
    return tree


def _check_size(tree: Node) -> None:
    """Refuse what is too deep or too much. This walk does not recurse, those after it may."""
    waiting, comparisons = [(tree, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        depth += node.data in _NESTING
        if depth > DEEPEST:
            refuse(node, f"nested more than {DEEPEST} deep; remove parentheses, or make several definitions of it")
        comparisons += node.data == "comparison"
        if comparisons > MOST_COMPARISONS:
            refuse(node, f"more than {MOST_COMPARISONS} comparisons; make several definitions, and use their traits")
        waiting += [(child, depth) for child in reversed(_trees(node))]


def _condition(node: Node, scope: _Scope) -> Condition:
    match node.data:
        case "disjunction":
            return Or(tuple(_condition(part, scope) for part in _trees(node)))
        case "conjunction":
            return And(tuple(_condition(part, scope) for part in _trees(node)))
        case "group":
            return _condition(_trees(node)[0], scope)
        case "negation":
            return Not(_condition(_trees(node)[0], scope))
        case "members":
            return _members(node, scope)
        case _:
            return _comparison(node, scope)


def _members(node: Node, scope: _Scope) -> Condition:
    [token], [part] = _tokens(node), _trees(node)
    word = token.upper()
    if scope.events:
        refuse(token, f"{word} cannot stand in where(…): events are of one profile; put it around event(…)")
    if scope.collection != ACCOUNTS:
        refuse(token, f"{word} asks about the users of an account; only definitions for accounts can")
    if scope.of_members:
        refuse(token, f"{word} stands within another ANY or ALL; users have no users, so use one")
    inner = _condition(part, scope._replace(of_members=True))
    return AnyMember(inner) if word == "ANY" else AllMembers(inner)


def _comparison(node: Node, scope: _Scope) -> Comparison:
    [token], [scalar, *operands] = _tokens(node), _trees(node)
    operator = SYMBOLS.get(token) or Operator(_word(token))
    if token.type == "CLOCK_TEST":
        return Comparison(_scalar(scalar, scope), operator, span=_duration(operands[0]))
    _check_items(operands)
    compared = tuple(_scalar(operand, scope) for operand in operands)
    if operator in {Operator.BEFORE_DATE, Operator.AFTER_DATE}:
        _check_date(operands[0], compared[0])
    return Comparison(_scalar(scalar, scope), operator, compared)


def _check_date(node: Node, operand: Scalar) -> None:
    if isinstance(operand, Literal) and values.time(operand.value) is None:
        refuse(node, "expected a date such as '2024-01-31' or '2024-01-31T12:00:00Z'")


def _check_items(items: list[Node] | list[Token]) -> None:
    if len(items) > MOST_ITEMS:
        refuse(items[MOST_ITEMS], f"a list has at most {MOST_ITEMS:,} items; split it, with OR between the parts")


def _scalar(node: Node, scope: _Scope) -> Scalar:
    match node.data:
        case "literal":
            return Literal(_constant(_tokens(node)[0]))
        case "trait":
            return TraitRef(_path(_tokens(node)[0]))
        case "reduction":
            return _reduction(node, scope)
        case _:
            if not scope.events:
                refuse(node, f"{_name(node)}(…) is of one event: it can stand in where(…) or a reducer only")
            return _event_value(node, scope)


def _event_value(node: Node, scope: _Scope) -> EventValue:
    if node.data == "time":
        return TimeRef()
    *parent, name = _tokens(node)
    if node.data == "context":
        return ContextRef(_path(name))
    if parent and scope.events < 2:
        refuse(parent[0], "parent: is of the event around; it can stand in a where(…) within another where(…) only")
    return PropertyRef(_path(name), parent=bool(parent))


def _name(node: Node) -> str:
    return "timestamp" if node.data == "time" else str(node.data)


def _reduction(node: Node, scope: _Scope) -> Reduction:
    stream, *value = _trees(node)
    token, *details = _tokens(node)
    reducer = Reducer(_word(token))
    found = _stream(stream, scope)
    if not value:
        return Reduction(found, reducer)
    # What is reduced belongs to the event itself, so it has no parent here.
    of = _event_value(value[0], scope._replace(events=1))
    match reducer:
        case Reducer.MIN | Reducer.MAX:
            return Reduction(found, reducer, of, kind=_kind(details, reducer))
        case Reducer.MODE:
            return Reduction(found, reducer, of, kind=_kind(details, reducer), frequency=_frequency(details))
        case Reducer.UNIQUE if details:
            return Reduction(found, Reducer.UNIQUE_COUNT, of)
        case _:
            return Reduction(found, reducer, of)


def _kind(details: list[Token], reducer: Reducer) -> Kind:
    for token in details:
        if token.type == "TYPE":
            if token.lower() == "array" and reducer is not Reducer.MODE:
                refuse(token, f"{reducer} reads number or string; only mode reads array")
            return KINDS[token.lower()]
    return DEFAULT_KIND[reducer]


def _frequency(details: list[Token]) -> int:
    for token in details:
        if token.type == "NUMBER":
            times = _whole(token)
            if not 1 <= times <= MOST_REPEATS:
                refuse(token, f"expected a frequency from 1 to {MOST_REPEATS:,}")
            return times
    return 2


def _stream(node: Node, scope: _Scope) -> Stream:
    [token] = _tokens(node)
    if scope.events > 1:
        refuse(node, "an event within an event within an event; two levels are the most")
    conditions = [_condition(_trees(f)[0], _within_event(scope)) for f in _trees(node) if f.data == "where"]
    excluded = [source for f in _trees(node) if f.data == "sources" for source in _sources(f)]
    windows = [f for f in _trees(node) if f.data in {"within", "between", "session"}]
    if len(windows) > 1:
        refuse(windows[1], "a second window on the same events; remove one, or join the two with between(…)")
    return Stream(
        event=_name_of_event(token),
        where=And(tuple(conditions)) if len(conditions) > 1 else next(iter(conditions), None),
        excluded=tuple(excluded),
        window=_window(windows[0], scope) if windows else None,
    )


def _within_event(scope: _Scope) -> _Scope:
    return scope._replace(events=scope.events + 1)


def _name_of_event(token: Token) -> str:
    return _string(token) or refuse(token, "the name of an event cannot be empty")


def _sources(node: Node) -> Iterator[str]:
    tokens = _tokens(node)
    _check_items(tokens)
    for token in tokens:
        yield _string(token) or refuse(token, "the id of a source cannot be empty")


def _window(node: Node, scope: _Scope) -> Window:
    spans = [_duration(duration, least=0) for duration in _trees(node)]
    if max(spans) == 0:
        refuse(node, "the window is empty; expected at least 1 minute")
    if len(spans) == 2 and spans[0] == spans[1]:
        refuse(node, "both ends of between(…) are the same; expected two different ones, such as 7 days, 10 days")
    if node.data == "session":
        if scope.events:
            refuse(node, "sessions are for events that stand outside of where(…); use within(…) here")
        return Session(spans[0])
    if parent := _tokens(node):
        if not scope.events:
            refuse(parent[0], "there is no event around this one; parent: can stand within a where(…) only")
        return AfterParent(min(spans) if len(spans) == 2 else 0, max(spans))
    return Sliding(max(spans), min(spans) if len(spans) == 2 else None)


def _duration(node: Node, *, least: int = 1) -> int:
    number, unit = _tokens(node)
    span = _whole(number) * UNITS[unit.lower().removesuffix("s")]
    if not least <= span <= LONGEST_SPAN:
        refuse(number, "expected a duration of at least 1 minute and at most 1,000 years")
    return span


def _whole(token: Token) -> int:
    if not re.fullmatch(r"\+?[0-9]{1,12}", token):
        refuse(token, "expected a whole number")
    return int(token)


def _constant(token: Token) -> Value:
    match token.type:
        case "STRING":
            return _string(token)
        case "BOOLEAN":
            return token.lower() == "true"
        case "DATE" if values.time(str(token)) is None:
            refuse(token, "there is no such date")
        case "DATE":
            return str(token)
    if values.number(str(token)) is None:
        refuse(token, "this number is too large or too long")
    return int(token) if token.lstrip("+-").isdigit() else Decimal(token)


def _string(token: Token) -> str:
    """Return a text without its quotes: a backslash before a quote or a backslash is left out, all else stays."""
    string = re.sub(r"\\(['\"\\])", r"\1", token[1:-1])
    if len(string) > LONGEST_STRING:
        refuse(token, f"a text has at most {LONGEST_STRING:,} characters")
    return string


def _path(token: Token) -> Path:
    """Return the keys a name is made of: a point parts them, unless a backslash stands before it."""
    steps = [""]
    for piece in re.findall(r"\\[.\\]|.", _string(token), re.DOTALL):
        if piece == ".":
            steps.append("")
        else:
            steps[-1] += piece[-1]
    if "" in steps:
        refuse(token, "a name, or a part of it between points, is empty; write '\\.' for a point in a name")
    return tuple(steps)


def _word(token: Token) -> str:
    return token.lstrip(".").strip()


def _trees(node: Node) -> list[Node]:
    return [child for child in node.children if isinstance(child, Tree)]


def _tokens(node: Node) -> list[Token]:
    return [child for child in node.children if isinstance(child, Token)]


def _refuse_at(text: str, offset: int, reason: str) -> NoReturn:
    line, column = place_of(text, offset)
    raise QueryRefused(reason, line=line, column=column)
