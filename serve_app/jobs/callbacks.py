"""Callbacks that are due, in; signed requests to where their clients want them, out.

Signed and named as Standard Webhooks wants it (webhook-id, webhook-timestamp, webhook-signature;
HMAC-SHA256), so that receivers verify them with a library. A callback that was taken is delivered
once more rather than not at all: its id is the same in every try.
"""

import asyncio
import base64
import ipaddress
import json
import logging
import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from serve_app.config import JobsConfig
from serve_app.errors import ConfigError, InvalidOptionError, UnknownJobError
from serve_app.jobs.store import JobStore
from serve_app.jobs.told import job_to_json
from serve_app.jobs.types import Delivery

logger = logging.getLogger(__name__)

_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 3600.0
_MAX_URL_CHARACTERS = 2048
_SECRET_PREFIX, _MIN_SECRET_BYTES = "whsec_", 24
_LEASE_MARGIN_S = 30.0
_MAX_ASKING = 2
"""Names that are looked up at once, in threads that others need, too."""
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""RFC 4291 §2.4, all that was ever given out; Python takes more for global: site-local, ::/96."""
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052 §2.1: IPv4 as networks of IPv6 alone see it; the address is its end."""
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class PrivateAddressError(Exception):
    """The callback would go to a place that is not public."""


class Callbacks:
    """Delivers callbacks."""

    def __init__(self, config: JobsConfig, secret: str) -> None:
        """
        Raises:
            ConfigError: the secret is none of Standard Webhooks'.
        """
        try:
            key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
        except ValueError:
            key = b""
        if not secret.startswith(_SECRET_PREFIX) or len(key) < _MIN_SECRET_BYTES:
            raise ConfigError(
                "jobs.callback_secret_file", "is no `whsec_` and base64 of 24 bytes or more"
            )
        self._webhook = Webhook(key)
        self._timeout_s = config.callback_timeout_s
        self._asking = asyncio.Semaphore(_MAX_ASKING)
        self._max_attempts = config.max_callback_attempts
        self._allows_private = config.callbacks_to_private_addresses
        self.lease_s = config.callback_timeout_s + _LEASE_MARGIN_S

    async def deliver(self, store: JobStore, delivery: Delivery) -> None:
        """Try once, and record how that went."""
        try:
            job = await store.find(delivery.job_id, None)
        except UnknownJobError:
            return  # forgotten meanwhile, and its callback with it
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._post(delivery, job_to_json(job))
        except Exception as error:  # of whatever library: one callback never holds up the others
            reason = str(error) or type(error).__name__
            retry_in_s = self._retry_in_s(delivery.num_attempts)
            logger.info("callback %s of job %s: %s", delivery.id, delivery.job_id, reason)
            await store.not_delivered(delivery, reason[:500], retry_in_s=retry_in_s)
        else:
            await store.delivered(delivery)

    def _retry_in_s(self, num_attempts: int) -> float | None:
        if num_attempts >= self._max_attempts:
            return None
        return min(_FIRST_RETRY_S * 2.0 ** (num_attempts - 1), _LAST_RETRY_S)

    async def _post(self, delivery: Delivery, job: object) -> None:
        """
        Raises:
            httpx.HTTPError, OSError: nobody took it.
            PrivateAddressError: it may not go there.
        """
        now = datetime.now(UTC)
        body = json.dumps({"type": "job.ended", "timestamp": now.isoformat(), "data": job})
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(delivery.id, now, body),
        }
        url, extensions = httpx.URL(delivery.url), {}
        if not self._allows_private:
            # The address that was looked at is the one that is called, whatever a name server
            # says a moment later.
            headers["host"] = url.netloc.decode("ascii")
            extensions = {"sni_hostname": url.host}
            async with self._asking:
                url = url.copy_with(host=await _public_address(url))
        async with httpx.AsyncClient(trust_env=False, timeout=self._timeout_s) as client:
            request = client.build_request(
                "POST", url, content=body, headers=headers, extensions=extensions
            )
            response = await client.send(request, stream=True)  # what it says is not read
            await response.aclose()
            if not response.is_success:
                raise httpx.HTTPError(f"it was answered with status {response.status_code}")


def checked_callback_url(url: str, *, allows_private: bool) -> str:
    """
    Raises:
        InvalidOptionError: callbacks cannot, or may not, go there.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        _ = httpx.URL(url).host  # who will call it has rules of its own
    except (ValueError, httpx.InvalidURL):
        host, parts = None, urlsplit("")
    is_plain = parts.username is None and parts.password is None and url.isascii()
    if parts.scheme not in {"http", "https"} or not host or not is_plain:
        raise InvalidOptionError("callback_url", "is no http(s) URL without a user in it")
    if len(url) > _MAX_URL_CHARACTERS or any(ord(c) <= 32 for c in url):
        raise InvalidOptionError("callback_url", "is too long, or has spaces in it")
    if not allows_private and _is_private_name(host.rstrip(".")):
        raise InvalidOptionError("callback_url", f"{host[:100]} is no public address")
    return url


def _is_private_name(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not _is_public(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:  # 127.1, 2130706433 and 0x7f000001 are addresses, too
        return not _is_public(ipaddress.IPv4Address(socket.inet_aton(host)))
    except OSError:
        return False


async def _public_address(url: httpx.URL) -> str:
    """
    Raises:
        OSError: the name is unknown.
        PrivateAddressError: it has an address that is not public.
    """
    port = url.port or (443 if url.scheme == "https" else 80)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    return str(_all_public(addresses, url.host))


def _all_public(addresses: Iterable[_Address], host: str) -> _Address:
    first: _Address | None = None
    for address in addresses:
        if not _is_public(address):
            raise PrivateAddressError(f"{host} has an address that is not public")
        first = first or address
    if first is None:
        raise OSError(f"{host} has no address")
    return first


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        within = address.ipv4_mapped or address.sixtofour or _translated(address)
        if within is not None:
            return _is_public(within)
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """What a NAT64 makes of it."""
    is_translated = address in _TRANSLATED
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if is_translated else None
