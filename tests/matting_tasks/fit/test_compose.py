"""Composing: frames that are what their truth says, and plates that are off by as much as was asked for."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from matting_tasks.fit.compose import Batch, Pairs, collate, compose
from matting_tasks.fit.disturb import Disturbance, draw
from matting_tasks.fit.records import Layers

SIZE = (96, 128)
DARKEST = 1e-4  # cameras here see no darker than this
STILL = Disturbance(
    plate_affine=np.eye(2, 3, dtype=np.float32),
    plate_gain=np.ones(3, np.float32),
    plate_offset=np.zeros(3, np.float32),
    shadow=np.ones((16, 16), np.float32),
    look=np.eye(3, 4, dtype=np.float32),
    relight=np.eye(3, 4, dtype=np.float32),
    blur=np.zeros(2, np.float32),
    noise=np.zeros(2, np.float32),
    quality=np.zeros(2, np.float32),
    is_video=np.zeros(1, np.float32),
    gamma=np.ones(1, np.float32),
)


def texture(seed: int, sigma: float = 1.5) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (*SIZE, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.rint(np.clip(soft / soft.std() * 0.15 + 0.5, 0.02, 0.98) * 255).astype(np.uint8)


def layers(n_frames: int = 1) -> Layers:
    """Make a disc with a soft edge that moves from frame to frame."""
    alpha = np.zeros((n_frames, *SIZE), np.uint8)
    for t in range(n_frames):
        cv2.circle(alpha[t], (60 + 6 * t, 50), 24, 255, -1)
        alpha[t] = cv2.GaussianBlur(alpha[t], (0, 0), 2)
    return Layers(np.stack([texture(10 + t) for t in range(n_frames)]), alpha, texture(1))


def composed(change: dict[str, object] | None = None, n_frames: int = 1) -> Pairs:
    numbers = {name: np.asarray(value, np.float32) for name, value in (change or {}).items()}
    torch.manual_seed(0)
    return compose(collate([layers(n_frames)], [replace(STILL, **numbers)]))


def picture(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def mixed(pairs: Pairs, behind: Tensor) -> Tensor:
    return pairs.alpha * pairs.foreground + (1 - pairs.alpha) * behind[:, None]


def test_with_no_disturbance_all_is_as_it_was_drawn() -> None:
    pairs, drawn = composed(n_frames=3), layers(3)
    assert pairs.frame.shape == (1, 3, 3, *SIZE) and pairs.plate.shape == (1, 3, *SIZE)
    assert pairs.alpha.shape == (1, 3, 1, *SIZE) and pairs.foreground.shape == (1, 3, 3, *SIZE)
    assert torch.allclose(pairs.plate[0], picture(drawn.background), atol=DARKEST)
    for t in range(3):
        assert torch.equal(pairs.alpha[0, t, 0], torch.from_numpy(drawn.alpha[t]) / 255)
        assert torch.allclose(pairs.foreground[0, t], picture(drawn.foreground[t]), atol=DARKEST)
    assert torch.allclose(pairs.frame, mixed(pairs, pairs.plate), atol=1e-6)


@pytest.mark.parametrize(("x", "y"), [(0.05, 0.0), (0.0, 0.0625), (-0.03, 0.02)])
def test_a_plate_moves_by_the_share_of_the_side_and_frames_stay(x: float, y: float) -> None:
    pairs = composed({"plate_affine": [[1, 0, 2 * x], [0, 1, 2 * y]]})
    still = composed()
    gray = [one[0].mean(0).numpy().astype(np.float64) for one in (still.plate, pairs.plate)]
    (dx, dy), _ = cv2.phaseCorrelate(*gray, cv2.createHanningWindow(SIZE[::-1], cv2.CV_64F))
    # the plate shows what lies further right and down: its content goes left and up
    assert dx == pytest.approx(-x * SIZE[1], abs=0.3) and dy == pytest.approx(-y * SIZE[0], abs=0.3)
    assert torch.equal(pairs.frame, still.frame)


def test_a_plate_is_turned_as_pixels_are_whatever_its_sides() -> None:
    angle = np.deg2rad(20)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    pairs, still = composed({"plate_affine": [[cos, -sin, 0], [sin, cos, 0]]}), composed()
    middle = ((SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, 20, 1.0)
    wanted = cv2.warpAffine(still.plate[0].permute(1, 2, 0).numpy(), matrix, SIZE[::-1])
    found, inner = pairs.plate[0].permute(1, 2, 0).numpy(), slice(SIZE[0] // 3, -SIZE[0] // 3)
    assert SIZE[0] != SIZE[1] and np.abs(found - wanted)[inner, inner].mean() < 0.02
    assert np.abs(found - still.plate[0].permute(1, 2, 0).numpy())[inner, inner].mean() > 0.04


def test_gain_and_offset_are_of_the_plate_alone() -> None:
    pairs, still = composed({"plate_gain": [0.8, 1, 0.9], "plate_offset": [0, 0.05, 0.02]}), composed()
    gain, offset = (torch.tensor(values)[None, :, None, None] for values in ([0.8, 1, 0.9], [0, 0.05, 0.02]))
    assert torch.allclose(pairs.plate, (still.plate * gain + offset).clamp(0, 1), atol=DARKEST)
    assert torch.equal(pairs.frame, still.frame)


def test_the_camera_s_look_and_gamma_are_of_frame_plate_and_truth_alike() -> None:
    look = [[0.9, 0.1, 0, 0.02], [0, 1.1, 0, -0.03], [0.05, 0, 0.8, 0]]
    pairs, still = composed({"look": look, "gamma": [1.3]}), composed()
    matrix = torch.tensor(look)
    for found, before in ((pairs.plate[0], still.plate[0]), (pairs.foreground[0, 0], still.foreground[0, 0])):
        seen = (torch.einsum("ij,jhw->ihw", matrix[:, :3], before) + matrix[:, 3:, None]).clamp(DARKEST, 1) ** 1.3
        assert torch.allclose(found, seen, atol=1e-3)
    assert torch.allclose(pairs.frame, mixed(pairs, pairs.plate), atol=1e-5)


def test_light_on_the_person_alone_is_part_of_the_truth() -> None:
    pairs, still = composed({"relight": 1.2 * np.eye(3, 4)}), composed()
    assert torch.allclose(pairs.foreground, (still.foreground * 1.2).clamp(0, 1), atol=DARKEST)
    inside = (pairs.alpha == 1).expand_as(pairs.frame)
    assert torch.equal(pairs.frame[inside], pairs.foreground[inside])
    assert torch.equal(pairs.plate, still.plate)


def test_a_shadow_falls_behind_the_person_and_not_on_the_plate() -> None:
    shadow = np.ones((16, 16))
    shadow[:, :8] = 0.6
    pairs, still = composed({"shadow": shadow}), composed()
    assert torch.equal(pairs.plate, still.plate) and torch.equal(pairs.foreground, still.foreground)
    outside = pairs.alpha[0, 0, 0] == 0
    left, right = outside.clone(), outside.clone()
    left[:, 50:], right[:, :80] = False, False
    darker = pairs.frame[0, 0].mean(0) / still.frame[0, 0].mean(0)
    assert darker[left].mean() == pytest.approx(0.6, abs=0.02) and darker[right].mean() == pytest.approx(1, abs=0.02)
    inside = (pairs.alpha == 1).expand_as(pairs.frame)
    assert torch.equal(pairs.frame[inside], still.frame[inside])


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_blur_goes_into_the_truth_and_leaves_the_plate(sigma: float) -> None:
    pairs, still, drawn = composed({"blur": [sigma, 0]}), composed(), layers()
    alpha = cv2.GaussianBlur(drawn.alpha[0].astype(np.float32) / 255, (9, 9), sigma)
    assert np.abs(pairs.alpha[0, 0, 0].numpy() - alpha).max() < 2e-3
    behind = cv2.GaussianBlur(still.plate[0].permute(1, 2, 0).numpy(), (9, 9), sigma)
    behind = torch.from_numpy(behind).permute(2, 0, 1)[None]
    assert torch.allclose(pairs.frame, mixed(pairs, behind), atol=2e-3)
    assert torch.equal(pairs.plate, still.plate)


def test_the_plate_s_own_blur_leaves_the_frame() -> None:
    pairs, still = composed({"blur": [0, 1.2]}), composed()
    soft = cv2.GaussianBlur(still.plate[0].permute(1, 2, 0).numpy(), (9, 9), 1.2)
    assert np.abs(pairs.plate[0].permute(1, 2, 0).numpy() - soft).max() < 5e-3
    assert torch.equal(pairs.frame, still.frame)


def test_noise_is_nearly_of_the_sigma_asked_for_and_new_in_every_frame() -> None:
    pairs, still = composed({"noise": [0.04, 0]}, 3), composed(n_frames=3)
    noise = (pairs.frame - still.frame)[0]
    assert torch.equal(pairs.plate, still.plate) and torch.equal(pairs.foreground, still.foreground)
    assert float(noise.std()) == pytest.approx(0.88 * 0.04, rel=0.05) and abs(float(noise.mean())) < 1e-3
    assert abs(float((noise[0] * noise[1]).mean())) < 0.1 * float(noise.var())
    # blotches: neighbours are alike
    assert float((noise[..., 1:] * noise[..., :-1]).mean()) > 0.1 * float(noise.var())
    plate = composed({"noise": [0, 0.02]})
    assert float((plate.plate - still.plate).std()) == pytest.approx(0.88 * 0.02, rel=0.05)
    assert torch.equal(plate.frame, composed().frame)


def test_compression_is_of_what_was_asked_and_leaves_the_truth() -> None:
    pairs, still = composed({"quality": [40, 0]}, 2), composed(n_frames=2)
    assert torch.equal(pairs.plate, still.plate) and torch.equal(pairs.foreground, still.foreground)
    assert torch.equal(pairs.alpha, still.alpha)
    assert 0.005 < float((pairs.frame - still.frame).abs().mean()) < 0.1
    assert not torch.equal(composed({"quality": [0, 40]}).plate, still.plate)


def test_examples_of_a_batch_keep_to_themselves() -> None:
    numbers = [draw(np.random.default_rng(seed)) for seed in (1, 2, 3)]
    quiet = [replace(one, noise=np.zeros(2, np.float32)) for one in numbers]
    together = compose(collate([layers(2)] * 3, quiet))
    for number, one in enumerate(quiet):
        alone = compose(collate([layers(2)], [one]))
        for found, wanted in zip(together, alone, strict=True):
            # a coefficient may fall to the other side of a step of compression
            assert (found[number] - wanted[0]).abs().mean() < 1e-4


def test_all_that_is_made_is_in_range_and_the_same_for_the_same_seed() -> None:
    numbers = [draw(np.random.default_rng(seed)) for seed in range(12)]
    batch = collate([layers()] * 12, numbers)
    torch.manual_seed(5)
    first = compose(batch)
    torch.manual_seed(5)
    again = compose(batch)
    for part, same in zip(first, again, strict=True):
        assert part.dtype == torch.float32 and part.min() >= 0 and part.max() <= 1
        assert torch.equal(part, same)


def test_a_batch_is_small_on_its_way_to_the_device() -> None:
    batch: Batch = collate([layers(2)] * 2, [STILL] * 2).to("cpu")
    assert batch.foreground.shape == (2, 2, *SIZE, 3) and batch.foreground.dtype == torch.uint8
    assert batch.alpha.shape == (2, 2, *SIZE) and batch.alpha.dtype == torch.uint8
    assert batch.background.shape == (2, *SIZE, 3) and batch.background.dtype == torch.uint8
