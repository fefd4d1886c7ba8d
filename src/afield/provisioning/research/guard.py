"""Keeps fetching inside the public internet: which addresses may be called, and connections that go nowhere else.

`check_url` and `judge` are pure. `GuardedResolver` and `guarded_socket` put them where connections are made: a socket
is opened only for the very address that was judged, so a name that points elsewhere a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from afield.provisioning.research.failures import Reason, ScrapeError

Address: TypeAlias = IPv4Address | IPv6Address
AddrInfo: TypeAlias = "tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]"
SCHEMES = frozenset({"http", "https"})
_LONGEST_URL = 2048
_HOST = re.compile(r"[\w.:%-]+", re.ASCII)
# What `ipaddress` may call global although nobody's website is there, by version of Python: carriers' own (RFC 6598),
# relays and tunnels into IPv4 (6to4, Teredo, compatible, local NAT64), and where clouds tell machines about themselves.
_NEVER = (
    *map(ip_network, ("100.64.0.0/10", "168.63.129.16/32", "192.88.99.0/24", "::/96", "64:ff9b:1::/48", "100::/64")),
    *map(ip_network, ("2001::/32", "2002::/16", "fd00:ec2::/32", "fec0::/10")),
)
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Fence:
    """What may be called. `loopback` is for tests against a simulator: this machine too, on any port."""

    ports: frozenset[int] = frozenset({80, 443})
    loopback: bool = False


class ForbiddenAddressError(OSError):
    """A name leads, or a connection would go, where nothing is fetched from."""


def check_url(url: URL, fence: Fence) -> None:
    """All that can be told without asking the name service. Raises ScrapeError."""
    if url.scheme not in SCHEMES:
        raise ScrapeError(Reason.INVALID_URL, url, f"only http and https are read, not {url.scheme or 'no scheme'}")
    host = url.raw_host or ""
    if not _HOST.fullmatch(host) or len(str(url)) > _LONGEST_URL:
        raise ScrapeError(Reason.INVALID_URL, url, "this is not an address that can be called")
    if url.raw_user is not None or url.raw_password is not None:
        raise ScrapeError(Reason.FORBIDDEN, url, "addresses with a user or password are not called")
    literal = _literal(host)
    if literal is not None and (refusal := judge(literal, url.port or 0, fence)):
        raise ScrapeError(Reason.FORBIDDEN, url, refusal)
    if url.port not in fence.ports and not fence.loopback:
        raise ScrapeError(Reason.FORBIDDEN, url, f"port {url.port} is no port of a public website")


def judge(address: str | Address, port: int, fence: Fence) -> str:
    """Why nothing is fetched from this address; empty if it may be. An IPv4 address within IPv6 counts as itself."""
    try:
        found = ip_address(address) if isinstance(address, str) else address
    except ValueError:
        return f"{address} is no address"
    meant = _carried(found) or found
    if fence.loopback and meant.is_loopback:
        return ""
    if kind := _kind(meant):
        return f"the address is {kind} ({found})"
    return "" if port in fence.ports else f"port {port} is no port of a public website"


def _kind(address: Address) -> str:
    """What an address is other than public; empty if it is public."""
    kinds = (
        (address.is_unspecified, "unspecified"),
        (address.is_loopback, "this machine's own"),
        (address.is_link_local, "link-local, as those of cloud metadata are"),
        (address.is_multicast, "multicast"),
        (any(address in network for network in _NEVER), "reserved"),
        (address.is_private, "private"),
        (address.is_reserved or not address.is_global, "reserved"),
    )
    return next((name for holds, name in kinds if holds), "")


def _carried(address: Address) -> IPv4Address | None:
    """The IPv4 address that a mapped address or one of the well-known NAT64 prefix stands for (RFC 4291, RFC 6052)."""
    if isinstance(address, IPv4Address):
        return None
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address.ipv4_mapped


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


class GuardedResolver(AbstractResolver):
    """Asks the system's name service and refuses a name if any of its addresses may not be called."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError, ForbiddenAddressError among them."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        results: list[ResolveResult] = []
        for kind, _, proto, _, place in found:
            address = str(place[0])
            if refusal := judge(address, port, self._fence):
                raise ForbiddenAddressError(refusal)
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            results.append(ResolveResult(hostname=host, host=address, port=port, family=kind, proto=proto, flags=flags))
        return results

    async def close(self) -> None:
        """Nothing to close."""


def guarded_socket(fence: Fence) -> Callable[[AddrInfo], socket.socket]:
    """Makes sockets for aiohttp: the last door, passed by every connection whatever led to it."""

    def open_socket(info: AddrInfo) -> socket.socket:
        family, kind, proto, _, place = info
        port = place[1]
        refusal = judge(str(place[0]), port if isinstance(port, int) else 0, fence)
        if refusal:
            raise ForbiddenAddressError(refusal)
        return socket.socket(family=family, type=kind, proto=proto)

    return open_socket
