"""What headers of uploads and ranges say."""

import hashlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.problem import ProblemError
from services.files.headers import digest_of, number, repr_digest, span

DIGEST = "sha-256:" + hashlib.sha256(b"x").hexdigest()


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@given(size=st.integers(1, 10**12), begin=st.integers(0, 10**12), length=st.integers(1, 10**6))
def test_a_range_is_within_the_file_or_refused(size: int, begin: int, length: int) -> None:
    wanted = f"bytes={begin}-{begin + length - 1}"
    if begin < size:
        assert span(wanted, size) == (begin, min(begin + length, size))
        return
    with pytest.raises(ProblemError) as refused:
        span(wanted, size)
    assert refused.value.headers["Content-Range"] == f"bytes */{size}"


@given(size=st.integers(1, 10**12), suffix=st.integers(1, 10**13))
def test_a_suffix_is_the_end_of_the_file(size: int, suffix: int) -> None:
    assert span(f"bytes=-{suffix}", size) == (max(size - suffix, 0), size)


def test_an_empty_suffix_has_nothing_in_it() -> None:
    with pytest.raises(ProblemError):
        span("bytes=-0", 10)


@given(st.one_of(st.none(), st.text()))
def test_what_is_no_range_asks_for_everything(wanted: str | None) -> None:
    assert span(wanted, 10) is None


@pytest.mark.parametrize("wanted", ["bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "bytes=０-１", "items=0-1"])
def test_what_is_nearly_a_range_asks_for_everything(wanted: str) -> None:
    assert span(wanted, 10) is None


def test_the_digest_stands_among_other_metadata() -> None:
    assert digest_of(f"digest {encoded(DIGEST)}") == DIGEST
    assert digest_of(f"filename {encoded('照片.jpg')},is_confidential, digest {encoded(DIGEST)}") == DIGEST


@pytest.mark.parametrize(
    "metadata",
    ["", "digest", "digest !", f"digest {DIGEST}", f"digest {encoded(DIGEST.upper())}", f"digest {encoded('城管')}"],
)
def test_metadata_without_a_digest_is_refused(metadata: str) -> None:
    with pytest.raises(ProblemError) as refused:
        digest_of(metadata)
    assert (refused.value.code, refused.value.members["parameter"]) == ("bad-parameter", "Upload-Metadata")


@given(st.text().filter(lambda text: "digest" not in text))
def test_whatever_else_stands_there_is_left_alone(other: str) -> None:
    assert digest_of(f"digest {encoded(DIGEST)},{other}") == DIGEST
    with pytest.raises(ProblemError):
        digest_of(other)


@pytest.mark.parametrize("text", ["", "-1", "1.0", "１", "1e3", "9" * 16, " 1"])
def test_what_is_no_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(ProblemError):
        number({"Upload-Offset": text}, "Upload-Offset", 0)


def test_numbers() -> None:
    assert number({"Upload-Offset": "0"}, "Upload-Offset", 0) == 0
    with pytest.raises(ProblemError):
        number({"Upload-Length": "0"}, "Upload-Length", 1)
    with pytest.raises(ProblemError):
        number({}, "Upload-Length", 1)


def test_the_digest_as_rfc_9530_writes_it() -> None:
    assert repr_digest(DIGEST) == f"sha-256=:{b64encode(hashlib.sha256(b'x').digest()).decode()}:"
