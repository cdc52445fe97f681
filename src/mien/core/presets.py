"""The documented default rules of each vendor, as settings: nothing here is code.

Types have their names in Mien, which are Segment's where Segment has one: mParticle's customer id and CleverTap's
identity are `user_id`. docs/reference/identity.md has the table.
"""

from msgspec.structs import replace

from mien.core.rules import Login, Logout, Rules, TypeRule

MANY = 1000


def preset(name: str) -> Rules:
    """Return the rules of a preset; raise KeyError when there is none of this name."""
    return PRESETS[name]


def _segment() -> Rules:
    """user_id once ever, everything else five times; user_id ranks before email, the rest in alphabetical order."""
    usual = TypeRule(blocked=frozenset({"-1", "null", "anonymous"}), patterns=("^[0-]*$",))
    types = {
        "user_id": replace(usual, limit=1, priority=1),
        "email": replace(usual, priority=2, fold_case=True),
        # One id is the whole of an account, so it can never hold two.
        "group_id": replace(usual, limit=1, priority=1),
    }
    return Rules(types=types, other=usual)


_DEVICE_IDS = ("ios.idfa", "ios.id", "android.idfa", "android.id", "amp_id", "device_application_stamp")
"""In the order of mParticle's documented priority (reference: mparticle 3.6)."""


def _mparticle(*, known: TypeRule, email: TypeRule, login: Login, logout: Logout, limit: int = 1) -> Rules:
    """The best ranking identifier decides: customer id, e-mail, others, then devices."""
    people = ("phone", "other", "facebook", "google", "twitter", "microsoft", "yahoo")
    types = {
        "user_id": replace(known, limit=limit, priority=1),
        "email": replace(email, limit=limit, priority=2, fold_case=True),
        **{name: TypeRule(limit=limit, priority=3 + n) for n, name in enumerate(people)},
        **{name: TypeRule(limit=MANY, priority=20 + n) for n, name in enumerate(_DEVICE_IDS)},
        "group_id": TypeRule(limit=1, priority=3),
    }
    return Rules(
        types=types,
        other=TypeRule(limit=limit, priority=15),
        merge=False,
        on_login=login,
        on_logout=logout,
        max_merges=MANY,
    )


def _clevertap() -> Rules:
    """Whoever shares an identity is one person; identities are added, never replaced; fifty devices at most."""
    refused = "undefined|null|na|n/a|0|nil|-1|-?infinity|-?inf|-?nan|empty|xxxxxx|none"
    usual = TypeRule(limit=MANY, patterns=(f"^(?i:{refused})$",))
    types = {
        "user_id": replace(usual, priority=1),
        "email": replace(usual, priority=2, fold_case=True),
        "phone": replace(usual, priority=3),
        "facebook": replace(usual, priority=4),
        "google": replace(usual, priority=5),
        "device_id": replace(usual, limit=50, priority=7),
        "group_id": replace(usual, limit=1, priority=1),
    }
    return Rules(types=types, other=replace(usual, priority=6), max_merges=MANY)


_PLAIN = TypeRule()
_UNIQUE = TypeRule(unique=True)
_LOGIN = TypeRule(unique=True, login=True)
_IMMUTABLE = TypeRule(unique=True, login=True, immutable=True)

PRESETS = {
    "segment": _segment(),
    "mparticle/default": _mparticle(known=_IMMUTABLE, email=_PLAIN, login=Login.CONVERT, logout=Logout.NEW),
    "mparticle/conversion": _mparticle(known=_LOGIN, email=_UNIQUE, login=Login.CONVERT, logout=Logout.NEW),
    "mparticle/link": _mparticle(known=_LOGIN, email=_LOGIN, login=Login.LINK, logout=Logout.NEW),
    "mparticle/isolation": _mparticle(known=_LOGIN, email=_LOGIN, login=Login.ISOLATE, logout=Logout.BACK),
    "mparticle/best-match": _mparticle(
        known=_PLAIN, email=_PLAIN, login=Login.CONVERT, logout=Logout.BACK, limit=MANY
    ),
    "clevertap": _clevertap(),
}
