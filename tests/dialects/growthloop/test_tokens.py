"""Read tokens as values."""

import pytest

from mien.core.space import Credential
from mien.dialects.growthloop import tokens
from mien.dialects.growthloop.tokens import ReadToken
from mien.errors import CredentialRefused
from mien.services.secrets import digest
from mien.services.spaces import Catalog
from tests.dialects.growthloop.sheets import space

SAID = ReadToken("acme", "site", "customers", "u1", 5_000_000)


def key(secret: str = "gl_site", **fields: str) -> Credential:
    given = {"space": "acme", "dialect": "growthloop", "name": "site", **fields}
    return Credential(digest=digest(secret), created_at=1, **given)


def catalog(*keys: Credential) -> Catalog:
    return Catalog(
        revision=1,
        number=7,
        spaces={"acme": space()},
        sources={},
        credentials={(one.dialect, one.digest): one for one in keys},
        named={(one.space, one.dialect, one.name): one for one in keys},
    )


def test_what_was_written_is_read() -> None:
    text = tokens.write(SAID, key(), number=7)
    assert tokens.read(text, catalog(key())) == (SAID, key())
    longest = ReadToken("s" * 63, "k" * 100, "e" * 128, '"' * 1024, 1_795_000_000_000_000)
    by = key(space="s" * 63, name="k" * 100)
    assert tokens.read(tokens.write(longest, by, number=7), catalog(by))[0] == longest


@pytest.mark.parametrize(
    "known",
    [
        (),
        (key("gl_new"),),
        (key(name="other"),),
        (key(space="other"),),
        (key(dialect="segment"),),
    ],
)
def test_a_token_is_worth_what_its_key_is(known: tuple[Credential, ...]) -> None:
    with pytest.raises(CredentialRefused):
        tokens.read(tokens.write(SAID, key(), number=7), catalog(*known))


@pytest.mark.parametrize("place", range(len(tokens.PREFIX), len(tokens.write(SAID, key(), number=7))))
def test_no_character_of_it_may_change(place: int) -> None:
    text = tokens.write(SAID, key(), number=7)
    other = "A" if text[place] != "A" else "B"
    with pytest.raises(CredentialRefused):
        tokens.read(f"{text[:place]}{other}{text[place + 1 :]}", catalog(key()))


def test_a_token_holds_no_secret() -> None:
    text = tokens.write(SAID, key(), number=7)
    assert "gl_site" not in text
    assert digest("gl_site").hex() not in text
