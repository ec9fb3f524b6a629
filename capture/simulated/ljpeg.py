"""Lossless JPEG as a Canon body writes it: SOF3, two interleaved components, predictor 1, one Huffman table.

ITU-T T.81 (1992), process 14. A difference d of the left neighbour of the same component is written as the
Huffman code of its category (the bit length of abs(d)) followed by that many bits of d; negative differences
by their ones' complement. Everything is done on whole blocks of rows: a table turns differences into code words,
neighbours are joined in pairs, and the pairs are merged into 64-bit words.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sidcap.data_manifest.errors import UsageError

COMPONENTS = 2
MAX_PRECISION = 14
# A code of 12 bits and 14 bits of difference leave room for their length in the same 32-bit table entry.
_MAX_CODE_LENGTH = 12
_LENGTH_BITS = 5
_LENGTH, _HALF = np.uint64((1 << _LENGTH_BITS) - 1), np.uint64(32)
_FIRST_CODE = np.uint64((1 << 32) - (1 << _LENGTH_BITS))
_SECOND_CODE = _FIRST_CODE << _HALF
_SAMPLES_PER_BLOCK = 1 << 15  # keeps a block's temporaries inside the second-level cache


def encode(samples: NDArray[np.uint16], precision: int = MAX_PRECISION) -> bytes:
    """The complete JPEG stream (SOI to EOI) of ``samples``, shape (rows, columns), bit-exact when decoded.

    Neighbouring columns are the two components of one JPEG sample, as in a CR2, so ``columns`` is even.
    Raises UsageError where shape, precision or a sample does not fit.
    """
    rows, columns = samples.shape
    if columns % COMPONENTS or not 0 < columns // COMPONENTS < 1 << 16 or not 0 < rows < 1 << 16:
        raise UsageError(f"a frame of {rows} x {columns} samples does not fit into a two-component JPEG")
    if not 2 <= precision <= MAX_PRECISION or int(samples.max()) >> precision:
        raise UsageError(f"samples do not fit into {precision} bits, or those are more than {MAX_PRECISION}")
    lengths = _code_lengths(_category_counts(samples, precision))
    scan = _entropy_coded(samples, precision, _code_table(lengths))
    return b"".join((_headers(rows, columns, precision, lengths), scan, b"\xff\xd9"))


def _headers(rows: int, columns: int, precision: int, lengths: NDArray[np.intp]) -> bytes:
    # In a DHT segment the symbols stand in the order of their codes: by length, then by symbol.
    symbols = np.argsort(lengths, kind="stable").astype(np.uint8)
    counts = np.bincount(lengths, minlength=17)[1:17].astype(np.uint8)
    dht = b"\x00" + counts.tobytes() + symbols.tobytes()
    width = columns // COMPONENTS
    sof = struct.pack(">BHHB", precision, rows, width, COMPONENTS) + b"\x01\x11\x00\x02\x11\x00"
    predictor = 1
    sos = bytes((COMPONENTS, 1, 0x00, 2, 0x00, predictor, 0, 0))
    segments = ((0xFFC4, dht), (0xFFC3, sof), (0xFFDA, sos))
    return b"\xff\xd8" + b"".join(struct.pack(">HH", marker, len(b) + 2) + b for marker, b in segments)


def _differences(samples: NDArray[np.uint16], row: slice, precision: int) -> NDArray[np.uint16]:
    """Differences of the given rows, modulo 2**16 as the standard has them."""
    block = samples[row]
    out = np.empty_like(block)
    np.subtract(block[:, COMPONENTS:], block[:, :-COMPONENTS], out=out[:, COMPONENTS:])
    # The first sample of a row is predicted by the one above, the very first by half of the range.
    first = block[:, :COMPONENTS]
    above = np.empty_like(first)
    above[1:] = first[:-1]
    above[0] = samples[row.start - 1, :COMPONENTS] if row.start else 1 << (precision - 1)
    np.subtract(first, above, out=out[:, :COMPONENTS])
    return out


@cache
def _categories() -> NDArray[np.uint8]:
    """Category of each difference modulo 2**16."""
    return np.frexp(np.abs(np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.float64)))[1].astype(np.uint8)


def _category_counts(samples: NDArray[np.uint16], precision: int) -> NDArray[np.intp]:
    """How often each category 0..precision occurs, estimated from every sixteenth row and never zero."""
    counts = np.ones(precision + 1, np.intp)
    for start in range(0, samples.shape[0], 16):
        categories = _categories()[_differences(samples, slice(start, start + 1), precision)]
        counts += np.bincount(categories.ravel(), minlength=precision + 1)
    return counts


def _code_lengths(counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Optimal prefix-code lengths of at most _MAX_CODE_LENGTH bits (package-merge, Larmore and Hirschberg 1990).

    One more symbol that never occurs takes part, and with it the code of all ones, which JPEG forbids.
    """
    leaves = sorted((int(count), (symbol,)) for symbol, count in enumerate([*counts, 0]))
    packages: list[tuple[int, tuple[int, ...]]] = []
    for _ in range(_MAX_CODE_LENGTH):
        merged = sorted(leaves + packages)
        packages = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(merged[::2], merged[1::2], strict=False)]
    chosen = [symbol for _, members in packages[: len(leaves) - 1] for symbol in members]
    return np.bincount(chosen, minlength=len(leaves))[:-1]


