"""The calculations on a small map are torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import conv2d, scaled_dot_product_attention

from coursework import by_hand

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("picture", "kernel", "place"),
    [
        (by_hand.MAP, by_hand.KERNEL, (0, 1)),
        (RNG.normal(size=(3, 4)), RNG.normal(size=(3, 3)), (2, 3)),
        (RNG.normal(size=(4, 3)), RNG.normal(size=(1, 5)), (0, 0)),
    ],
)
def test_the_convolution_is_torchs(
    picture: NDArray[np.float64],
    kernel: NDArray[np.float64],
    place: tuple[int, int],
) -> None:
    tables = by_hand.convolution(picture, kernel, place)
    window, products, result, mixing = (t.values for t in tables[-4:])
    map_, weights = (torch.from_numpy(a)[None, None] for a in (picture, kernel))
    sides = (kernel.shape[0] // 2, kernel.shape[1] // 2)
    expected = conv2d(map_, weights, padding=sides)[0, 0].numpy()
    np.testing.assert_allclose(result, expected)
    np.testing.assert_allclose(mixing @ picture.ravel(), expected.ravel())
    np.testing.assert_allclose(window * kernel, products)
    assert products.sum() == pytest.approx(expected[place])


def test_attention_is_torchs() -> None:
    for picture, query, key, value in (
        (by_hand.MAP, by_hand.QUERY, by_hand.KEY, by_hand.VALUE),
        tuple(RNG.normal(size=s) for s in ((3, 4), (3, 5), (3, 5), (3, 1))),
    ):
        tables = by_hand.attention(picture, query, key, value)
        tokens, q, k, v = (t.values for t in tables[1:5])
        shares, result = (t.values for t in tables[-2:])
        assert tokens[0].tolist() == [
            picture[0, 0],
            -1,
            -(picture.shape[1] // 2),
        ]
        np.testing.assert_allclose(q, tokens @ query)
        asked, keys, values = (torch.from_numpy(a)[None] for a in (q, k, v))
        expected = scaled_dot_product_attention(asked, keys, values)[0, :, 0]
        np.testing.assert_allclose(result.ravel(), expected)
        np.testing.assert_allclose(shares.sum(1), 1)


def test_every_line_has_its_name() -> None:
    for table in (*by_hand.convolution(), *by_hand.attention()):
        if table.rows:
            assert table.values.shape == (len(table.rows), len(table.columns))
        assert np.isfinite(table.values).all()
