"""Mixed, noisy, erased and RandAugmented pictures, counted pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from coursework import guard_torchvision, identity
from coursework.data.jitter import R1, Augment
from coursework.data.mixing import Kind, Mix, cutmix, random_part
from coursework.data.randaugment import RandAugment

N, K = 60, 7
TARGETS = torch.arange(N) % K
# Every picture is one number, its own: a pixel tells whose it is.
OWN = torch.arange(N).float()
PICTURES = OWN[:, None, None, None].expand(N, 2, 9, 12)

pytestmark = pytest.mark.usefixtures("one_thread")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixed(kind: Kind, alpha: float = 1.0, seed: int = 0) -> tuple[Tensor, ...]:
    return Mix(kind=kind, alpha=alpha)(PICTURES, TARGETS, K, seeded(seed))


def expected_rows(partners: Tensor, kept: Tensor) -> Tensor:
    rows = torch.zeros(N, K)
    for i, (j, share) in enumerate(
        zip(partners.tolist(), kept.tolist(), strict=True)
    ):
        rows[i, TARGETS[i]] += share
        rows[i, TARGETS[j]] += 1 - share
    return rows


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_targets_sum_to_one(kind: Kind, alpha: float) -> None:
    batch, rows = mixed(kind, alpha)
    assert batch.shape == PICTURES.shape
    assert rows.min() >= 0
    torch.testing.assert_close(rows.sum(1), torch.ones(N))


def test_cutmix_targets_count_the_pixels() -> None:
    batch, rows = mixed("cutmix")
    strange = batch != PICTURES
    partners = torch.where(
        strange.flatten(1).any(1),
        (batch * strange).flatten(1).amax(1).long(),
        torch.arange(N),
    )
    kept = 1 - strange.float().mean((1, 2, 3))
    assert len(kept.unique()) > 20
    torch.testing.assert_close(rows, expected_rows(partners, kept))
    for picture, foreign, other in zip(batch, strange, partners, strict=True):
        assert (picture[foreign] == other).all()


def test_cutmix_pastes_one_part_of_the_pictures_form() -> None:
    batch, _ = mixed("cutmix")
    strange = batch != PICTURES
    assert torch.equal(strange[:, 0], strange[:, 1])
    rows, columns = strange[:, 0].any(2), strange[:, 0].any(1)
    box = rows[:, :, None] & columns[:, None, :]
    assert torch.equal(strange[:, 0], box)
    inside = ~(rows[:, 0] | rows[:, -1] | columns[:, 0] | columns[:, -1])
    tall, wide = rows[inside].sum(1) / 9, columns[inside].sum(1) / 12
    assert inside.sum() > 5
    assert ((tall - wide).abs() <= 0.5 / 9 + 0.5 / 12 + 1e-6).all()
    assert strange.any(0).all()  # anywhere


def test_cutmix_sides_make_the_wanted_area() -> None:
    """A quarter of the area has half of each side."""
    batch, kept = cutmix(
        PICTURES, PICTURES + 100, np.full(N, 0.75), np.random.default_rng(0)
    )
    strange = batch[:, 0] >= 100
    assert strange.any(2).sum(1).max() == 4  # of 9, the even one of 4 and 5
    assert strange.any(1).sum(1).max() == 6  # of 12
    assert float(kept.min()) == pytest.approx(1 - 24 / 108)


def test_mixup_targets_are_the_pictures_mixture() -> None:
    """A mixture of classes' own numbers tells the mean of its row."""
    pictures = TARGETS.float()[:, None, None, None].expand(N, 1, 2, 2)
    batch, rows = Mix(kind="mixup")(pictures, TARGETS, K, seeded())
    mean = rows @ torch.arange(K).float()
    torch.testing.assert_close(batch[:, 0, 0, 0], mean)
    assert torch.equal(batch, batch[:, :, :1, :1].expand_as(batch))
    assert ((rows > 0).sum(1) <= 2).all()
    assert (rows[torch.arange(N), TARGETS] > 0).all()


@pytest.mark.parametrize("alpha", [0.4, 2.0])
def test_shares_are_drawn_from_beta(alpha: float) -> None:
    many = torch.tensor([0.0, 1.0]).repeat(3000)[:, None, None, None]
    batch, _ = Mix(kind="mixup", alpha=alpha)(
        many, torch.zeros(6000, dtype=torch.int64), 1, seeded()
    )
    other = (batch - many).flatten().abs()
    shares = other[other > 0].double()  # of those with an unlike partner
    assert 2700 < len(shares) < 3300
    spread = 1 / (4 * (2 * alpha + 1))
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(shares.var()) == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_is_the_seeds_and_changes_no_input(kind: Kind) -> None:
    before, state = PICTURES.clone(), torch.get_rng_state()
    first, again, other = (mixed(kind, seed=seed) for seed in (0, 0, 1))
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], other[0])
    assert torch.equal(PICTURES, before)
    assert torch.equal(torch.get_rng_state(), state)
    drawn = seeded()
    one, two = (Mix(kind=kind)(PICTURES, TARGETS, K, drawn) for _ in "ab")
    assert not torch.equal(one[0], two[0])