def _code_table(lengths: NDArray[np.intp]) -> NDArray[np.uint32]:
    """For each difference modulo 2**16 its bits, first bit highest, and at the other end how many they are."""
    codes = np.zeros(17, np.uint32)
    code, previous = 0, 0
    for symbol in np.argsort(lengths, kind="stable"):
        code <<= int(lengths[symbol]) - previous
        previous = int(lengths[symbol])
        codes[symbol] = code
        code += 1
    precision = len(lengths) - 1
    category = np.minimum(_categories(), precision).astype(np.uint32)
    difference = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    ones = (1 << category) - 1
    bits = np.where(difference < 0, difference + ones, difference).astype(np.uint32) & ones
    length = lengths[category].astype(np.uint32) + category
    return np.asarray((codes[category] << category | bits) << (32 - length) | length, np.uint32)


def _entropy_coded(samples: NDArray[np.uint16], precision: int, table: NDArray[np.uint32]) -> bytes:
    rows, columns = samples.shape
    rows_per_block = max(1, _SAMPLES_PER_BLOCK // columns)
    words: list[bytes] = []
    tail, tail_bits = np.uint64(0), 0
    for start in range(0, rows, rows_per_block):
        stop = min(start + rows_per_block, rows)
        entries = np.take(table, _differences(samples, slice(start, stop), precision))
        packed, tail_bits = _pack(entries.ravel(), tail, tail_bits)
        words.append(packed[:-1].byteswap().tobytes())
        tail = packed[-1]
    # The last byte is filled up with ones; a byte of all ones is followed by a zero byte.
    last = int(tail) | ((1 << (64 - tail_bits)) - 1)
    words.append(last.to_bytes(8, "big")[: (tail_bits + 7) // 8])
    return b"".join(words).replace(b"\xff", b"\xff\x00")


def _pack(entries: NDArray[np.uint32], tail: np.uint64, tail_bits: int) -> tuple[NDArray[np.uint64], int]:
    """Append the code words in ``entries`` to ``tail_bits`` bits already in ``tail``.

    Returns the 64-bit words, first bit highest, and how many bits of the last one are used (0..63).
    """
    two = entries.view("<u8")  # the first of two neighbours is the lower half
    length = two & _LENGTH
    second = two & _SECOND_CODE
    second >>= length
    length += two >> _HALF & _LENGTH
    pair = (two & _FIRST_CODE) << _HALF
    pair |= second

    end = np.cumsum(length)
    end += np.uint64(tail_bits)
    begin = end - length
    word, bit = (begin >> np.uint64(6)).view(np.int64), begin & np.uint64(63)
    packed = np.zeros(int(end[-1] >> np.uint64(6)) + 2, np.uint64)
    packed[0] = tail
    # Bits of different pairs never fall together, so adding joins them. A pair may run over into the next word.
    np.add.at(packed, word, pair >> bit)
    pair <<= np.uint64(1)
    pair <<= np.uint64(63) - bit
    np.add.at(packed[1:], word, pair)
    return packed[:-1], int(end[-1] & np.uint64(63))
