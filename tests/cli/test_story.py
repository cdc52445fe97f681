"""What happened to a profile, in plain words."""

import re

from mien.cli.story import REFUSED, sentence, why
from mien.core.fold import Policy
from mien.core.identity import Reason
from mien.core.message import order_of
from mien.core.rules import Rules, TypeRule
from mien.core.story import Merge
from mien.services import story
from mien.services.identifiers import remove
from mien.services.unmerge import unmerge
from mien.store.base import Head
from mien.store.sql import SqlStore
from tests.factories import NOW, ids, message, space, take_in, user

TENANT = space(policy=Policy(rules=Rules(types={"phone": TypeRule(limit=1)}, other=TypeRule(limit=9))))
A, B = user("email", "a@x.c"), user("email", "b@x.c")


def head_of(store: SqlStore) -> Head:
    head = store.head(store.owner("acme", A) or 0)
    assert head is not None
    return head


def told(store: SqlStore) -> str:
    lines = [sentence("users", event) for _, event in story.history(store, "acme", head_of(store))]
    return re.sub(r"use_\w+", "use_…", "\n".join(lines))


def test_the_history_of_a_profile(store: SqlStore) -> None:
    take_in(
        store,
        message(A, id="m1", at=NOW),
        message(B, user("phone", "7"), id="m2", at=NOW + 1),
        message(A, B, id="m3", order=order_of(NOW + 2)),
        message(A, user("phone", "8"), id="m4", order=order_of(NOW + 3)),
        message(A, user("card", "null"), id="m5", order=order_of(NOW + 4)),
        tenant=TENANT,
    )
    remove(store, TENANT, head_of(store).id, user("phone", "7"), now=NOW + 10**8)
    assert told(store).splitlines() == [
        "It was made, by message m1 of source web.",
        "It got email:a@x.c, by message m1 of source web, which named it alone.",
        "It got email:b@x.c, by message m2 of source web, which also named phone:7.",
        "use_… became one with use_…, the older: message m3 of source web named email:a@x.c (of use_…),"
        " email:b@x.c (of use_…).",
        "phone:8 was not taken: the profile would hold more values of phone than it may"
        " (once, with message m4 of source web).",
        "card:null was not taken: its value identifies nobody (once, with message m5 of source web).",
        "One phone was removed by hand.",
    ]


def test_an_undone_merge_is_told_with_both(store: SqlStore) -> None:
    take_in(store, message(A), message(B), message(A, B, id="m3"), tenant=TENANT)
    unmerge(store, TENANT, head_of(store).members[0], forever=True, now=NOW + 10**8, ids=ids())
    last = told(store).splitlines()[-1]
    assert last == (
        "The merge of use_… into use_… by message m3 was undone: they are use_… and use_… again."
        " They never become one again."
    )


def test_why_says_what_brought_each_identifier(store: SqlStore) -> None:
    take_in(store, message(A, id="m1"), message(A, user("phone", "5"), id="m2", at=NOW + 1), tenant=TENANT)
    head = head_of(store)
    merges = [account for account in store.history(head) if isinstance(account, Merge)]
    assert list(why(story.origins(store, "acme", head), merges, "users")) == [
        "email:a@x.c came by message m1 of source web, which named it alone.",
        "phone:5 came by message m2 of source web, which also named email:a@x.c.",
        "No other profile became one with it.",
    ]


def test_there_are_words_for_every_reason() -> None:
    assert set(REFUSED) == set(Reason)
