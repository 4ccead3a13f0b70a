"""CRC-32C: the published vectors, and the processor's way against the tables."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primecore._crc32c import crc32c, crc32c_portable, has_native_crc32c

RFC_3720 = [
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (
        bytes.fromhex(
            "01c00000"
            + "00" * 12
            + "14000000"
            + "00000400"
            + "00000014"
            + "00000018"
            + "28"
            + "00" * 7
            + "02"
            + "00" * 7
        ),
        0xD9963A56,
    ),
    (b"123456789", 0xE3069283),
    (b"", 0),
]


@pytest.mark.parametrize("checksum", [crc32c, crc32c_portable])
@pytest.mark.parametrize(("data", "expected"), RFC_3720)
def test_published_vectors(checksum, data, expected):
    assert checksum(data) == expected


def test_native_equals_tables_at_every_length_and_alignment():
    if not has_native_crc32c():
        pytest.skip("this processor has no CRC-32C instruction")
    data = random.Random(1).randbytes(8192)
    for size in [*range(700), 2000, 3071, 3072, 3073, 6143, 6144, 6145, 8184]:
        for start in (0, 1, 7):
            part = memoryview(data)[start : start + size]
            assert crc32c(part, size) == crc32c_portable(part, size), (start, size)


@given(st.binary(max_size=500), st.binary(max_size=500))
def test_calls_chain(a, b):
    assert crc32c(b, crc32c(a)) == crc32c(a + b) == crc32c_portable(a + b)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_every_flipped_bit_shows(data, draw):
    bit = draw.draw(st.integers(0, len(data) * 8 - 1))
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    assert crc32c(flipped) != crc32c(data)


def test_refuses_what_is_no_buffer():
    with pytest.raises(TypeError):
        crc32c(None)
    with pytest.raises(TypeError):
        crc32c("text")
