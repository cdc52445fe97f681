"""What a proxy says is believed only of a trusted one."""

import pytest
from starlette.requests import Request

from mien.errors import SettingsRefused
from mien.web.proxies import Proxies


def request(client: str | None, **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "scheme": "http", "client": client and (client, 1), "headers": raw})


@pytest.mark.parametrize(
    ("trusted", "client", "forwarded", "address"),
    [
        ("127.0.0.1", "127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.1", "spoofed, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1,10.0.0.0/8", "127.0.0.1", "198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("127.0.0.1", "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("*", "192.0.2.1", "198.51.100.7", "198.51.100.7"),
        ("", "127.0.0.1", "198.51.100.7", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", None, "198.51.100.7", ""),
    ],
)
def test_the_address_of_the_client(trusted: str, client: str | None, forwarded: str, address: str) -> None:
    assert Proxies(trusted).address(request(client, x_forwarded_for=forwarded)) == address


@pytest.mark.parametrize(
    ("client", "told", "scheme"),
    [
        ("127.0.0.1", "https", "https"),
        ("192.0.2.1", "https", "http"),
        ("127.0.0.1", "gopher", "http"),
        (None, "https", "http"),
    ],
)
def test_the_scheme_the_client_used(client: str | None, told: str, scheme: str) -> None:
    assert Proxies("127.0.0.1").scheme(request(client, x_forwarded_proto=told)) == scheme


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsRefused, match="trusted_proxies"):
        Proxies("localhost!")
