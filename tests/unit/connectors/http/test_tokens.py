"""Read tokens, by a clock that stands still."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.http.tokens import LIFETIME, SKEW, TokenError, issue, verify
from contracts.agencies import Agencies
from contracts.signatures import PublicKey, SigningKey, new_key

NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)
BUS = "310112-bus"
KEY = new_key("310112-cg", "310112-cg.1")
OTHER = new_key("310118-cg", "310118-cg.1")


def public(key: SigningKey, **changes: Any) -> PublicKey:
    return PublicKey(key.agency, key.kid, key.private.public_key(), **changes)


KEYS = Agencies({}, {key.kid: public(key) for key in (KEY, OTHER)})


def claims(**changes: Any) -> dict[str, Any]:
    seconds = int(NOW.timestamp())
    given = {"iss": KEY.agency, "aud": BUS, "iat": seconds, "exp": seconds + 300, "jti": "j" * 16, **changes}
    return {name: value for name, value in given.items() if value is not None}


def signed(key: SigningKey = KEY, kid: str = KEY.kid, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key.private, "EdDSA", {"kid": kid})


def refusal(token: str, now: datetime = NOW, keys: Agencies = KEYS) -> str:
    with pytest.raises(TokenError) as caught:
        verify(token, keys, BUS, now)
    return caught.value.code


def test_round_trip() -> None:
    caller = verify(issue(KEY, BUS, NOW, "one"), KEYS, BUS, NOW)
    assert (caller.agency, caller.jti, caller.expires) == (KEY.agency, "one", NOW + LIFETIME)


def test_counts_until_it_expires_and_not_after() -> None:
    token = issue(KEY, BUS, NOW, "one")
    assert verify(token, KEYS, BUS, NOW + LIFETIME - timedelta(seconds=1)).agency == KEY.agency
    assert refusal(token, NOW + LIFETIME) == "token-expired"


def test_a_clock_that_is_a_little_ahead_is_forgiven() -> None:
    assert verify(issue(KEY, BUS, NOW + SKEW, "one"), KEYS, BUS, NOW).agency == KEY.agency
    assert refusal(issue(KEY, BUS, NOW + SKEW + timedelta(seconds=1), "one")) == "token-invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "310118-bus"},
        {"aud": None},
        {"iss": OTHER.agency},
        {"iss": None},
        {"iat": None},
        {"exp": None},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 129},
        {"jti": "a\nb"},
        {"jti": 7},
        {"exp": int(NOW.timestamp()) + 301},
        {"exp": float(int(NOW.timestamp()) + 60)},
        {"iat": True},
        {"exp": 10**18},
        {"iat": "now"},
    ],
    ids=str,
)
def test_claims_that_do_not_count(changes: dict[str, Any]) -> None:
    assert refusal(signed(**changes)) == "token-invalid"


def test_signed_by_another_key_than_kid_says() -> None:
    assert refusal(signed(OTHER, KEY.kid)) == "token-invalid"


def test_key_that_no_contract_names() -> None:
    assert refusal(signed(new_key("310112-cg", "x"), "x")) == "token-invalid"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a" * 10_000, issue(KEY, BUS, NOW, "x") + "x"], ids=len)
def test_not_a_token(token: str) -> None:
    assert refusal(token) == "token-invalid"


def test_no_algorithm_and_other_algorithms_do_not_count() -> None:
    assert refusal(jwt.encode(claims(), "", "none", {"kid": KEY.kid})) == "token-invalid"
    shared = jwt.encode(claims(), KEY.public() * 2, "HS256", {"kid": KEY.kid})
    assert refusal(shared) == "token-invalid"


@pytest.mark.parametrize(
    "changes", [{"valid_to": NOW}, {"valid_from": NOW + timedelta(seconds=1)}, {"revoked": NOW}], ids=str
)
def test_key_that_does_not_count_now(changes: dict[str, datetime]) -> None:
    keys = Agencies({}, {KEY.kid: public(KEY, **changes)})
    assert refusal(issue(KEY, BUS, NOW, "one"), keys=keys) == "token-invalid"


def test_key_is_never_shown() -> None:
    secret = SigningKey("310112-cg", "k", Ed25519PrivateKey.generate())
    assert "PRIVATE" not in repr(secret)
