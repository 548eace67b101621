"""Read tokens: who asks, shown by a short-lived JWT (EdDSA) that the agency signs for one request.

    Authorization: Bearer <JWT>     header kid; claims iss = the agency, aud = the bus, iat, exp ≤ iat + 5 min, jti

Every service that answers reads uses the same door:

    self._door = Door(runtime.library, settings.bus, ReplayGuard(runtime.pool, "audit"), settings.token_lifetime)
    ...
    async def timeline(self, request: web.Request) -> web.Response:
        caller = await self._door.caller(request)      # raises ProblemError 401, which the server answers
        ... caller.agency ...

and has the table `tokens` in its schema: its first migration runs `op.execute(TOKENS_TABLE)`.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from aiohttp import hdrs, web
from psycopg import sql

from connectors.http.problem import ProblemError
from connectors.postgres.pool import Pool
from contracts.library import Library
from contracts.signatures import ALGORITHMS, Keyring, PublicKey, SigningKey

TOKENS_TABLE: Final = """
    CREATE TABLE tokens (
        agency text NOT NULL,
        jti text NOT NULL,
        expires timestamptz NOT NULL,
        PRIMARY KEY (agency, jti)
    );
    CREATE INDEX tokens_expires ON tokens (expires);
"""
"""The memory of used tokens, for the migrations of every service that has a door."""

LIFETIME: Final = timedelta(minutes=5)
SKEW: Final = timedelta(seconds=30)
"""How far an agency's clock may be ahead of ours."""

_PURGE_EVERY: Final = 60.0
_MAX_JTI: Final = 128
_CLAIMS: Final = ["iss", "aud", "iat", "exp", "jti"]


class TokenError(Exception):
    """A token that opens nothing; `code` is stable."""

    def __init__(self, message: str, code: str = "token-invalid") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. The token was shown once and counts until `expires`."""

    agency: str
    jti: str
    expires: datetime


def issue(key: SigningKey, audience: str, now: datetime, jti: str, lifetime: timedelta = LIFETIME) -> str:
    """A token of the key's agency for one request to the bus `audience`."""
    claims = {
        "iss": key.agency,
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "jti": jti,
    }
    return jwt.encode(claims, key.private, ALGORITHMS[key.algorithm], {"kid": key.kid})


def bearer(key: SigningKey, audience: str) -> dict[str, str]:
    """The header with a fresh token of the key's agency for one request, now, to the bus `audience`."""
    return {hdrs.AUTHORIZATION: f"Bearer {issue(key, audience, datetime.now(UTC), secrets.token_urlsafe(16))}"}


def verify(token: str, keys: Keyring, audience: str, now: datetime, lifetime: timedelta = LIFETIME) -> Caller:
    """Who signed this token for this bus; whether it was used before, ReplayGuard knows.

    Raises TokenError: token-invalid or token-expired.
    """
    key = _key_of(token, keys, now)
    try:
        claims = jwt.decode(
            token,
            key.public,
            algorithms=[ALGORITHMS[key.algorithm]],
            audience=audience,
            issuer=key.agency,
            options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.InvalidTokenError as error:
        raise TokenError(f"the token does not count: {error}") from error
    return _caller(claims, now, lifetime)


class ReplayGuard:
    """The memory of used tokens, in a service's own schema: a token opens a door once, whichever process it meets."""

    def __init__(self, pool: Pool, schema: str) -> None:
        table = sql.Identifier(schema, "tokens")
        self._pool = pool
        self._remember = sql.SQL(
            "INSERT INTO {} (agency, jti, expires) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        ).format(table)
        self._purge = sql.SQL("DELETE FROM {} WHERE expires < %s").format(table)
        self._purged = 0.0

    async def use(self, caller: Caller, now: datetime) -> None:
        """Remember the token. Raises TokenError `token-replayed` when it was used before."""
        async with self._pool.connection(timeout=2) as connection:
            cursor = await connection.execute(self._remember, (caller.agency, caller.jti, caller.expires))
            if cursor.rowcount == 0:
                raise TokenError("this token was used before; each request needs a fresh one", "token-replayed")
            if time.monotonic() - self._purged > _PURGE_EVERY:
                self._purged = time.monotonic()
                await connection.execute(self._purge, (now - LIFETIME,))


class Door:
    """Lets callers in by their tokens; one for each service that answers reads."""

    def __init__(
        self,
        library: Library,
        bus: str,
        guard: ReplayGuard,
        lifetime: timedelta = LIFETIME,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`lifetime` is the longest that a token may count; `now` is real time, never the legal time of a test."""
        self._library = library
        self._bus = bus
        self._guard = guard
        self._lifetime = lifetime
        self._now = now

    async def caller(self, request: web.Request) -> Caller:
        """Who makes this request. Raises ProblemError (401)."""
        now = self._now()
        try:
            token = _bearer(request)
            caller = verify(token, self._library.current().agencies, self._bus, now, self._lifetime)
            await self._guard.use(caller, now)
        except TokenError as error:
            raise ProblemError(error.code, str(error), headers={"WWW-Authenticate": "Bearer"}) from error
        return caller


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError("send Authorization: Bearer <token>, signed with your agency's key", "token-missing")
    if not token.isascii():
        raise TokenError("the token is not a JWT")
    return token.strip()


def _key_of(token: str, keys: Keyring, now: datetime) -> PublicKey:
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError as error:
        raise TokenError("the token is not a JWT") from error
    key = keys.key(kid) if isinstance(kid, str) else None
    if key is None:
        raise TokenError(f"key {kid!r} is in no agency's contract")
    if not key.valid_at(now):
        raise TokenError(f"key {kid} does not count now")
    return key


def _caller(claims: dict[str, Any], now: datetime, lifetime: timedelta) -> Caller:
    issued, expires = _instant(claims["iat"], "iat"), _instant(claims["exp"], "exp")
    jti = claims["jti"]
    if not isinstance(jti, str) or not 1 <= len(jti) <= _MAX_JTI or not jti.isprintable():
        raise TokenError(f"jti must be 1 to {_MAX_JTI} printable characters")
    if expires - issued > lifetime:
        raise TokenError(f"a token counts for at most {int(lifetime.total_seconds())} s (exp - iat)")
    if issued > now + SKEW:
        raise TokenError("iat is in the future; set your clock")
    if expires <= now:
        raise TokenError("the token has expired; sign a fresh one", "token-expired")
    return Caller(claims["iss"], jti, expires)


def _instant(value: object, name: str) -> datetime:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TokenError(f"{name} must be whole seconds since 1970")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise TokenError(f"{name} is not an instant") from error
