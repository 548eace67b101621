"""How clients of partners speak HTTP: one session for each partner, only to addresses that its contract allows.

Without `private` in the contract a partner's name must lead to public addresses: what resolves to a private, loopback,
link-local or otherwise special one is not spoken to, and the check is made on the very address that is connected to, so
no name can change between the check and the use. Redirects are not followed, and proxies of the environment not used.
"""

import errno
import ipaddress
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson
from aiohttp import ClientConnectorError, ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from connectors.channel import PartnerAway, PartnerGone, PartnerRefuses
from connectors.errors import SettingsError
from contracts.agencies import Agency
from contracts.canonical import Document, parse_object
from contracts.errors import MalformedJson

LARGEST_ANSWER: Final = 8 * 1024 * 1024
"""Bytes of a partner's answer that are read at most."""

NOT_PUBLIC: Final = "not a public address; if it is meant, the contract must say private: true"
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.ip_network("::/96")
_LONGEST_PAUSE: Final = timedelta(days=1)
"""However long Retry-After asks for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A partner's answer of 2xx."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def document(self) -> Document:
        """The JSON object in it. Raises PartnerAway: a partner that answers nonsense is not well."""
        if b"\\u0000" in self.body:
            raise PartnerAway(f"the partner answered {self.status} with a NUL in it")
        try:
            return parse_object(self.body)
        except MalformedJson as error:
            raise PartnerAway(f"the partner answered {self.status} with no JSON object") from error

    def array(self) -> list[Any]:
        """The JSON array in it. Raises PartnerAway."""
        if b"\\u0000" in self.body:
            raise PartnerAway(f"the partner answered {self.status} with a NUL in it")
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise PartnerAway(f"the partner answered {self.status} with no JSON") from error
        if not isinstance(found, list):
            raise PartnerAway(f"the partner answered {self.status} with JSON that is no array")
        return list(found)


class PartnerClient:
    """One partner's HTTP. Every fault of the partner is PartnerAway, PartnerRefuses or PartnerGone."""

    def __init__(self, agency: Agency) -> None:
        """Raises SettingsError for a contract without a usable `url`."""
        channel = agency.channel
        self._base = _base(agency)
        self._agency = agency.code
        guard = None if channel.private else PublicOnly()
        if guard is not None and self._base.host is not None and is_address(self._base.host):
            guard.require(self._base.host)
        self._patience = channel.timeout.total_seconds()
        self._session = ClientSession(
            connector=TCPConnector(limit=channel.concurrency + 2, resolver=guard),
            timeout=ClientTimeout(total=self._patience),
            trust_env=False,
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: object = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask for a path under the contract's url (an empty one is the url itself).

        `json` is sent as JSON, `data` as aiohttp takes it. Raises PartnerAway, PartnerRefuses or PartnerGone.
        """
        body = orjson.dumps(json) if json is not None else data
        sent = {**({"Content-Type": "application/json"} if json is not None else {}), **(headers or {})}
        try:
            async with self._session.request(
                method, self._url(path), data=body, headers=sent, params=params, allow_redirects=False
            ) as answer:
                found = await answer.content.read(LARGEST_ANSWER + 1)
                while len(found) <= LARGEST_ANSWER and (more := await answer.content.read(LARGEST_ANSWER + 1)):
                    found += more
                return _judged(Reply(answer.status, found, answer.headers))
        except TimeoutError as error:
            raise PartnerAway("no answer in time") from error
        except (ClientError, OSError, ValueError) as error:
            raise PartnerAway(_unreached(error)) from error

    @asynccontextmanager
    async def open(
        self, method: str, path: str, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> AsyncGenerator[ClientResponse]:
        """The answer as it comes, of any status and length. Raises aiohttp's errors, OSError and TimeoutError."""
        timeout = ClientTimeout(total=None, sock_connect=self._patience, sock_read=self._patience)
        async with self._session.request(
            method, self._url(path), headers=headers, params=params, timeout=timeout, allow_redirects=False
        ) as answer:
            yield answer

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _url(self, path: str) -> URL:
        return self._base.joinpath(*path.strip("/").split("/"), encoded=False) if path else self._base


class PublicOnly(AbstractResolver):
    """Resolves names to public addresses only: the SSRF guard."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The public addresses of a name. Raises OSError if it has none."""
        if self._inner is None:
            self._inner = ThreadedResolver()
        found = await self._inner.resolve(host, port, family)
        public = [item for item in found if is_public(item["host"])]
        if not public:
            raise OSError(errno.EHOSTUNREACH, NOT_PUBLIC)
        return public

    def require(self, host: str) -> None:
        """An address that stands in the url is never resolved. Raises SettingsError."""
        if not is_public(host):
            raise SettingsError(f"{host}: {NOT_PUBLIC}")

    async def close(self) -> None:
        """Let go of the resolver."""
        if self._inner is not None:
            await self._inner.close()


def is_address(host: str) -> bool:
    """Whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an address is of the public internet. IPv4 in IPv6's clothes is looked at as what it is."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return found.is_global and not found.is_multicast
    if found in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    if found in _COMPATIBLE or found.is_site_local:
        return False
    inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
    if inner is not None:
        return inner.is_global and (found.ipv4_mapped is not None or found.is_global)
    return found.is_global and not found.is_multicast


def _base(agency: Agency) -> URL:
    url = URL(agency.channel.url or "")
    if url.scheme not in {"http", "https"} or not url.host or url.user:
        raise SettingsError(f"{agency.code}: the channel's url must be http(s)://host/…, without a password in it")
    return url


def _judged(reply: Reply) -> Reply:
    """The answer if it is good. Raises PartnerAway, PartnerRefuses or PartnerGone."""
    status = reply.status
    if 200 <= status < 300:
        if len(reply.body) > LARGEST_ANSWER:
            raise PartnerRefuses(f"the answer is larger than {LARGEST_ANSWER} bytes")
        return reply
    if status == 410:
        raise PartnerGone("the partner answered 410: nothing is to be sent there any more")
    if status in {408, 425, 429} or status >= 500 or status < 200:
        raise PartnerAway(f"the partner answered {status}", _retry_after(reply.headers.get("Retry-After")))
    if 300 <= status < 400:
        raise PartnerAway(f"the partner answered {status}: redirects are not followed; put the new url in its contract")
    if status in {401, 403}:
        raise PartnerAway(f"the partner answered {status}: check the url and the keys in its contract")
    raise PartnerRefuses(f"the partner answered {status}")


def _unreached(error: Exception) -> str:
    """Why a partner was not reached, for those who read timelines: not where it is."""
    inner = error.os_error if isinstance(error, ClientConnectorError) else error
    if isinstance(inner, OSError) and inner.strerror:
        return f"not reached: {inner.strerror}" if inner.strerror == NOT_PUBLIC else f"not reached: {_errno(inner)}"
    return f"not reached: {type(error).__name__}"


def _errno(error: OSError) -> str:
    """The error's own name, such as ECONNREFUSED: its words may name an address."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


def _retry_after(text: str | None) -> timedelta | None:
    """What Retry-After asks for: seconds, or a date (RFC 9110)."""
    if not text:
        return None
    if text.strip().isdecimal():
        return min(timedelta(seconds=min(int(text), 10**7)), _LONGEST_PAUSE)
    try:
        until = parsedate_to_datetime(text) - datetime.now(UTC)
    except (ValueError, TypeError):
        return None
    return min(max(until, timedelta()), _LONGEST_PAUSE)
