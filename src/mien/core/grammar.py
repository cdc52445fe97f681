"""The grammar of definitions, and what a text that does not follow it is told.

A function and the point before it are one token. So `unique(…)` need not know whether `.count()` or a comparison
follows, and one token is enough to decide everywhere.
"""

import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import NoReturn

from lark import Lark, Token, Tree, UnexpectedToken
from lark.lark import PostLex

from mien.core.query import Operator
from mien.errors import QueryRefused

GRAMMAR = r"""
audience: _condition
computed_trait: scalar

_condition: disjunction
?disjunction: conjunction (_OR conjunction)*
?conjunction: unary (_AND unary)*
?unary: comparison
      | _NOT unary         -> negation
      | MEMBERS unary      -> members
      | "(" _condition ")" -> group

comparison: scalar SYMBOL scalar
          | scalar PLAIN_TEST "(" ")"
          | scalar SINGLE_TEST "(" scalar ")"
          | scalar LIST_TEST "(" _scalars ")"
          | scalar CLOCK_TEST "(" duration ")"
_scalars: scalar ("," scalar)* | "[" scalar ("," scalar)* "]"

?scalar: literal | trait | _event_value | reduction
literal: _constant | _LITERAL "(" _constant ")"
_constant: STRING | NUMBER | DATE | BOOLEAN
trait: _TRAIT "(" STRING ")"
_event_value: property | context | time
property: _PROPERTY "(" [PARENT] STRING ")"
context: _CONTEXT "(" STRING ")"
time: _TIMESTAMP "(" ")"

reduction: stream COUNT "(" ")"
         | stream REDUCER "(" _event_value ")"
         | stream EXTREME "(" _event_value [_AS TYPE] ")"
         | stream MODE "(" _event_value [_AS TYPE] ["," NUMBER] ")"
         | stream UNIQUE "(" _event_value ")" [COUNT "(" ")"]

stream: _EVENT "(" STRING ")" _filter*
_filter: where | sources | within | between | session
where: _WHERE "(" (_condition | "{" _condition "}") ")"
sources: _SOURCES "(" (_exclusion | "{" _exclusion "}") ")"
_exclusion: _EXCLUDE (_strings | "[" _strings "]" | "{" _strings "}")
_strings: STRING ("," STRING)*
within: _WITHIN "(" [PARENT] duration ")"
between: _BETWEEN "(" [PARENT] duration "," duration ")"
session: _EXPIRES_AFTER "(" duration ")"
duration: NUMBER UNIT

_AND: /(?ai:and)\b/
_OR: /(?ai:or)\b/
_NOT: /(?ai:not)\b/
MEMBERS: /(?ai:any|all)\b/
_AS: /(?ai:as)\b/
TYPE: /(?ai:number|string|array)\b/
UNIT: /(?ai:(minute|hour|day|week)s?)\b/
PARENT: /(?ai:parent)\s*:/
_EXCLUDE: /(?ai:exclude)\s*:/

_EVENT: /event\b/
_TRAIT: /trait\b/
_PROPERTY: /property\b/
_CONTEXT: /context\b/
_LITERAL: /literal\b/
_TIMESTAMP: /timestamp\b/

_WHERE: /\.\s*where\b/
_SOURCES: /\.\s*sources\b/
_WITHIN: /\.\s*within\b/
_BETWEEN: /\.\s*between\b/
_EXPIRES_AFTER: /\.\s*expires_after\b/

COUNT: /\.\s*count\b/
REDUCER: /\.\s*(sum|avg|first|last)\b/
EXTREME: /\.\s*(min|max)\b/
MODE: /\.\s*mode\b/
UNIQUE: /\.\s*unique\b/

SYMBOL: /==|!=|>=|<=|=|>|</
PLAIN_TEST: /\.\s*(absent|exists)\b/
SINGLE_TEST: /\.\s*(equals|differs|greater_than|at_least|less_than|at_most)\b/
           | /\.\s*(omits|starts_with|ends_with|matches|before_date|after_date)\b/
LIST_TEST: /\.\s*(contains|one_of|none_of)\b/
CLOCK_TEST: /\.\s*(within_last|within_next|before_last|after_next)\b/

STRING: /'(?:[^'\\]|\\.)*'/s | /"(?:[^"\\]|\\.)*"/s
DATE.2: /[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?/
NUMBER: /[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?/
BOOLEAN: /(?ai:true|false)\b/

OTHER.-1: /\.?\s*\w+|./s
%ignore /\s+/
"""

SYMBOLS = {
    "=": Operator.EQUALS,
    "==": Operator.EQUALS,
    "!=": Operator.DIFFERS,
    ">": Operator.GREATER_THAN,
    ">=": Operator.AT_LEAST,
    "<": Operator.LESS_THAN,
    "<=": Operator.AT_MOST,
}
"""What a SYMBOL means. The rest of the tests bear the names of their operators."""
_MINUTE = 60_000_000
UNITS = {"minute": _MINUTE, "hour": 60 * _MINUTE, "day": 1440 * _MINUTE, "week": 7 * 1440 * _MINUTE}
"""What a UNIT means, in microseconds."""

