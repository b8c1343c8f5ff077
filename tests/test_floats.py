"""Formats against numpy's and their bit patterns; what scaling saves."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
import torch

from coursework import floats


def bfloat16(bits: int) -> float:
    """Read 16 bits as the upper half of a float32."""
    found: float = struct.unpack(">f", struct.pack(">I", bits << 16))[0]
    return found


def test_formats_are_those_of_numpy_and_of_the_bits() -> None:
    table = floats.formats().set_index("format").to_dict("index")
    for name, kind in (("float32", np.float32), ("float16", np.float16)):
        found, row = np.finfo(kind), table[name]
        assert row["bits"] == found.bits
        for column, value in (
            ("largest", found.max),
            ("smallest", found.smallest_normal),
            ("least", found.smallest_subnormal),
            ("next after 1", found.eps),
            ("1 + 0.001", kind(1.001)),
        ):
            assert float(row[column]) == pytest.approx(float(value), rel=0.05)
    row = table["bfloat16"]
    assert float(row["largest"]) == pytest.approx(bfloat16(0x7F7F), rel=0.05)
    assert float(row["smallest"]) == pytest.approx(bfloat16(0x0080), rel=0.05)
    assert float(row["least"]) == pytest.approx(bfloat16(0x0001), rel=0.05)
    step = bfloat16(0x3F81) - 1
    assert float(row["next after 1"]) == pytest.approx(step, rel=0.05)
    assert float(row["1 + 0.001"]) == 1


def test_what_autocast_lowers_is_looked_at() -> None:
    table = floats.lowered().set_index("operation")
    does = table["so it is"]
    products = ["matrix product", "linear layer", "convolution", "attention"]
    assert (does[products] == "lowered").all()
    assert does["ReLU"] == does["sum of two"] == "follows its input"
    assert does["squared error"] == "raised"  # on torch's list for CPUs
    assert (table.loc[does == "lowered", "of float32"] == "bfloat16").all()


def test_the_gradient_is_what_numpy_makes_of_it() -> None:
    small = np.float16(floats.SMALL)
    assert np.float16(floats.SMALL) * small == 0  # 1e-8, in numpy's float16
    assert floats.gradient(torch.float16) == 0
    for kind in floats.FORMATS:
        for scale in (1.0, 2.0**16):
            if (kind, scale) != (torch.float16, 1.0):
                found = floats.gradient(kind, scale)
                assert found == pytest.approx(1e-8, rel=0.01)
    scaled = float(np.float16(2.0**16 * floats.SMALL) * small)
    assert floats.gradient(torch.float16, 2.0**16) == pytest.approx(
        scaled / 2.0**16, rel=1e-3
    )
    table = floats.underflow()
    assert table["gradient"].astype(float).eq(0).tolist() == [
        False,
        True,
        False,
    ]


def test_the_scale_falls_until_it_fits_and_rises_again() -> None:
    table = floats.scaled_steps()
    scales = [2.0 ** int(text[2:]) for text in table["scale"]]
    with np.errstate(over="ignore"):
        fits = [np.isfinite(np.float16(s * floats.SMALL)) for s in scales]
    assert table["step taken"].tolist() == ["yes" if f else "no" for f in fits]
    finite = np.isfinite(table["scaled gradient"].astype(float))
    assert finite.tolist() == fits
    factors = [b / a for a, b in pairwise(scales)]
    expected, taken = [], 0
    for fit in fits[:-1]:
        taken = taken + 1 if fit else 0
        expected.append(0.5 if not fit else 2.0 if taken == 3 else 1.0)
        taken %= 3
    assert factors == expected
    assert set(factors) == {0.5, 1.0, 2.0}