def test_none_returns_what_it_got_and_draws_nothing() -> None:
    generator = seeded()
    batch, targets = Mix()(PICTURES, TARGETS, K, generator)
    assert batch is PICTURES
    assert targets is TARGETS
    assert torch.equal(generator.get_state(), seeded().get_state())


def test_a_batch_of_one_is_mixed_with_itself() -> None:
    for kind in ("mixup", "cutmix"):
        batch, rows = Mix(kind=kind)(PICTURES[5:6], TARGETS[5:6], K, seeded())
        torch.testing.assert_close(batch, PICTURES[5:6])
        assert rows.argmax() == TARGETS[5]


def test_wrong_mixes_are_named() -> None:
    with pytest.raises(ValueError, match=r"'both'.*'mixup'"):
        Mix(kind="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="alpha is 0"):
        Mix(kind="mixup", alpha=0)
    with pytest.raises(ValueError, match=r"uint8.*View"):
        Mix(kind="mixup")(PICTURES.byte(), TARGETS, K, seeded())


BYTES = torch.randint(
    256, (200, 3, 12, 9), dtype=torch.uint8, generator=seeded(1)
)
GREY = torch.full((200, 3, 24, 20), 0.5, dtype=torch.float64)
COVERS = {"noise": Augment(noise=0.1), "erase": Augment(erase=0.4)}


def changed(after: Tensor, before: Tensor) -> Tensor:
    return (after != before).flatten(1).any(1)


@pytest.mark.parametrize("name", COVERS)
@pytest.mark.parametrize("pictures", [BYTES, GREY], ids=["bytes", "floats"])
def test_how_many_pictures_are_covered(name: str, pictures: Tensor) -> None:
    before = pictures.clone()
    none, half, every = (
        changed(
            replace(COVERS[name], probability=p)(pictures, seeded()), before
        )
        for p in (0, 0.5, 1)
    )
    assert torch.equal(pictures, before)
    assert not none.any()
    assert every.all()
    assert 0.4 < half.float().mean() < 0.6


def test_noise_has_its_spread_and_stays_light() -> None:
    after = Augment(noise=0.1, probability=1)(GREY, seeded())
    assert float(after.mean()) == pytest.approx(0.5, abs=1e-3)
    assert float(after.std()) == pytest.approx(0.1, rel=0.01)
    black = Augment(noise=0.1, probability=1)(BYTES * 0, seeded())
    assert 0.45 < (black == 0).float().mean() < 0.55
    assert black.max() < 255


def test_erasing_puts_random_numbers_into_one_part() -> None:
    after = Augment(erase=0.4, probability=1)(GREY, seeded())
    gone = after != GREY
    assert torch.equal(gone[:, 0], gone[:, 2])
    box = gone[:, 0].any(2)[:, :, None] & gone[:, 0].any(1)[:, None, :]
    assert torch.equal(gone[:, 0], box)
    share = gone[:, 0].double().mean((1, 2))
    assert 0.01 < share.min() < 0.04
    assert 0.36 < share.max() < 0.45
    assert float(share.mean()) == pytest.approx(0.21, abs=0.03)
    values = after[gone]
    assert float(values.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(values.std()) == pytest.approx(1 / math.sqrt(12), rel=0.02)
    assert gone[:, 0].any(0).all()


def test_parts_on_paper() -> None:
    """A quarter of 8×8, square, in the corners; then as wide as can be."""
    drawn = torch.tensor(
        [[1.0] * 3, [0.5, 0.5, 0.0], [0, 0.99, 0], [0.99, 0, 0]]
    )
    square, low, flat = random_part(drawn, 0.25, 8, 8)[:, 0]
    wanted = torch.zeros(8, 8, dtype=torch.bool)
    wanted[:4, 4:] = True
    assert torch.equal(square, wanted)
    assert torch.equal(low, wanted.flip(0, 1))
    assert flat.any(1).sum() == 2  # √(16 · 0.3) = 2.19
    assert flat.any(0).sum() == 7  # √(16 / 0.3) = 7.3
    tall = random_part(torch.tensor([[1.0], [1], [0], [0]]), 1.0, 8, 8)
    assert tall[0, 0].any(1).sum() == 8  # √(64 / 0.3) = 14.6, cut
    tiny = random_part(torch.tensor([[1.0], [1], [0], [0]]), 0.001, 8, 8)
    assert tiny.sum() == 1  # at least a pixel


def test_covers_do_not_disturb_others_draws_in_any_batch() -> None:
    """Arms then share all else, and runs from before draw what they drew."""
    for cover in (*COVERS.values(), Augment(noise=0.1, erase=0.4)):
        plain, both = seeded(), seeded()
        added = replace(R1, noise=cover.noise, erase=cover.erase)
        for _ in range(3):
            wanted, found = R1(BYTES, plain), added(BYTES, both)
            same = ~changed(found, wanted)
            assert 30 < same.sum() < 140
        assert torch.equal(plain.get_state(), both.get_state())


def test_noise_and_erasing_do_not_disturb_each_other() -> None:
    floats = BYTES.float() / 255
    erased = Augment(erase=0.4)(floats, seeded())
    noisy = Augment(noise=0.1)(floats, seeded())
    both = Augment(noise=0.1, erase=0.4)(floats, seeded())
    gone = erased != floats
    assert torch.equal(both[gone], erased[gone])
    assert torch.equal(both[~gone], noisy[~gone])
    hit = changed(erased, floats) & changed(noisy, floats)
    assert 0.15 < hit.float().mean() < 0.35  # each half, on its own


def test_covers_are_drawn_anew_in_each_batch() -> None:
    for cover in COVERS.values():
        generator = seeded()
        one, two = (cover(BYTES, generator) for _ in "ab")
        assert not torch.equal(one, two)
        assert torch.equal(cover(BYTES, seeded()), one)


def test_covers_work_where_nothing_can_be_read_back() -> None:
    after = Augment(noise=0.1, erase=0.4)(BYTES.to("meta"), seeded())
    assert (after.device.type, after.shape) == ("meta", BYTES.shape)
    assert Augment(noise=0.1, erase=0.4)(BYTES[:0], seeded()).shape[0] == 0


def test_runs_from_before_there_were_covers_are_runs_without() -> None:
    stored = identity.describe(R1)
    del stored["args"]["noise"], stored["args"]["erase"]
    assert identity.matches(stored, R1)
    assert not identity.matches(stored, replace(R1, noise=0.1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": -0.1}, r"noise is -0\.1; it must be at least 0"),
        ({"erase": 1.1}, r"erase is 1\.1; accepted: \[0, 1\]"),
    ],
)
def test_wrong_covers_are_named(
    options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Augment(**options)


SOME = BYTES[:24]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_randaugment_keeps_type_shape_and_range(
    channels: int, kind: torch.dtype
) -> None:
    pictures = SOME[:, :channels]
    if kind != torch.uint8:
        pictures = pictures.float() / 255
    before = pictures.clone()
    after = RandAugment()(pictures, seeded())
    assert (after.shape, after.dtype) == (pictures.shape, kind)
    assert after.min() >= 0
    assert after.max() <= (255 if kind == torch.uint8 else 1)
    assert torch.equal(pictures, before)
    assert changed(after, before).float().mean() > 0.5


def test_randaugment_is_the_generators() -> None:
    """Not torch's own, which drops weights out; each picture is alone."""
    torch.manual_seed(0)
    first = RandAugment()(SOME, seeded())
    state = torch.get_rng_state()
    torch.manual_seed(1)
    generator = seeded()
    assert torch.equal(RandAugment()(SOME, generator), first)
    assert not torch.equal(RandAugment()(SOME, generator), first)
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)
    alike = SOME[:1].expand(24, -1, -1, -1)
    assert len(RandAugment()(alike, seeded()).unique(dim=0)) > 8


def test_randaugment_draws_torchvisions_operations() -> None:
    guard_torchvision()
    from torchvision.transforms import v2  # noqa: PLC0415

    change: Callable[[Tensor], Tensor] = v2.RandAugment(3, 20)
    seed = int(torch.randint(2**62, (1,), generator=seeded()))
    torch.manual_seed(seed)
    wanted = torch.stack([change(picture) for picture in SOME])
    found = RandAugment(operations=3, magnitude=20)(SOME, seeded())
    assert torch.equal(found, wanted)


def test_randaugment_takes_any_number_of_pictures() -> None:
    assert RandAugment()(SOME[:0], seeded()).shape == SOME[:0].shape
    strong = RandAugment(operations=4, magnitude=30)(SOME, seeded())
    mild = RandAugment(operations=1, magnitude=0)(SOME, seeded())
    far = [
        (each.int() - SOME.int()).abs().float().mean()
        for each in (strong, mild)
    ]
    assert far[0] > 2 * far[1]


def test_wrong_randaugments_are_named() -> None:
    with pytest.raises(ValueError, match=r"magnitude is 31.*\[0, 30\]"):
        RandAugment(magnitude=31)
    with pytest.raises(ValueError, match="operations is 0"):
        RandAugment(operations=0)
