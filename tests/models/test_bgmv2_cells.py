"""Which cells are refined, and that they come out as the plain refiner makes them."""

import pytest
import torch
from reference_weights import reference_state_dict

from models.bgmv2_cells import CellRefiner
from models.bgmv2_last import Cells
from models.bgmv2_refiner import Refiner


def refiner_of(mode: str = "sampling", pixels: int = 64, threshold: float = 0.5, kernel_size: int = 3) -> Refiner:
    refiner = Refiner(mode, pixels, threshold, kernel_size)
    refiner.load_state_dict(reference_state_dict(refiner))
    return refiner.eval().requires_grad_(False)


def places(cells: Cells) -> list[tuple[int, int, int]]:
    return list(zip(cells.n.tolist(), cells.row.tolist(), cells.column.tolist(), strict=True))


def test_the_cells_of_largest_error_are_sampled_in_each_frame():
    error = torch.zeros(2, 4, 4)
    error[0, 1, 2], error[0, 3, 3], error[1, 0, 0] = 0.2, 0.9, 0.1
    cells = CellRefiner(refiner_of(pixels=32), torch.float32).choose(error, (16, 16))
    assert places(cells) == [(0, 1, 2), (0, 3, 3), (1, 0, 0)] and cells.grid == (4, 4)


def test_equal_errors_go_by_reading_order():
    cells = CellRefiner(refiner_of(pixels=48), torch.float32).choose(torch.full((1, 4, 4), 0.5), (16, 16))
    assert places(cells) == [(0, 0, 0), (0, 0, 1), (0, 0, 2)]


def test_thresholding_takes_what_is_above():
    error = torch.tensor([[[0.5, 0.51], [0.2, 1.0]]])
    cells = CellRefiner(refiner_of("thresholding"), torch.float32).choose(error, (8, 8))
    assert places(cells) == [(0, 0, 1), (0, 1, 1)]


@pytest.mark.parametrize("pixels", [0, 15])
def test_too_few_pixels_for_a_cell_sample_none(pixels):
    cells = CellRefiner(refiner_of(pixels=pixels), torch.float32).choose(torch.ones(1, 4, 4), (16, 16))
    assert places(cells) == []


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("scale", [4, 2, 8])
@torch.inference_mode()
def test_cells_are_painted_as_the_plain_refiner_paints_them(kernel_size, scale):
    torch.manual_seed(scale)
    refiner, size = refiner_of(pixels=400, kernel_size=kernel_size), (40, 56)
    frames, plate = torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8), torch.randint(0, 256, (*size, 3))
    plate = plate.to(torch.uint8)
    coarse = torch.rand(2, 36, size[0] // scale, size[1] // scale)
    error = torch.rand(2, 1, size[0] // scale, size[1] // scale)
    canvas = torch.rand(2, 1, *size)
    expected = canvas.clone()
    floats = frames.permute(0, 3, 1, 2) / 255, plate.permute(2, 0, 1)[None] / 255
    chosen = refiner(expected, coarse, error, *floats)
    ours = CellRefiner(refiner, torch.float32)
    cells = ours.choose(error[:, 0], size)
    assert len(cells.n) == int(chosen.sum()) > 20
    alpha = canvas[:, 0].clone()
    ours.paint(alpha, cells, coarse.permute(0, 2, 3, 1), frames, plate)
    assert not torch.equal(alpha, canvas[:, 0])
    torch.testing.assert_close(alpha, expected[:, 0], rtol=0, atol=1e-5)


@torch.inference_mode()
def test_cells_beyond_one_portion_are_painted_too(monkeypatch):
    torch.manual_seed(0)
    ours, size = CellRefiner(refiner_of(pixels=1600), torch.float32), (40, 40)
    frames, plate = torch.zeros((1, *size, 3), dtype=torch.uint8), torch.zeros((*size, 3), dtype=torch.uint8)
    hints, cells = torch.rand(1, 10, 10, 36), ours.choose(torch.ones(1, 10, 10), size)
    alphas = []
    for portion in (1000, 7):
        monkeypatch.setattr("models.bgmv2_cells.CELLS_AT_ONCE", portion)
        alphas.append(torch.full((1, *size), -7.0))
        ours.paint(alphas[-1], cells, hints, frames, plate)
    assert float(alphas[1].min()) > -7
    torch.testing.assert_close(*alphas, rtol=0, atol=1e-5)
