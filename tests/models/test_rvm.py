"""RobustVideoMatting: equal to the published network, and the same however its clips are cut."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from reference_weights import reference_state_dict
from torch import Tensor
from torch.nn import functional as F

from models.base import Matte
from models.rvm import MattingNetwork

DEEP, FAST = "deep_guided_filter", "fast_guided_filter"
GOLDEN = {
    "rvm-mobilenetv3-dgf-ratio0.5-t3": ("mobilenetv3", DEEP, 0.5, 3),
    "rvm-mobilenetv3-dgf-ratio1-t2": ("mobilenetv3", DEEP, 1, 2),
    "rvm-mobilenetv3-fgf-ratio0.5-t2": ("mobilenetv3", FAST, 0.5, 2),
    "rvm-resnet50-dgf-ratio0.5-t2": ("resnet50", DEEP, 0.5, 2),
}
OUTPUTS = ("fgr", "pha", "r1", "r2", "r3", "r4")


def ready(variant: str = "mobilenetv3", refiner: str = DEEP, ratio: float | str = 0.5) -> MattingNetwork:
    network = MattingNetwork(variant, refiner, downsample_ratio=ratio)
    network.load_state_dict(reference_state_dict(network))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network() -> MattingNetwork:
    return ready()


@pytest.fixture(scope="module")
def clip(make_clip: Callable[..., Tensor]) -> Tensor:
    return make_clip(12, 75, 61)


def matte_in_chunks(network: MattingNetwork, clips: Tensor, n_frames: int) -> Matte:
    mattes, state = [], None
    for chunk in clips.split(n_frames, dim=1):
        mattes.append(network.matte(chunk, None, state, want_foreground=True))
        state = mattes[-1].state
    alpha = torch.cat([matte.alpha for matte in mattes], dim=1)
    return Matte(alpha, None, state, torch.cat([matte.foreground for matte in mattes], dim=1))


def assert_near(found: Matte, expected: Matte) -> None:
    pairs = zip(
        (found.alpha, found.foreground, *found.state),
        (expected.alpha, expected.foreground, *expected.state),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", GOLDEN)
def test_outputs_equal_the_published_ones(name, make_clip, golden):
    variant, refiner, ratio, n_frames = GOLDEN[name]
    model, src = ready(variant, refiner, ratio), make_clip(n_frames)
    outputs = dict(zip(OUTPUTS, model(src, downsample_ratio=ratio), strict=True))
    expected = np.load(golden / f"{name}.npz")
    assert set(outputs) == set(expected)
    for key, out in outputs.items():
        thin = {"fgr": out[..., ::4, ::4], "pha": out}.get(key, out[:, ::4])
        np.testing.assert_allclose(thin.numpy(), expected[key], rtol=0, atol=1e-4, err_msg=key)
    matte = model.matte(src, None)
    assert matte.error is None and matte.foreground is None
    torch.testing.assert_close(matte.alpha, outputs["pha"][:, :, 0], rtol=0, atol=1e-6)
    for found, key in zip(matte.state, OUTPUTS[2:], strict=True):
        torch.testing.assert_close(found, outputs[key], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("variant", "refiner"), [("mobilenetv3", DEEP), ("mobilenetv3", FAST), ("resnet50", DEEP), ("resnet50", FAST)]
)
def test_state_dict_keys_are_the_published_ones(variant, refiner, golden_keys):
    with torch.device("meta"):
        state = MattingNetwork(variant, refiner).state_dict()
    published = golden_keys(f"rvm-{variant}-{DEEP}" if variant == "resnet50" else f"rvm-{variant}-{refiner}")
    if refiner == FAST:  # it has nothing to learn
        published = [(key, shape) for key, shape in published if not key.startswith("refiner.")]
    assert [(key, tuple(tensor.shape)) for key, tensor in state.items()] == published


@pytest.mark.parametrize("n_frames", [1, 4, 5])
def test_chunks_with_the_state_passed_on_agree_with_the_whole_clip(n_frames, network, clip):
    assert_near(matte_in_chunks(network, clip, n_frames), matte_in_chunks(network, clip, 12))


def test_the_state_matters(network, clip):
    after = network.matte(clip[:, :4], None).state
    with_state, without = (network.matte(clip[:, 4:5], None, state).alpha for state in (after, None))
    assert (with_state - without).abs().max() > 1e-2


def test_a_state_can_be_used_again(network, clip):
    state = network.matte(clip[:, :2], None).state
    before = [tensor.clone() for tensor in state]
    alphas = [network.matte(clip[:, 2:4], None, state).alpha.clone() for _ in range(2)]
    assert torch.equal(*alphas) and all(map(torch.equal, state, before))


def test_streams_of_a_batch_do_not_mix(network, clip):
    streams = torch.cat([clip[:, :3], clip[:, 3:6], clip[:, 6:9]])
    batch = matte_in_chunks(network, streams, 2)
    for n in range(3):
        alone = matte_in_chunks(network, streams[n : n + 1], 3)
        its_state = tuple(tensor[n : n + 1] for tensor in batch.state)
        assert_near(Matte(batch.alpha[n : n + 1], None, its_state, batch.foreground[n : n + 1]), alone)


def test_the_foreground_is_that_of_forward_and_leaves_alpha_alone(network, clip):
    outputs = network(clip[:, :2], downsample_ratio=0.5)
    matte = network.matte(clip[:, :2], None, want_foreground=True)
    torch.testing.assert_close(matte.foreground, outputs[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(matte.alpha, network.matte(clip[:, :2], None).alpha, rtol=0, atol=1e-6)
    assert matte.foreground.min() >= 0 and matte.foreground.max() <= 1


@pytest.mark.parametrize("ratio", ["auto", 1, 0.3, 1 / 161])
@pytest.mark.parametrize("size", [(1, 1), (7, 13), (20, 20), (3, 130)])
def test_matte_takes_frames_of_any_size(ratio, size):
    network = ready(ratio=ratio)
    frames = torch.rand(2, 2, 3, *size)
    first = network.matte(frames, None, want_foreground=True)
    second = network.matte(frames[:, :1], None, first.state)
    assert first.alpha.shape == (2, 2, *size) and first.foreground.shape == (2, 2, 3, *size)
    assert second.alpha.shape == (2, 1, *size) and not torch.equal(second.state[0], first.state[0])
    assert first.alpha.min() >= 0 and first.alpha.max() <= 1 and torch.isfinite(second.alpha).all()


def test_frames_too_small_for_a_ratio_are_padded_at_the_right_and_the_bottom(make_clip):
    network, frames = ready(ratio=0.25), make_clip(2, 3, 50)
    padded = F.pad(frames[0], (0, 0, 0, 1), mode="replicate")[None]
    alpha = network(padded, downsample_ratio=0.25)[1][:, :, 0, :3]
    torch.testing.assert_close(network.matte(frames, None).alpha, alpha, rtol=0, atol=1e-6)
    assert alpha.std() > 1e-3


@pytest.mark.parametrize(("size", "ratio"), [((520, 130), 512 / 520), ((96, 1024), 0.5), ((100, 120), 1)])
def test_the_auto_ratio_brings_the_longer_side_to_512(size, ratio, make_clip):
    network, frames = ready(ratio="auto"), make_clip(1, *size)
    alpha = network(frames, downsample_ratio=ratio)[1][:, :, 0]
    torch.testing.assert_close(network.matte(frames, None).alpha, alpha, rtol=0, atol=1e-6)
    assert alpha.std() > 1e-3


@pytest.mark.parametrize("ratio", [1, 0.5])
def test_a_segmentation_pass_returns_logits_and_the_same_state(ratio, network, clip):
    src = clip[:, :2]
    seg, *state = network(src, downsample_ratio=ratio, segmentation_pass=True)
    assert seg.shape == (1, 2, 1, int(75 * ratio), int(61 * ratio)) and seg.std() > 0
    assert all(map(torch.equal, state, network(src, downsample_ratio=ratio)[2:]))
    after = network(src, *state, downsample_ratio=ratio, segmentation_pass=True)[0]
    assert not torch.allclose(seg, after, atol=1e-4)


@pytest.mark.parametrize("segmentation_pass", [False, True])
def test_a_frame_without_time_is_a_clip_of_one(segmentation_pass, network, clip):
    options = {"downsample_ratio": 0.5, "segmentation_pass": segmentation_pass}
    state = network(clip[0, :2], **options)[-4:]
    frames, clips = network(clip[0, 2:4], *state, **options), network(clip[0, 2:4, None], *state, **options)
    for one, other in zip(frames[:-4], clips[:-4], strict=True):
        assert one.dim() == 4 and torch.equal(one[:, None], other)
    assert all(map(torch.equal, frames[-4:], clips[-4:]))


def test_plates_change_nothing(network, clip):
    plate = torch.rand(1, 3, 75, 61)
    assert torch.equal(network.matte(clip[:, :1], plate).alpha, network.matte(clip[:, :1], None).alpha)


def test_bfloat16_stays_near_float32(clip):
    network = ready()
    whole = network.matte(clip[:, :3], None).alpha
    half = network.to(torch.bfloat16).matte(clip[:, :3].bfloat16(), None)
    assert half.alpha.dtype == half.state[0].dtype == torch.bfloat16
    assert (half.alpha.float() - whole).abs().mean() < 0.005


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("mobilenetv2",), {}, "variant must be one of mobilenetv3, resnet50, found 'mobilenetv2'"),
        (("resnet50", "guided_filter"), {}, "refiner must be one of deep_guided_filter, fast_guided_filter"),
        ((), {"downsample_ratio": 0}, "downsample_ratio"),
        ((), {"downsample_ratio": 1.5}, "downsample_ratio"),
        ((), {"downsample_ratio": "half"}, "downsample_ratio"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        MattingNetwork(*arguments, **options)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 4, 8, 8), (1, 0, 3, 8, 8)])
def test_pictures_of_other_shapes_are_refused(shape, network):
    with pytest.raises(ValueError, match="src must be"):
        network(torch.zeros(shape))
    with pytest.raises(ValueError, match="frames must be"):
        network.matte(torch.zeros(shape), None)


@pytest.mark.parametrize(("size", "ratio", "message"), [((3, 8), 0.25, "too small"), ((8, 8), 2, "downsample_ratio")])
def test_ratios_that_do_not_fit_are_refused_by_forward(size, ratio, message, network):
    with pytest.raises(ValueError, match=message):
        network(torch.zeros(1, 3, *size), downsample_ratio=ratio)


def test_a_state_that_does_not_fit_is_refused(network, clip):
    state = network.matte(clip[:, :1], None).state
    r1, r2, r3, r4 = state
    for frames, wrong, message in (
        (clip[..., :40, :], state, r"r1 of the state must be \(1, 16, 10, 15\)"),
        (clip.repeat(2, 1, 1, 1, 1), state, r"r1 of the state must be \(2, 16,"),
        (clip, (r1, r2, r3, r3), "r4 of the state"),
        (clip, tuple(tensor.double() for tensor in state), "float64"),
        (clip, (r1, r2, r3), "four tensors"),
        (clip, 7, "four tensors"),
    ):
        with pytest.raises(ValueError, match=message):
            network.matte(frames[:, :1], None, wrong)
