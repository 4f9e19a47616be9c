"""Which addresses may be called: those of the internet, and no others unless a setting says so.

Whoever names a URL lets this server connect; it stands inside of networks that they do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

from progress.errors import ProgressError

__all__ = ["Addresses", "Refused"]

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network

# IANA's registries of special-purpose addresses (RFC 6890), as tables: what `ipaddress` knows of
# them differs from one patch of Python to the next. What is in doubt is not the internet.
_REFUSED_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, where clouds keep their credentials
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
    )
)
_INTERNET_6 = IPv6Network("2000::/3")
_REFUSED_6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols' own, Teredo among them
        "2001:db8::/32",
        "3fff::/20",
    )
)

_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291 §2.5.5.2
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
_6TO4 = IPv6Network("2002::/16")  # RFC 3056 §2


class Refused(ProgressError):
    """Nothing may be sent there. The message names no address."""


class Addresses:
    """Judges addresses."""

    def __init__(self, private: Iterable[str]) -> None:
        """`private` are networks that may be called although they are not the internet's."""
        self._private: tuple[_Network, ...] = tuple(map(ip_network, private))

    def allows(self, text: str) -> bool:
        """Whether that address may be connected to; what is no address may not."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return False  # it means another host on each interface
        inner = _unwrapped(address)
        return _is_internet(inner) or any(inner in network for network in self._private)


def _is_internet(address: _Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_4)
    return address in _INTERNET_6 and not any(address in network for network in _REFUSED_6)


def _unwrapped(address: _Address) -> _Address:
    """The IPv4 address that packets to it come out at."""
    if isinstance(address, IPv4Address):
        return address
    if address in _MAPPED or address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _6TO4:
        return IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address
