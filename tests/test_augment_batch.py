"""Random changes of pictures, against torchvision's and hand-made maps."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from coursework import guard_torchvision
from coursework.data import jitter
from coursework.data.jitter import R1, Augment

N, SIDE = 200, 33
PICTURES = torch.randint(
    256,
    (N, 3, 12, 9),
    dtype=torch.uint8,
    generator=torch.Generator().manual_seed(1),
)
FLOATS = PICTURES.double() / 255
R1_GEOMETRY = replace(R1, colour=0, blur=0)
ONES = {
    "flip": Augment(flip=0.5),
    "rotate": Augment(rotate=10),
    "colour": Augment(colour=0.2),
    "blur": Augment(blur=0.8),
    "crop": Augment(crop=0.5),
}

pytestmark = pytest.mark.usefixtures("one_thread")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def always(augment: Augment) -> Augment:
    return replace(augment, probability=1)


def changed(after: Tensor, before: Tensor) -> Tensor:
    return (after != before).flatten(1).any(1)


@pytest.mark.parametrize("probability", [0, 0.5, 1])
def test_nothing_is_done_and_drawn_unless_asked_for(
    probability: float,
) -> None:
    generator = seeded()
    same = Augment(probability=probability)(PICTURES, generator)
    assert same is PICTURES
    assert torch.equal(generator.get_state(), seeded().get_state())


@pytest.mark.parametrize("name", ONES)
def test_how_many_pictures_are_changed(name: str) -> None:
    """Others than those stay as they are, to the bit, and so do the givens."""
    before = FLOATS.clone()
    shares = [
        changed(replace(ONES[name], probability=p)(FLOATS, seeded()), before)
        for p in (0, 0.5, 1)
    ]
    assert torch.equal(FLOATS, before)
    none, half, every = (float(share.float().mean()) for share in shares)
    if name == "flip":  # has its own probability
        assert none == half == every
        assert Augment(flip=1)(PICTURES, seeded()).equal(PICTURES.flip(-1))
    else:
        assert (none, every) == (0, 1)
    assert 0.4 < half < 0.6


def test_changes_are_the_seeds_and_each_pictures_own() -> None:
    alike = PICTURES[:1].expand(64, -1, -1, -1)
    first, again, other = (
        always(R1)(alike, seeded(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert changed(first, other).all()
    assert len(first.unique(dim=0)) == 64
    for name in set(ONES) - {"flip"}:
        own = always(ONES[name])(alike.double() / 255, seeded())
        assert len(own.unique(dim=0)) == 64, name


def test_operations_do_not_disturb_each_others_draws() -> None:
    """Arms of an ablation then differ in what is ablated alone."""
    mirrored = Augment(flip=0.5)(PICTURES, seeded())
    with_blur = Augment(flip=0.5, blur=0.8)(PICTURES, seeded())
    kept = ~changed(Augment(blur=0.8)(PICTURES, seeded()), PICTURES)
    assert 0 < kept.sum() < N
    assert torch.equal(with_blur[kept], mirrored[kept])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_type_shape_and_range_stay(dtype: torch.dtype, channels: int) -> None:
    pictures = PICTURES if dtype == torch.uint8 else FLOATS.to(dtype)
    pictures = pictures[:, :channels]
    after = always(Augment(flip=0.5, rotate=90, colour=0.5, blur=2, crop=0.1))(
        pictures, seeded()
    )
    assert (after.dtype, after.shape) == (dtype, pictures.shape)
    assert after.min() >= 0
    assert after.max() <= (255 if dtype == torch.uint8 else 1 + 1e-6)


def test_no_pictures_are_no_pictures() -> None:
    assert R1(PICTURES[:0], seeded()).equal(PICTURES[:0])


def test_nothing_is_read_back_from_the_device() -> None:
    """A device that holds no numbers has none to read back."""
    after = R1(PICTURES.to("meta"), seeded())
    assert (after.device.type, after.shape) == ("meta", PICTURES.shape)


def test_bytes_are_the_rounded_floats() -> None:
    floats = always(R1)((PICTURES.float() / 255), seeded())
    assert always(R1)(PICTURES, seeded()).equal((255 * floats).round().byte())


def parameters(augment: Augment, height: int = SIDE) -> Tensor:
    """Read each picture's map (N, 2, 3) off ramps, in pixels from the middle.

    The middle of the output, away from reflections, shows the map's slopes.
    """
    down, right = torch.meshgrid(
        torch.arange(height) - (height - 1) / 2,
        torch.arange(SIDE) - (SIDE - 1) / 2,
        indexing="ij",
    )
    ramps = torch.stack([right, down]).double().expand(N, -1, -1, -1)
    seen = augment(ramps, seeded())
    y, x = height // 2, SIDE // 2
    slopes = [
        (seen[:, :, y, x + 2] - seen[:, :, y, x - 2]) / 4,
        (seen[:, :, y + 2, x] - seen[:, :, y - 2, x]) / 4,
    ]
    return torch.stack([*slopes, seen[:, :, y, x]], dim=-1)


@pytest.mark.parametrize("height", [SIDE, 21])
def test_rotations_are_rigid_and_uniform(height: int) -> None:
    """Also of pictures that are not square."""
    found = parameters(always(Augment(rotate=10)), height)
    turn = found[:, :, :2]
    torch.testing.assert_close(
        turn @ turn.mT,
        torch.eye(2).double().expand(N, -1, -1),
        atol=1e-5,
        rtol=0,
    )
    torch.testing.assert_close(
        turn.det(), torch.ones(N).double(), atol=1e-5, rtol=0
    )
    assert found[:, :, 2].abs().max() < 1e-5
    degrees = torch.atan2(turn[:, 1, 0], turn[:, 0, 0]).rad2deg()
    uniform(degrees, -10, 10)


def uniform(values: Tensor, low: float, high: float) -> None:
    """Check mean and ends; the mean's bound is four standard errors."""
    width = high - low
    assert low - 1e-4 <= values.min() < low + 0.1 * width
    assert high - 0.1 * width < values.max() <= high + 1e-4
    bound = 4 * width / math.sqrt(12 * len(values))
    assert float(values.mean()) == pytest.approx((low + high) / 2, abs=bound)


