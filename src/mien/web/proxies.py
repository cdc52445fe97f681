"""What a proxy in front of Mien says about a request, where it may be believed.

Looked at only where it is needed: few requests are answered with their own address.
"""

from functools import lru_cache
from ipaddress import ip_address, ip_network

from starlette.requests import Request

from mien.errors import SettingsRefused
from mien.web.routing import header


class Proxies:
    """The addresses whose `X-Forwarded-…` headers are believed: addresses and networks, or `*` for all."""

    def __init__(self, trusted: str) -> None:
        self._all = trusted.strip() == "*"
        names = [] if self._all else [name.strip() for name in trusted.split(",") if name.strip()]
        try:
            self._networks = [ip_network(name) for name in names]
        except ValueError as error:
            raise SettingsRefused(f"`trusted_proxies`: {error}") from None
        self._trusts = lru_cache(1024)(self._looks_up)

    def _looks_up(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return self._all or any(address in network for network in self._networks)

    def scheme(self, request: Request) -> str:
        """Return `http` or `https`, as the client used it."""
        scheme: str = request.scope["scheme"]
        client = request.scope["client"]
        if client is None or not self._trusts(client[0]):
            return scheme
        told = header(request, b"x-forwarded-proto")
        return told.decode("latin-1").lower() if told in {b"http", b"https"} else scheme

    def address(self, request: Request) -> str:
        """Return the address of the client: the last one that is not that of a trusted proxy; or nothing."""
        client = request.scope["client"]
        if client is None:
            return ""
        told = (header(request, b"x-forwarded-for") or b"").decode("latin-1")
        hosts = [*(host.strip() for host in told.split(",") if host.strip()), client[0]]
        while len(hosts) > 1 and self._trusts(hosts[-1]):
            hosts.pop()
        return str(hosts[-1])
