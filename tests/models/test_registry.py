"""Names, the parameters that a model reads, and models built ready to matte."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reference_weights import write_reference_checkpoint

from models import registry
from models.errors import UnknownModel, WeightsMismatch, WeightsMissing
from models.packaged import packaged_file

REFINE, BASE = "mattingrefine-mobilenetv2", "mattingbase-mobilenetv2"
OURS = "mattingrefine-mobilenetv2@cleanplate"
RVM = ("rvm-mobilenetv3", "rvm-resnet50")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write_reference_checkpoint(REFINE, tmp_path_factory.mktemp("weights") / "pytorch_mobilenetv2.pth")


def test_all_models_are_listed():
    kinds = [
        f"{kind}-{net}" for kind in ("mattingrefine", "mattingbase") for net in ("resnet101", "resnet50", "mobilenetv2")
    ]
    assert set(registry.architectures()) == {*kinds, *RVM, "plate-difference"}
    assert set(registry.names()) == {*registry.architectures(), OURS}
    assert registry.names_without_plate() == RVM and registry.names_without_weights() == ("plate-difference",)


def test_the_default_is_a_known_network_with_weights_of_its_own():
    assert registry.full_name("default") == OURS and registry.full_name(REFINE) == REFINE
    ours, theirs = registry.entry(OURS), registry.entry(REFINE)
    assert ours.architecture == theirs.architecture == REFINE and ours.weights != theirs.weights
    assert (ours.uses_plate, ours.temporal, ours.parameters) == (True, False, theirs.parameters)
    assert re.fullmatch(r"[a-z0-9.-]+\.safetensors", ours.weights)
    with pytest.raises(UnknownModel):
        registry.entry("default")  # a recipe holds the whole name


def test_a_model_may_have_defaults_of_its_own(monkeypatch):
    known = replace(
        registry.entry(REFINE), name="own", defaults={"backbone_scale": 0.5, "refine_sample_pixels": 40_000}
    )
    monkeypatch.setitem(registry.ENTRIES, "own", known)
    assert registry.parameters_read("own", {}) == registry.parameters_read(
        REFINE, {"backbone_scale": 0.5, "refine_sample_pixels": 40_000}
    )
    assert registry.parameters_read("own", {"backbone_scale": 0.25})["backbone_scale"] == 0.25
    monkeypatch.setitem(registry.ENTRIES, "own", replace(known, defaults={"backbone_scale": 2}))
    with pytest.raises(ValueError, match="backbone_scale"):
        registry.parameters_read("own", {})


def test_the_default_is_built_and_mattes_with_any_file_that_fits(checkpoint):
    frames, plates = torch.rand(1, 1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    scale = {"backbone_scale": 0.5}
    one, other = (
        registry.build(name, scale, checkpoint, "cpu", "fp32").matte(frames, plates) for name in (OURS, REFINE)
    )
    assert torch.equal(one.alpha, other.alpha)


def test_the_default_looks_at_frames_of_any_size_at_the_size_it_learned_from_and_refines_more():
    read = registry.parameters_read(OURS, {})
    assert (read["backbone_scale"], read["refine_sample_pixels"]) == ("auto", 160_000)
    said = {"backbone_scale": 0.25, "refine_sample_pixels": 80_000}
    assert registry.parameters_read(OURS, said) == registry.parameters_read(REFINE, {})


def test_what_works_without_a_download_is_listed():
    shipped = packaged_file(registry.entry(OURS).weights) is not None
    assert registry.usable_now() == (*(("default",) if shipped else ()), "plate-difference")


def test_an_unknown_name_is_refused():
    with pytest.raises(UnknownModel, match="mattingrefine-resnet50"):
        registry.entry("mattingrefine-resnet5")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (
            {},
            {
                "backbone_scale": 0.25,
                "refine_mode": "sampling",
                "refine_sample_pixels": 80_000,
                "refine_kernel_size": 3,
            },
        ),
        (
            {"refine_mode": "thresholding", "refine_sample_pixels": 1},
            {"backbone_scale": 0.25, "refine_mode": "thresholding", "refine_threshold": 0.7, "refine_kernel_size": 3},
        ),
        (
            {"refine_mode": "full", "backbone_scale": 0.5, "refine_kernel_size": 1},
            {"backbone_scale": 0.5, "refine_mode": "full", "refine_kernel_size": 1},
        ),
    ],
)
def test_only_parameters_that_the_mode_reads_are_returned(given, read):
    assert registry.parameters_read(REFINE, given) == read


@pytest.mark.parametrize("name", RVM)
@pytest.mark.parametrize(("given", "read"), [({}, "auto"), ({"downsample_ratio": 1}, 1.0)])
def test_the_ratio_is_auto_or_a_float(name, given, read):
    found = registry.parameters_read(name, given)
    assert found == {"downsample_ratio": read} and type(found["downsample_ratio"]) is type(read)


@pytest.mark.parametrize("value", [0, -0.5, 1.1, float("nan"), "0.5", "", True])
def test_wrong_ratios_are_refused(value):
    with pytest.raises(ValueError, match=r'downsample_ratio must be "auto", or above 0 and at most 1'):
        registry.parameters_read(RVM[0], {"downsample_ratio": value})


@pytest.mark.parametrize(("name", "key"), [(RVM[0], "backbone_scale"), (REFINE, "downsample_ratio")])
def test_parameters_of_another_model_are_refused(name, key):
    with pytest.raises(ValueError, match=key):
        registry.parameters_read(name, {key: 0.5})


@pytest.mark.parametrize("name", [BASE, "plate-difference"])
def test_models_without_parameters_read_none(name):
    assert registry.parameters_read(name, {}) == {}
    with pytest.raises(ValueError, match="backbone_scale"):
        registry.parameters_read(name, {"backbone_scale": 0.25})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backbone_scale", 0.6),
        ("backbone_scale", "0.25"),
        ("refine_mode", "all"),
        ("refine_mode", 3),
        ("refine_sample_pixels", -1),
        ("refine_sample_pixels", 0.5),
        ("refine_threshold", 1.5),
        ("refine_threshold", float("nan")),
        ("refine_kernel_size", 2),
        ("refine_kernel_size", True),
        ("refine_speed", 1),
    ],
)
def test_wrong_parameters_are_refused_by_name(key, value):
    with pytest.raises(ValueError, match=key):
        registry.parameters_read(REFINE, {key: value})


def test_equal_parameters_of_another_type_are_the_same_parameters():
    given = {"backbone_scale": 0.5, "refine_sample_pixels": 100.0, "refine_kernel_size": 1.0}
    read = registry.parameters_read(REFINE, given)
    assert repr(read["refine_sample_pixels"]) == "100" and repr(read["refine_kernel_size"]) == "1"


@pytest.mark.parametrize("name", [REFINE, BASE])
@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_built_model_mattes(name, precision, dtype, checkpoint):
    model = registry.build(name, {}, checkpoint, "cpu", precision)
    frames, plates = torch.rand(1, 2, 3, 34, 30).to(dtype), torch.rand(1, 3, 34, 30).to(dtype)
    alpha = model.matte(frames, plates).alpha
    known = registry.entry(name)
    assert (model.uses_plate, model.temporal) == (known.uses_plate, known.temporal)
    assert alpha.shape == (1, 2, 34, 30) and not alpha.requires_grad and not model.training


def test_parameters_reach_the_network(checkpoint):
    frames, plates = torch.rand(1, 1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    errors = [
        registry.build(REFINE, {"backbone_scale": scale}, checkpoint, "cpu", "fp32").matte(frames, plates).error
        for scale in (0.25, 0.5)
    ]
    assert [tuple(error.shape) for error in errors] == [(1, 1, 16, 16), (1, 1, 32, 32)]


@pytest.mark.parametrize("name", RVM)
def test_a_model_without_a_plate_is_built_and_mattes(name, tmp_path):
    path = write_reference_checkpoint(name, tmp_path / registry.entry(name).weights)
    model = registry.build(name, {"downsample_ratio": 0.5}, path, "cpu", "fp32")
    known = registry.entry(name)
    assert (model.uses_plate, model.temporal) == (known.uses_plate, known.temporal) == (False, True)
    first = model.matte(torch.rand(1, 2, 3, 34, 30), None)
    assert first.alpha.shape == (1, 2, 34, 30) and not first.alpha.requires_grad and not model.training
    assert first.state[0].shape[-2:] == (9, 8)  # half of half the frame: the ratio reached the network


def test_the_baseline_needs_no_weights():
    model = registry.build("plate-difference", {}, None, "cpu", "fp32")
    assert model.matte(torch.rand(1, 1, 3, 8, 8), torch.rand(1, 3, 8, 8)).alpha.shape == (1, 1, 8, 8)


def test_missing_weights_say_where_to_get_them(tmp_path):
    with pytest.raises(WeightsMissing) as caught:
        registry.build(REFINE, {}, tmp_path / "pytorch_mobilenetv2.pth", "cpu", "fp32")
    for wanted in ("pytorch_mobilenetv2.pth", "https://github.com/", str(tmp_path), "plate-difference"):
        assert wanted in str(caught.value)
    with pytest.raises(WeightsMissing):
        registry.build(REFINE, {}, None, "cpu", "fp32")


def test_weights_of_another_model_are_refused(checkpoint):
    with pytest.raises(WeightsMismatch, match=REFINE):
        registry.build("mattingrefine-resnet50", {}, checkpoint, "cpu", "fp32")


def test_an_unknown_precision_is_refused(checkpoint):
    with pytest.raises(ValueError, match="fp64"):
        registry.build(REFINE, {}, checkpoint, "cpu", "fp64")