def test_crops_keep_the_form_and_stay_inside() -> None:
    found = parameters(always(Augment(crop=0.5)))
    turn, centre = found[:, :, :2], found[:, :, 2]
    assert turn[:, [0, 1], [1, 0]].abs().max() < 1e-5
    torch.testing.assert_close(turn[:, 0, 0], turn[:, 1, 1], atol=1e-5, rtol=0)
    side = turn[:, 0, 0]
    uniform(side.square(), 0.5, 1)
    room = (1 - side) * SIDE / 2
    for axis in (0, 1):
        assert (centre[:, axis].abs() <= room + 1e-4).all()
        uniform(centre[:, axis] / room, -1, 1)


def test_all_of_geometry_is_one_map() -> None:
    """Mirroring and area show in the determinant, whatever the angle."""
    found = parameters(always(R1_GEOMETRY))[:, :, :2].det()
    mirrored = parameters(Augment(flip=0.5))[:, :, :2].det() < 0
    area = parameters(always(Augment(crop=0.5)))[:, :, :2].det()
    assert torch.equal(found < 0, mirrored)
    torch.testing.assert_close(found.abs(), area, atol=1e-4, rtol=0)


@pytest.mark.parametrize("turns", [-1, 0, 1, 2])
@pytest.mark.parametrize("mirrored", [False, True])
def test_quarter_turns_of_a_flipped_picture(turns: int, mirrored: bool) -> None:
    square = FLOATS[:5, :, :9, :9]
    maps = jitter.affine(
        torch.full((5,), mirrored),
        torch.full((5,), 90.0 * turns),
        torch.ones(5),
        torch.zeros(2, 5),
        1.0,
    ).double()
    expected = square.flip(-1) if mirrored else square
    torch.testing.assert_close(
        jitter.sample(square, maps),
        expected.rot90(turns, (-2, -1)),
        atol=1e-5,
        rtol=0,
    )


def test_a_crop_cuts_out_the_named_corner() -> None:
    """A quarter of the area from top right, twice enlarged."""
    rows = torch.arange(8.0).expand(1, 2, 8, 8).clone()
    rows[0, 1] = rows[0, 0].T
    maps = jitter.affine(
        torch.tensor([False]),
        torch.zeros(1),
        torch.tensor([0.25]),
        torch.tensor([[1.0], [-1.0]]),
        1.0,
    )
    right, down = jitter.sample(rows, maps)[0]
    halves = torch.arange(8) / 2 - 0.25
    torch.testing.assert_close(right[0], 4 + halves.clamp(max=3))
    torch.testing.assert_close(down[:, 0], halves.clamp(min=0))


