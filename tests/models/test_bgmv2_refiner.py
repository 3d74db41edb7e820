"""Which cells the refiner chooses, and that what it does not choose stays as it was."""

import pytest
import torch

from models.bgmv2_refiner import Refiner

SIZE = 32  # px; 8 x 8 cells


def refine(refiner: Refiner, err: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    n = len(err)
    canvas = torch.full((n, 1, SIZE, SIZE), 7.0)
    pictures = torch.rand(2, n, 3, SIZE, SIZE)
    with torch.no_grad():
        chosen = refiner.eval()(canvas, torch.rand(n, 36, 8, 8), err, *pictures)
    return canvas, chosen


def test_sampling_takes_the_largest_errors():
    err = torch.randperm(64).view(1, 1, 8, 8) / 64
    canvas, chosen = refine(Refiner("sampling", 10 * 16, 0.1, 3), err)
    assert torch.equal(chosen, (err >= 54 / 64).float())
    painted = (canvas != 7).view(1, 1, 8, 4, 8, 4).any(dim=5).any(dim=3)
    assert torch.equal(painted, chosen.bool())


def test_sampling_takes_equal_errors_in_reading_order():
    err = torch.full((2, 1, 8, 8), 0.5)
    err[1, 0, 7, 7] = 0.6
    _, chosen = refine(Refiner("sampling", 5 * 16, 0.1, 3), err)
    assert chosen[0].flatten().nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert chosen[1].flatten().nonzero()[:, 0].tolist() == [0, 1, 2, 3, 63]


def test_sampling_leaves_cells_without_error_alone():
    err = torch.zeros(1, 1, 8, 8)
    err[0, 0, 3, 4] = 0.1
    canvas, chosen = refine(Refiner("sampling", 5 * 16, 0.1, 3), err)
    assert chosen.sum() == 1 and (canvas == 7).sum() == SIZE * SIZE - 16


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("coarse_side", [8, 5])
def test_every_mode_gives_the_same_where_all_cells_are_chosen(kernel_size, coarse_side):
    torch.manual_seed(1)
    coarse, err = torch.rand(1, 36, coarse_side, coarse_side), torch.rand(1, 1, 8, 8) + 0.2
    pictures = torch.rand(2, 1, 3, SIZE, SIZE)
    first = Refiner("full", 0, 0, kernel_size).eval()
    canvases = []
    for mode in ("full", "sampling", "thresholding"):
        refiner = Refiner(mode, SIZE * SIZE, 0.0, kernel_size).eval()
        refiner.load_state_dict(first.state_dict())
        canvas = torch.zeros(1, 4, SIZE, SIZE)
        with torch.no_grad():
            refiner(canvas, coarse, err, *pictures)
        canvases.append(canvas)
    torch.testing.assert_close(canvases[1], canvases[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(canvases[2], canvases[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("all", 1, 0.1, 3), "refine_mode"),
        (("full", -1, 0.1, 3), "refine_sample_pixels"),
        (("full", 1, 1.5, 3), "refine_threshold"),
        (("full", 1, 0.1, 2), "refine_kernel_size"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Refiner(*arguments)
