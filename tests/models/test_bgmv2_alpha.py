"""The networks for masks give the alpha of the plain ones: in float32 to 1e-4, in bf16 as torch's autocast does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from reference_weights import with_reference_weights as ready
from torch import Tensor

from models.bgmv2 import MattingBase, MattingRefine
from models.bgmv2_alpha import AlphaBase, AlphaRefine, alpha_only

GOLDEN = {
    "mattingbase-mobilenetv2": (MattingBase, ("mobilenetv2",)),
    "mattingbase-resnet50": (MattingBase, ("resnet50",)),
    "mattingrefine-mobilenetv2-sampling1024-k1-b2": (MattingRefine, ("mobilenetv2", 0.5, "sampling", 1024, 0.1, 1)),
    "mattingrefine-resnet101-sampling2048-k3": (MattingRefine, ("resnet101", 0.25, "sampling", 2048)),
    "mattingrefine-resnet50-thresholding0.01-k3": (MattingRefine, ("resnet50", 0.25, "thresholding", 0, 0.01)),
}


@pytest.fixture(scope="module")
def refine() -> MattingRefine:
    return ready(MattingRefine("mobilenetv2", refine_sample_pixels=1024))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def in_bytes(pictures: Tensor) -> Tensor:
    """Turn (N, 3, H, W), 0..1, into uint8 that lies in memory as decoded pictures do."""
    return (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


@pytest.mark.parametrize("name", GOLDEN)
@torch.inference_mode()
def test_alphas_are_the_published_ones(name, make_pair, golden):
    network, arguments = GOLDEN[name]
    expected = np.load(golden / f"{name}.npz")["pha"]
    src, bgr = (in_bytes(part) for part in make_pair(len(expected)))
    model = alpha_only(ready(network(*arguments)), torch.float32)
    matte = model.matte(src[:, None], bgr)
    np.testing.assert_allclose(matte.alpha[:, 0].numpy(), expected[:, 0], rtol=0, atol=1e-4)
    assert matte.state is None and matte.foreground is None


@pytest.mark.parametrize("size", [(64, 96), (62, 90), (33, 47), (3, 5), (128, 20)])
@pytest.mark.parametrize("scale", [0.25, 0.5, 0.3, "auto"])
@torch.inference_mode()
def test_any_size_and_scale_agree_with_the_plain_network(size, scale, make_pair, monkeypatch):
    monkeypatch.setattr("models.bgmv2.LONGER_PX", 25)
    network = ready(MattingRefine("mobilenetv2", scale, refine_sample_pixels=1024))
    src, bgr = (in_bytes(part) for part in make_pair(3, *size))
    plain = network.matte(src[None] / 255, bgr[:1] / 255)
    ours = AlphaRefine(network, torch.float32).matte(src[None], bgr[:1])
    assert ours.alpha.shape == (1, 3, *size) and ours.alpha.dtype == torch.float32
    torch.testing.assert_close(ours.alpha, plain.alpha, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.error, plain.error, rtol=0, atol=1e-4)


@pytest.mark.parametrize("arguments", [("resnet50",), ("mobilenetv2",)])
@torch.inference_mode()
def test_the_error_in_bf16_is_at_most_half_above_that_of_autocast(arguments, make_pair):
    network = ready(MattingRefine(*arguments, refine_sample_pixels=8192))
    src, bgr = (in_bytes(part) for part in make_pair(2, 192, 256))
    exact = network(src / 255, bgr / 255).pha
    with torch.autocast("cpu", dtype=torch.bfloat16):
        usual = network(src / 255, bgr / 255).pha.float()
    ours = AlphaRefine(network, torch.bfloat16).matte(src[:, None], bgr).alpha
    error, usual_error = float((ours - exact).abs().mean()), float((usual - exact).abs().mean())
    assert 0 < error <= 1.5 * usual_error
    assert ours.dtype == torch.float32 and len(torch.unique(ours)) > 1000  # more values than bf16 has in 0..1


@torch.inference_mode()
def test_streams_frames_and_plates_do_not_touch_each_other(refine, make_pair, two_threads):
    model = AlphaRefine(refine, torch.float32)
    src, bgr = (in_bytes(part) for part in make_pair(4))
    streams = model.matte(src.view(2, 2, *src.shape[1:]), bgr[:2]).alpha.flatten(0, 1)
    single = model.matte(src[:, None], bgr[[0, 0, 1, 1]]).alpha[:, 0]
    torch.testing.assert_close(streams, single, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_a_plate_is_prepared_once_while_it_lives_and_never_taken_for_another(refine, make_pair, monkeypatch):
    model = AlphaRefine(refine, torch.float32)
    src, bgr = (in_bytes(part) for part in make_pair(2))
    n_shrunk: list[int] = []
    shrink = model._shrink
    monkeypatch.setattr(model, "_shrink", lambda pictures: n_shrunk.append(len(pictures)) or shrink(pictures))
    plate = bgr[:1]
    first = model.matte(src[None, :1], plate).alpha
    assert torch.equal(model.matte(src[None, :1], plate).alpha, first) and len(n_shrunk) == 3  # frame, plate, frame
    del plate
    other = model.matte(src[None, :1], bgr[1:]).alpha
    assert not torch.equal(other, first) and len(model._plates) == 1


def test_batches_on_several_threads_do_not_touch_each_other(refine, make_pair, two_threads):
    model = AlphaRefine(refine, torch.bfloat16)
    src, bgr = (in_bytes(part) for part in make_pair(4))
    plates = [bgr[n : n + 1].clone() for n in range(4)]

    def matte(n: int) -> Tensor:
        with torch.inference_mode():
            return model.matte(src[None, n : n + 1], plates[n]).alpha

    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(matte, [0, 1, 2, 3] * 6))
    alone = [matte(n) for n in range(4)]
    assert all(torch.equal(found, alone[number % 4]) for number, found in enumerate(together))


@torch.inference_mode()
def test_pictures_may_lie_in_memory_in_any_order(refine, make_pair):
    model = AlphaRefine(refine, torch.float32)
    src, bgr = (in_bytes(part) for part in make_pair(1))
    one = model.matte(src[None], bgr).alpha
    assert torch.equal(model.matte(src[None].contiguous(), bgr.contiguous()).alpha, one)


def test_a_refiner_of_all_pixels_stays_the_plain_network():
    network = ready(MattingRefine("mobilenetv2", refine_mode="full"))
    assert alpha_only(network, torch.float32) is network
    assert type(alpha_only(ready(MattingBase("mobilenetv2")), torch.float32)) is AlphaBase


def test_pictures_too_small_and_missing_plates_are_refused(refine):
    model = AlphaRefine(refine, torch.float32)
    frames = torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="needs a plate"):
        model.matte(frames, None)
    with pytest.raises(ValueError, match="plates must be"):
        model.matte(frames, torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
