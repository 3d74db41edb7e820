"""The baseline on a drawn person before a textured wall."""

import pytest
import torch

from models.plate_difference import PlateDifference


def draw(height: int = 240, width: int = 320, gain: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw a frame, its plate, each (3, H, W), and the true mask (H, W): a body with a head, and a noisy wall."""
    rng = torch.Generator().manual_seed(3)
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    wall = torch.stack([0.45 + 0.1 * torch.sin(20 * x), 0.5 + 0.1 * torch.sin(15 * y), 0.55 + 0 * x])
    head = (x - 0.5) ** 2 + (y - 0.35) ** 2 < 0.02
    body = ((x - 0.5).abs() < 0.25) & (y > 0.55)
    person = head | body
    skin = torch.tensor([0.8, 0.6, 0.5])[:, None, None].expand(3, height, width)
    frame = torch.where(person, skin, wall * gain)
    noise = torch.randn(2, 3, height, width, generator=rng) * 0.01
    return (frame + noise[0]).clamp(0, 1), (wall + noise[1]).clamp(0, 1), person


def matte(frame: torch.Tensor, plate: torch.Tensor) -> torch.Tensor:
    result = PlateDifference().matte(frame[None, None], plate[None])
    assert result.error is None and result.state is None
    return result.alpha[0, 0]


def agreement(alpha: torch.Tensor, person: torch.Tensor) -> float:
    found = alpha > 0.5
    return float((found & person).sum() / (found | person).sum())


def test_a_person_before_a_wall_is_found():
    frame, plate, person = draw()
    assert agreement(matte(frame, plate), person) > 0.95


def test_a_change_of_exposure_is_not_taken_for_a_person():
    frame, plate, person = draw(gain=1.12)
    assert agreement(matte(frame, plate), person) > 0.95


def test_nobody_gives_nothing():
    _, plate, _ = draw()
    noise = torch.randn(plate.shape, generator=torch.Generator().manual_seed(5)) * 0.01
    assert matte((plate + noise).clamp(0, 1), plate).max() < 0.05


def test_holes_are_filled_and_specks_removed():
    frame, plate, person = draw()
    hole, speck = (slice(None), slice(180, 190), slice(150, 160)), (slice(None), slice(20, 25), slice(20, 25))
    frame[hole] = plate[hole]
    frame[speck] = torch.tensor([0.8, 0.6, 0.5])[:, None, None]
    alpha = matte(frame, plate)
    assert alpha[180:190, 150:160].min() > 0.9 and alpha[15:30, 15:30].max() < 0.05


@pytest.mark.parametrize("size", [(65, 47), (1, 1), (3, 50), (1100, 30)])
def test_frames_of_any_size_are_taken(size):
    alpha = PlateDifference().matte(torch.rand(2, 2, 3, *size), torch.rand(2, 3, *size)).alpha
    assert alpha.shape == (2, 2, *size) and alpha.min() >= 0 and alpha.max() <= 1


def test_a_frame_is_matted_alike_wherever_it_stands():
    frame, plate, _ = draw()
    others = torch.rand(3, *frame.shape)
    batch = PlateDifference().matte(torch.stack([*others, frame])[None], plate[None]).alpha
    assert torch.equal(batch[0, 3], matte(frame, plate))


def test_alpha_does_not_depend_on_the_number_of_threads():
    frame, plate, _ = draw()
    before = torch.get_num_threads()
    alphas = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        alphas.append(matte(frame, plate))
    torch.set_num_threads(before)
    assert torch.equal(*alphas)


def test_bfloat16_frames_give_bfloat16_alpha():
    frame, plate, person = draw()
    alpha = matte(frame.bfloat16(), plate.bfloat16())
    assert alpha.dtype == torch.bfloat16 and agreement(alpha, person) > 0.95


def test_there_is_no_foreground_even_where_it_is_asked_for():
    assert PlateDifference().matte(torch.rand(1, 1, 3, 8, 8), torch.rand(1, 3, 8, 8), None, True).foreground is None


def test_a_plate_is_needed():
    with pytest.raises(ValueError, match="plate"):
        PlateDifference().matte(torch.rand(1, 1, 3, 8, 8), None)
