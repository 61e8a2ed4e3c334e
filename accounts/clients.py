"""Which client a request comes from."""

from ipaddress import IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client as the outermost of our own proxies saw it: an IPv4 address or an IPv6 /64.

    Whoever has one IPv6 address has the other 2^64 of its network as well. Of X-Forwarded-For only
    the last PROXY_COUNT entries were written by our proxies; what stands before them anybody may
    have made up.
    """
    return _network(_address(request))


def _address(request: HttpRequest) -> str:
    direct = str(request.META.get("REMOTE_ADDR", ""))
    if not settings.PROXY_COUNT:
        return direct
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    hops = [hop.strip() for hop in forwarded if hop.strip()]
    return hops[-settings.PROXY_COUNT] if len(hops) >= settings.PROXY_COUNT else direct


def _network(address: str) -> str:
    try:
        client = ip_address(address)
    except ValueError:
        return address
    if client.version == 4:
        return str(client)
    return str(client.ipv4_mapped or IPv6Network((client, 64), strict=False))