def test_what_is_turned_in_is_the_pictures_reflection() -> None:
    white = torch.full((50, 3, 12, 9), 255, dtype=torch.uint8)
    assert always(Augment(rotate=45))(white, seeded()).equal(white)


@pytest.fixture
def shares() -> Tensor:
    """Shares for four operations, each alone and all at once."""
    return torch.cat(
        [
            0.4 * torch.eye(4),
            -0.4 * torch.eye(4),
            torch.tensor([[0.2, -0.15, 0.1, 0.05], [-0.2, 0.2, -0.2, -0.2]]),
        ]
    ).double()


def test_colours_are_torchvisions(shares: Tensor) -> None:
    guard_torchvision()
    from torchvision.transforms.v2 import functional as F  # noqa: PLC0415

    batch = FLOATS[: len(shares)].float()
    batch[:, :, 0] = 0.5  # grey and black have no hue
    batch[:, :, 1] = 0
    found = jitter.recolour(batch, shares.float())
    for before, after, row in zip(batch, found, shares.tolist(), strict=True):
        expected = F.adjust_brightness(before, 1 + row[0])
        expected = F.adjust_contrast(expected, 1 + row[1])
        expected = F.adjust_saturation(expected, 1 + row[2])
        expected = F.adjust_hue(expected, row[3])
        torch.testing.assert_close(after, expected, atol=2e-5, rtol=0)
    grey = jitter.recolour(batch[:, :1], shares.float())
    for before, after, row in zip(
        batch[:, :1], grey, shares.tolist(), strict=True
    ):
        expected = F.adjust_brightness(before, 1 + row[0])
        expected = F.adjust_contrast(expected, 1 + row[1])
        torch.testing.assert_close(after, expected, atol=2e-5, rtol=0)


def test_colours_change_by_every_share_within_the_bound() -> None:
    """Read off colours for which the other operations cancel out."""
    even = torch.full((N, 1, 4, 4), 0.5).double()
    light = always(Augment(colour=0.2))(even, seeded()).mean((1, 2, 3)) / 0.5
    uniform(light, 0.8, 1.2)
    halves = torch.tensor([0.45, 0.55]).double().expand(N, 1, 2, 2)
    grey = always(Augment(colour=0.2))(halves, seeded())
    spread = (grey[..., 1] - grey[..., 0]).mean((1, 2)) / 0.1 / light
    uniform(spread, 0.8, 1.2)


def test_blur_is_torchvisions() -> None:
    guard_torchvision()
    from torchvision.transforms.v2 import functional as F  # noqa: PLC0415

    sigmas = torch.tensor([0.05, 0.3, 0.8, 2.0]).double()
    found = jitter.blur(FLOATS[:4], sigmas[:, None, None, None])
    for before, after, sigma in zip(
        FLOATS, found, sigmas.tolist(), strict=False
    ):
        expected = F.gaussian_blur(before, [3, 3], [sigma, sigma])
        torch.testing.assert_close(after, expected)


def test_blurs_are_uniform_up_to_the_bound() -> None:
    dot = torch.zeros(N, 1, 5, 5).double()
    dot[:, :, 2, 2] = 1
    after = always(Augment(blur=0.8))(dot, seeded())
    ratio = after[:, 0, 2, 1] / after[:, 0, 2, 2]
    uniform((-0.5 / ratio.log()).sqrt(), 0.4, 0.8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flip": 1.5}, r"flip is 1\.5; accepted: \[0, 1\]"),
        ({"rotate": -1}, r"rotate is -1; accepted: \[0, 180\]"),
        ({"colour": 0.6}, r"colour is 0\.6; accepted: \[0, 0\.5\]"),
        ({"blur": -0.1}, r"blur is -0\.1; it must be at least 0"),
        ({"crop": 0.0}, r"crop is 0\.0; accepted: \(0, 1\]"),
        ({"probability": 2}, r"probability is 2; accepted: \[0, 1\]"),
    ],
)
def test_wrong_settings_are_named(
    options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Augment(**options)
    with pytest.raises(ValueError, match="pictures have 2 channels"):
        Augment(colour=0.1)(PICTURES[:, :2], seeded())
