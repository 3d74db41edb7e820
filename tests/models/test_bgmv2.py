"""BackgroundMattingV2: equal to the published networks, and the same for a frame wherever it stands."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from reference_weights import with_reference_weights as ready

from models.bgmv2 import MattingBase, MattingRefine

GOLDEN = {
    "mattingbase-mobilenetv2": (MattingBase, ("mobilenetv2",), 1),
    "mattingbase-resnet50": (MattingBase, ("resnet50",), 1),
    "mattingrefine-mobilenetv2-full-k3": (MattingRefine, ("mobilenetv2", 0.25, "full"), 1),
    "mattingrefine-mobilenetv2-sampling1024-k1-b2": (
        MattingRefine,
        ("mobilenetv2", 0.5, "sampling", 1024, 0.1, 1),
        2,
    ),
    "mattingrefine-resnet101-sampling2048-k3": (MattingRefine, ("resnet101", 0.25, "sampling", 2048), 1),
    "mattingrefine-resnet50-thresholding0.01-k3": (MattingRefine, ("resnet50", 0.25, "thresholding", 0, 0.01), 1),
}
KEYS = [
    ("mattingbase-mobilenetv2", MattingBase),
    ("mattingbase-resnet50", MattingBase),
    ("mattingrefine-mobilenetv2", MattingRefine),
    ("mattingrefine-resnet50", MattingRefine),
    ("mattingrefine-resnet101", MattingRefine),
]


@pytest.fixture(scope="module")
def refine() -> MattingRefine:
    return ready(MattingRefine("mobilenetv2", refine_sample_pixels=1024))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", GOLDEN)
def test_outputs_equal_the_published_ones(name, make_pair, golden):
    network, arguments, n = GOLDEN[name]
    src, bgr = make_pair(n)
    model = ready(network(*arguments))
    out = model(src, bgr)
    expected = np.load(golden / f"{name}.npz")
    assert set(out._fields) == set(expected)
    for key in expected:
        found = getattr(out, key).numpy()
        thin = found[..., ::4, ::4] if key in ("fgr", "fgr_sm", "hid") else found
        np.testing.assert_allclose(thin, expected[key], rtol=0, atol=0 if key == "ref_sm" else 1e-4, err_msg=key)
    matte = model.matte(src[:, None], bgr)
    torch.testing.assert_close(matte.alpha, out.pha, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "network"), KEYS)
def test_state_dict_keys_are_the_published_ones(name, network, golden_keys):
    with torch.device("meta"):
        state = network(name.split("-")[1]).state_dict()
    assert [(key, tuple(tensor.shape)) for key, tensor in state.items()] == golden_keys(name)


@pytest.mark.parametrize("size", [(65, 47), (1, 1), (3, 130), (128, 192)])
@pytest.mark.parametrize("network", [MattingBase("mobilenetv2"), MattingRefine("mobilenetv2")])
def test_matte_takes_frames_of_any_size(network, size):
    ready(network)
    alpha, error, state, foreground = network.matte(torch.rand(2, 2, 3, *size), torch.rand(2, 3, *size), None, True)
    assert alpha.shape == (2, 2, *size) and error.shape[:2] == (2, 2) and state is None
    assert alpha.min() >= 0 and alpha.max() <= 1 and torch.isfinite(error).all()
    assert foreground.shape == (2, 2, 3, *size) and foreground.min() >= 0 and foreground.max() <= 1


@pytest.mark.parametrize("network", [MattingBase("mobilenetv2"), MattingRefine("mobilenetv2", 0.25, "sampling", 1024)])
def test_the_foreground_is_that_of_forward_and_only_made_where_asked_for(network, make_pair):
    ready(network)
    src, bgr = make_pair(2)
    out, plain = network(src, bgr), network.matte(src[:, None], bgr)
    matte = network.matte(src[:, None], bgr, want_foreground=True)
    torch.testing.assert_close(matte.foreground[:, 0], out.fgr, rtol=0, atol=1e-5)
    torch.testing.assert_close(matte.alpha, plain.alpha, rtol=0, atol=1e-5)
    assert plain.foreground is None


def test_padding_is_only_at_the_right_and_the_bottom(refine, make_pair):
    src, bgr = make_pair(1, 64, 64)
    cut = refine.matte(src[None, ..., :61, :63], bgr[..., :61, :63]).alpha
    padded = torch.nn.functional.pad(src[..., :61, :63], (0, 1, 0, 3), mode="replicate")
    plate = torch.nn.functional.pad(bgr[..., :61, :63], (0, 1, 0, 3), mode="replicate")
    assert torch.equal(cut[0], refine(padded, plate).pha[:, 0, :61, :63])


@pytest.mark.parametrize("scale", [0.1, 0.3, 0.5, "auto"])
def test_matte_agrees_with_forward_at_any_scale(scale, make_pair):
    model = ready(MattingRefine("mobilenetv2", scale, refine_sample_pixels=2048))
    src, bgr = make_pair(1)
    torch.testing.assert_close(model.matte(src[None], bgr).alpha[0], model(src, bgr).pha[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["sampling", "thresholding", "full"])
def test_alpha_does_not_depend_on_the_place_in_a_batch(mode, make_pair):
    model = ready(MattingRefine("mobilenetv2", 0.25, mode, 1024, 0.01))
    src, bgr = make_pair(4)
    forward = model.matte(src[:, None], bgr)
    backward = model.matte(src.flip(0)[:, None], bgr.flip(0))
    assert torch.equal(forward.alpha, backward.alpha.flip(0))
    assert torch.equal(forward.error, backward.error.flip(0))


def test_streams_use_their_own_plate(refine, make_pair):
    src, bgr = make_pair(4)
    streams = refine.matte(src.view(2, 2, *src.shape[1:]), bgr[:2])
    single = refine.matte(src[:, None], bgr[[0, 0, 1, 1]])
    assert torch.equal(streams.alpha.flatten(0, 1), single.alpha.flatten(0, 1))


def test_alpha_is_the_same_again_and_hardly_depends_on_the_number_of_threads(refine, make_pair, two_threads):
    # convolutions sum in an order that the number of threads decides: 1e-7 is lost, now and then a mask's rounding
    src, bgr = make_pair(1, 256, 256)
    alphas = []
    for n_threads in (1, 1, 2, 2):
        torch.set_num_threads(n_threads)
        alphas.append(refine.matte(src[None], bgr).alpha)
    assert torch.equal(alphas[0], alphas[1]) and torch.equal(alphas[2], alphas[3])
    torch.testing.assert_close(alphas[0], alphas[2], rtol=0, atol=1e-5)
    masks = [(alpha * 255).round() for alpha in alphas]
    assert (masks[0] != masks[2]).float().mean() < 1e-3


def test_frames_below_the_sampling_budget_are_refined_where_the_error_is_not_zero(make_pair):
    model = ready(MattingRefine("mobilenetv2", refine_sample_pixels=80_000))
    out = model(*make_pair(1, 64, 64))
    assert torch.equal(out.ref_sm, (out.err_sm > 0).float())


@pytest.mark.parametrize("arguments", [("thresholding", 0, 1.0), ("sampling", 0, 0.1), ("sampling", 15, 0.1)])
def test_nothing_chosen_leaves_the_coarse_result(arguments, make_pair):
    out = ready(MattingRefine("mobilenetv2", 0.25, *arguments))(*make_pair(1))
    large = torch.nn.functional.interpolate(out.pha_sm, scale_factor=4, mode="bilinear", align_corners=False)
    assert out.ref_sm.sum() == 0 and torch.equal(out.pha, large)


@pytest.mark.parametrize("network", [MattingBase("mobilenetv2"), MattingRefine("mobilenetv2")])
def test_bfloat16_stays_near_float32(network, make_pair):
    src, bgr = make_pair(1)
    whole = ready(network).matte(src[None], bgr).alpha
    half = network.to(torch.bfloat16).matte(src[None].bfloat16(), bgr.bfloat16()).alpha
    network.float()
    assert (half.float() - whole).abs().mean() < 0.01


def test_alpha_can_be_changed_in_place(refine, make_pair):
    src, bgr = make_pair(1, 32, 32)
    assert refine.matte(src[None], bgr).alpha.mul_(0).sum() == 0


@pytest.mark.parametrize("network", [MattingBase("mobilenetv2"), MattingRefine("mobilenetv2")])
def test_forward_base_is_the_base_network_without_its_hidden_channels(network, make_pair):
    ready(network)
    src, bgr = make_pair(2)
    out, whole = network.forward_base(src, bgr), MattingBase.forward(network, src, bgr)
    assert set(out._fields) == {"pha", "fgr", "err"}
    for name in out._fields:
        torch.testing.assert_close(getattr(out, name), getattr(whole, name), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="66 x 48"):
        network.forward_base(torch.rand(1, 3, 66, 48), torch.rand(1, 3, 66, 48))


@pytest.mark.parametrize("network", [MattingBase("mobilenetv2"), MattingRefine("mobilenetv2")])
def test_forward_refuses_sizes_that_are_no_multiple_of_4(network):
    with pytest.raises(ValueError, match="66 x 48"):
        network(torch.rand(1, 3, 66, 48), torch.rand(1, 3, 66, 48))


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match="resnet18"):
        MattingBase("resnet18")
    with pytest.raises(ValueError, match=r"0\.6"):
        MattingRefine("mobilenetv2", 0.6)
    with pytest.raises(ValueError, match=r"found 0"):
        MattingRefine("mobilenetv2", 0)
    with pytest.raises(ValueError, match=r"found 'half'"):
        MattingRefine("mobilenetv2", "half")


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((1024, 1024), (512, 512)),
        ((1080, 1920), (288, 512)),
        ((3208, 2200), (512, 351)),
        ((300, 200), (150, 100)),
        ((2, 2), (1, 1)),
        ((4, 30_000), (1, 512)),
    ],
)
def test_a_scale_of_auto_brings_the_longer_side_to_512_and_never_above_half(size, small):
    assert MattingRefine("mobilenetv2", "auto").small_size(*size) == small
