"""Half the frames, when the device's memory runs out: the same alphas, and the state goes on."""

import pytest
import torch
from fakes import FadingModel, RedModel
from torch import Tensor

from matting_tasks.halving import matte_in_halves
from models.base import Matte


class SmallDevice(FadingModel):
    """A temporal model on a device that holds only so many frames."""

    def __init__(self, n_frames: int) -> None:
        super().__init__()
        self.n_frames = n_frames

    def matte(
        self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
    ) -> Matte:
        if frames.shape[1] > self.n_frames:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().matte(frames, plates, state)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 6])
def test_halves_agree_with_the_whole(n_frames: int) -> None:
    frames = torch.rand(2, 7, 3, 4, 4)
    whole = FadingModel().matte(frames, None)
    model = SmallDevice(n_frames)
    matte, is_degraded = matte_in_halves(model, frames, None)
    assert is_degraded and max(shape[1] for shape in model.shapes) <= n_frames
    assert torch.equal(matte.alpha, whole.alpha) and torch.equal(matte.state, whole.state)


def test_error_maps_are_joined() -> None:
    class Once(RedModel):
        failed = False

        def matte(
            self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
        ) -> Matte:
            if not self.failed:
                self.failed = True
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().matte(frames, plates, state)

    frames = torch.rand(1, 4, 3, 8, 8)
    matte, is_degraded = matte_in_halves(Once(), frames, None)
    assert is_degraded and matte.error is not None
    assert torch.equal(matte.error, RedModel().matte(frames, None).error)


def test_what_fits_is_matted_at_once() -> None:
    model = SmallDevice(8)
    assert not matte_in_halves(model, torch.rand(1, 8, 3, 4, 4), None)[1]
    assert len(model.shapes) == 1


def test_one_frame_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        matte_in_halves(SmallDevice(0), torch.rand(1, 4, 3, 4, 4), None)
