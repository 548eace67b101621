"""Standard Webhooks: what is signed verifies, with either key during a rotation, and nothing else does."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import SettingsError
from connectors.webhook.mapping import ID, SIGNATURE, TIMESTAMP, WebhookError, headers, secret, verify
from tests.support.factory import BUS, key

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)
OLD, NEW = b"o" * 32, b"n" * 32


def public(agency: str) -> Ed25519PublicKey:
    return key(agency).private.public_key()


@given(body=st.binary(max_size=200), id_=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True))
def test_what_is_signed_verifies_by_key_and_by_secret(body: bytes, id_: str) -> None:
    given_headers = headers(id_, NOW, body, [key(BUS)], [NEW])
    assert verify(given_headers, body, NOW, keys=[public(BUS)]) == id_
    assert verify(given_headers, body, NOW, secrets=[NEW]) == id_


@given(body=st.binary(min_size=1, max_size=50), place=st.integers(0, 49), flip=st.integers(1, 255))
def test_no_changed_body_verifies(body: bytes, place: int, flip: int) -> None:
    given_headers = headers("a", NOW, body, [key(BUS)], [NEW])
    changed = bytearray(body)
    changed[place % len(body)] ^= flip
    with pytest.raises(WebhookError):
        verify(given_headers, bytes(changed), NOW, [public(BUS)], [NEW])


def test_while_a_secret_is_replaced_both_count() -> None:
    both = headers("a", NOW, b"{}", [key(BUS)], [NEW, OLD])
    assert verify(both, b"{}", NOW, secrets=[OLD]) == verify(both, b"{}", NOW, secrets=[NEW]) == "a"
    with pytest.raises(WebhookError):
        verify(headers("a", NOW, b"{}", [], [NEW]), b"{}", NOW, secrets=[OLD])


def test_the_example_that_the_libraries_of_the_specification_test_with() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    raw = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', [], [raw])
    assert found[SIGNATURE] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("change", [{ID: ""}, {TIMESTAMP: "soon"}, {SIGNATURE: ""}, {SIGNATURE: "v1,=="}, {ID: "b"}])
def test_headers_that_were_tampered_with(change: dict[str, str]) -> None:
    with pytest.raises(WebhookError):
        verify({**headers("a", NOW, b"{}", [key(BUS)], [NEW]), **change}, b"{}", NOW, [public(BUS)], [NEW])


@pytest.mark.parametrize("late", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_a_request_that_is_not_fresh(late: timedelta) -> None:
    with pytest.raises(WebhookError, match="fresh"):
        verify(headers("a", NOW, b"{}", [key(BUS)], []), b"{}", NOW + late, [public(BUS)])


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!", b64encode(b"x" * 32).decode()])
def test_a_secret_that_is_none_is_not_shown(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        secret(text)
    assert "c2hvcnQ" not in str(caught.value)
