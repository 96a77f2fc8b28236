"""Which internet addresses a fetch may connect to."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Forms of IPv6 that carry an IPv4 address and lead to it, or once did: nobody's website is there.
_CARRIERS = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "::/96",  # IPv4-compatible, RFC 4291
            "::ffff:0:0/96",  # IPv4-mapped, RFC 4291
            "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
            "64:ff9b::/96",  # NAT64, RFC 6052
            "64:ff9b:1::/48",  # NAT64, RFC 8215
            "2001::/32",  # Teredo, RFC 4380
            "2002::/16",  # 6to4, RFC 3056
            "fec0::/10",  # site-local, RFC 3879
        ),
    )
)
# Special by IANA's registries, which not every release of Python's `ipaddress` knows.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments, RFC 6890; a cloud keeps keys there
            "192.88.99.0/24",  # 6to4 relays, RFC 7526
            "3fff::/20",  # documentation, RFC 9637
        ),
    )
)
# Answered by a cloud's own machinery, whatever network the number belongs to.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)


def is_public(address: str) -> bool:
    """Whether it is a plain unicast address of the public internet (IANA's special-purpose registries)."""
    found = _parsed(address)
    if found is None or _carries(found) or any(found in network for network in _SPECIAL):
        return False
    special = found.is_multicast or found.is_reserved or found.is_unspecified or found.is_loopback
    return (
        found.is_global and not special and not found.is_private and not found.is_link_local and found not in _METADATA
    )


def is_usable(address: str) -> bool:
    """Whether it may be connected to once private networks are allowed: all but link-local, where clouds keep keys."""
    found = _parsed(address)
    if found is None:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    found = mapped or found
    if _carries(found) and not found.is_loopback:
        return False
    return not (found.is_link_local or found.is_multicast or found.is_unspecified or found in _METADATA)


def _carries(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _CARRIERS)


def _parsed(address: str) -> Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