_VALUES = frozenset(
    {"_EVENT", "_TRAIT", "_PROPERTY", "_CONTEXT", "_LITERAL", "_TIMESTAMP", "STRING", "NUMBER", "DATE", "BOOLEAN"}
)
_TESTS = frozenset({"SYMBOL", "PLAIN_TEST", "SINGLE_TEST", "LIST_TEST", "CLOCK_TEST"})
_FILTERS = frozenset({"_WHERE", "_SOURCES", "_WITHIN", "_BETWEEN", "_EXPIRES_AFTER"})
_REDUCERS = frozenset({"COUNT", "REDUCER", "EXTREME", "MODE", "UNIQUE"})

_WORDS: tuple[tuple[str, frozenset[str], str], ...] = (
    ("_NOT", _VALUES | {"MEMBERS", "LPAR", "LBRACE"}, "a condition such as trait('plan') = 'pro'"),
    ("_WHERE", _FILTERS | _REDUCERS, "a filter or a reducer such as .count()"),
    ("SYMBOL", _TESTS | {"COUNT"}, "a comparison such as >= 1"),
    ("_EVENT", _VALUES | {"LSQB"}, "a value such as 'pro', trait('plan') or event('Login').count()"),
    ("_PROPERTY", frozenset({"_CONTEXT", "_TIMESTAMP"}), "property('…'), context('…') or timestamp()"),
    ("_EXCLUDE", frozenset({"LBRACE"}), "exclude: and the ids of sources"),
    ("DATE", _VALUES, "text, a number, a date, true or false"),
    ("STRING", frozenset({"PARENT", "LSQB", "LBRACE"}), "a text in quotes"),
    ("NUMBER", frozenset({"PARENT"}), "a whole number"),
    ("UNIT", frozenset(), "minutes, hours, days or weeks"),
    ("TYPE", frozenset(), "number, string or array"),
    ("COUNT", frozenset(), ".count()"),
    ("_AS", frozenset(), "as and a type"),
    ("_AND", frozenset(), "AND"),
    ("_OR", frozenset(), "OR"),
    ("COMMA", frozenset(), "a comma"),
    ("LPAR", frozenset(), "("),
    ("RPAR", frozenset(), ")"),
    ("RSQB", frozenset(), "]"),
    ("RBRACE", frozenset(), "}"),
    ("$END", frozenset(), "the end"),
)
"""What is said where a terminal is possible, in this order, and which others need no words then."""

_HINTS = {
    "entity": "entity(…) reads linked data, which is not available; use trait(…) or event(…)",
    "null": "there is no null; use .absent() or .exists()",
    "'": "the text that begins here has no end; close it with '",
    '"': 'the text that begins here has no end; close it with "',
}
_STRING = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_PIECE = re.compile(
    rf"(?P<text>{_STRING})|(?P<number>[+-]?[0-9][0-9.:TZ-]*)|(?P<else>[=!<>]=?|\.?\s*\w+|.)", re.DOTALL
)
_ECHO = 24


class _Anything(PostLex):
    """Has every character read as something, so that one kind of error tells what was expected instead."""

    always_accept = ("OTHER",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def _parser() -> Lark:
    return Lark(
        GRAMMAR,
        parser="lalr",
        lexer="contextual",
        start=["audience", "computed_trait"],
        propagate_positions=True,
        maybe_placeholders=False,
        postlex=_Anything(),
    )


def read(text: str, start: str) -> Tree[Token]:
    """Return the tree of a text, with positions; `start` is `audience` or `computed_trait`.

    Nothing here recurses or repeats itself: the time grows with the length of the text alone, however it is nested.
    """
    try:
        return _parser().parse(text, start=start)
    except UnexpectedToken as error:
        refusal = _refusal(text, start, error)
    raise refusal


def refuse(at: Tree[Token] | Token, reason: str) -> NoReturn:
    """Raise what is wrong, and where."""
    place = at if isinstance(at, Token) else at.meta
    raise QueryRefused(reason, line=place.line or 1, column=place.column or 1)


def place_of(text: str, offset: int) -> tuple[int, int]:
    """Return line and column of a character, both counted from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _refusal(text: str, start: str, error: UnexpectedToken) -> QueryRefused:
    at_end = error.token.type == "$END"
    offset = len(text.rstrip()) if at_end else error.token.start_pos or 0
    found = _found(text, offset)
    expected = _expected(error.accepts or error.expected, start, at_end)
    line, column = place_of(text, offset)
    return QueryRefused(_HINTS.get(found) or f"{expected}, found {found}", line=line, column=column)


def _expected(terminals: Collection[str], start: str, at_end: bool) -> str:
    words, left = [], set(terminals)
    for trigger, covered, phrase in _WORDS:
        if trigger in left:
            words.append(phrase)
            left -= covered | {trigger}
    *most, last = words
    said = f"expected {', '.join(most)} or {last}" if most else f"expected {last}"
    if start == "audience" and at_end and "SYMBOL" in terminals:
        return f"an audience is a condition: {said}"
    if start == "computed_trait" and "$END" in terminals:
        return f"a computed trait is one value: {said}"
    return said


def _found(text: str, offset: int) -> str:
    piece = _PIECE.match(text, offset)
    if piece is None or not piece[0].strip():
        return "the end"
    if piece.lastgroup != "else":
        return f"a {piece.lastgroup}"
    shown = "".join(piece[0].split())[:_ECHO]
    return shown if shown.isprintable() else f"U+{ord(piece[0][0]):04X}"
