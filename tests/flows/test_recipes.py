from __future__ import annotations

import json
from dataclasses import replace

import pytest
from shards import recipe_for

from flows.recipes import Source, override_recipe, resolve_recipe
from flows.resolve import Machine
from flows.settings import MatteSettings
from manifests.errors import UsageError
from manifests.recipe import FALLBACK, Recipe

CPU = Machine("auto", "cpu", 0, 8)
GPUS = Machine("auto", "cuda:NVIDIA Test", 4, 32)
GHA, RAW, RAW_GHA = Source(), Source("nersemble-v2", "source"), Source("nersemble-v2", "gha")
RVM = "rvm-mobilenetv3"


def resolve(source: Source = GHA, pinned: Recipe | None = None, **settings: object) -> Recipe:
    asked = {"model": "plate-difference"} | settings
    return resolve_recipe(MatteSettings(**asked), pinned, CPU, None, source)  # type: ignore[arg-type]


def test_only_parameters_that_the_mode_reads_are_in_the_recipe() -> None:
    asked = MatteSettings(refine_mode="thresholding", refine_threshold=0.01)
    recipe = resolve_recipe(asked, None, CPU, "abc")
    assert dict(recipe.parameters) == {
        "backbone_scale": 0.25,
        "refine_kernel_size": 3,
        "refine_mode": "thresholding",
        "refine_threshold": 0.01,
    }
    assert resolve_recipe(MatteSettings(model="plate-difference"), None, CPU, None).parameters == ()


def test_a_parameter_that_the_model_does_not_have_is_refused_unless_it_is_the_default() -> None:
    with pytest.raises(UsageError, match="refine_threshold"):
        resolve_recipe(MatteSettings(model="plate-difference", refine_threshold=0.2), None, CPU, None)
    form = MatteSettings(model="plate-difference", refine_threshold=0.7, backbone_scale=None)
    assert resolve_recipe(form, None, CPU, None).parameters == ()


def test_auto_is_taken_from_the_root() -> None:
    pinned = recipe_for("plate-difference")
    pinned = replace(pinned, numerics=replace(pinned.numerics, batch=7, precision="bf16", intra_op_threads=3))
    recipe = resolve_recipe(MatteSettings(model="plate-difference"), pinned, CPU, None)
    assert recipe == pinned
    said = resolve_recipe(MatteSettings(model="plate-difference", batch_size=2), pinned, CPU, None)
    assert (said.numerics.batch, said.numerics.precision) == (2, "bf16")


def test_the_recipe_does_not_depend_on_workers_or_executor() -> None:
    recipes = {
        resolve_recipe(MatteSettings(model="plate-difference", executor=executor, workers=n), None, machine, None)
        for executor in ("ray", "local")
        for n in (1, 4)
        for machine in (CPU, replace(CPU, n_cores=2))
    }
    assert len(recipes) == 1


def test_overriding_keeps_what_was_not_said() -> None:
    base = recipe_for(
        "mattingrefine-resnet101",
        parameters=(("backbone_scale", 0.5), ("refine_kernel_size", 3), ("refine_mode", "full")),
        weights_sha256="abc",
        missing_plate="zeros",
    )
    settings = MatteSettings(model="mattingrefine-resnet101", precision="bf16", backbone_scale=0.25)
    made = override_recipe(base, settings, resolve_recipe(settings, base, CPU, "def"))
    assert dict(made.parameters) == {"backbone_scale": 0.25, "refine_kernel_size": 3, "refine_mode": "full"}
    assert (made.weights_sha256, made.missing_plate, made.numerics.precision) == ("abc", "zeros", "bf16")


def test_a_temporal_model_has_a_warm_up_chunks_and_pieces_and_others_have_none() -> None:
    recipe = resolve(model=RVM, split=64, chunk=6, batch_size=3, downsample_ratio=0.4)
    assert (recipe.temporal, recipe.warmup, recipe.split, recipe.lead_in) == (True, 10, 64, 12)
    assert (recipe.numerics.batch, recipe.numerics.chunk) == (3, 6)
    assert dict(recipe.parameters) == {"downsample_ratio": 0.4}
    assert resolve(model=RVM, lead_in=5).lead_in == 0  # without pieces nothing leads in
    other = resolve(split=64, chunk=6, warmup=3)
    assert (other.warmup, other.split, other.lead_in, other.numerics.chunk) == (0, None, 0, 1)


def test_the_batch_of_another_kind_of_model_is_not_taken_over() -> None:
    pinned = resolve(batch_size=16)
    assert resolve(pinned=pinned).numerics.batch == 16
    assert resolve(pinned=pinned, model=RVM).numerics.batch == 1


def test_where_masks_lie_follows_from_the_capture_and_the_geometry_unless_it_is_said() -> None:
    assert resolve().output_layout == "gha"
    assert resolve(RAW).output_layout == "beside"
    assert resolve(RAW_GHA).output_layout == "gha"
    assert resolve(RAW_GHA).geometry == "gha"
    assert resolve(RAW, output_layout="vhap").mask_format == "png"
    assert resolve(RAW, output_layout="vhap", format="jpg").mask_format == "jpg"
    assert resolve(RAW, output_layout="{camera}/{frame}.png").mask_format == "png"
    pinned = resolve(RAW, output_layout="vhap", format="png16", geometry="half")
    assert resolve(RAW, pinned) == pinned


def test_a_geometry_that_the_manifest_was_not_numbered_for_is_refused() -> None:
    with pytest.raises(UsageError, match="numbers its frames for another geometry"):
        resolve(RAW, geometry="gha")
    with pytest.raises(UsageError, match="name another --out"):
        resolve(RAW_GHA, geometry="half")


@pytest.mark.parametrize("source", [Source(), RAW])
def test_frames_are_written_only_from_a_raw_capture_into_the_gha_layout(source: Source) -> None:
    with pytest.raises(UsageError, match="--write-frames"):
        resolve(source, write_frames=True)
    assert resolve(RAW_GHA, write_frames=True).write_frames


def test_a_camera_without_plate_may_be_given_to_a_model_that_needs_none() -> None:
    recipe = resolve(RAW, missing_plate=RVM, quality=80, downsample_ratio=0.5)
    assert recipe.missing_plate == "model" and recipe.parameters == ()
    fallback = recipe.fallback
    assert fallback is not None
    assert (fallback.model, fallback.temporal, fallback.uses_plate, fallback.warmup) == (RVM, True, False, 10)
    assert (fallback.missing_plate, fallback.mask_quality, fallback.fallback) == (FALLBACK, 80, None)
    assert dict(fallback.parameters) == {"downsample_ratio": 0.5}
    assert recipe.recipe_id != resolve(RAW, missing_plate=RVM, quality=80).recipe_id
    assert Recipe.from_record(json.loads(recipe.to_json())) == recipe


@pytest.mark.parametrize("asked", ["mattingrefine-resnet101", "black", ""])
def test_a_stand_in_for_plates_that_needs_one_is_refused_with_those_that_do_not(asked: str) -> None:
    with pytest.raises(UsageError, match="rvm-mobilenetv3"):
        resolve(missing_plate=asked)


def test_a_parameter_of_neither_model_is_refused() -> None:
    with pytest.raises(UsageError, match="refine_threshold"):
        resolve(missing_plate=RVM, refine_threshold=0.2)
    with pytest.raises(UsageError, match="downsample_ratio"):
        resolve(downsample_ratio=0.5)


def test_reprocessing_changes_only_what_was_said_of_video_and_of_what_is_written() -> None:
    base = resolve(RAW, model=RVM, split=64, format="png16")
    settings = MatteSettings(model=RVM, chunk=2, quality=70)
    made = override_recipe(base, settings, resolve_recipe(settings, base, CPU, None, RAW))
    assert (made.split, made.lead_in, made.mask_format) == (64, 12, "png16")
    assert (made.numerics.chunk, made.mask_quality) == (2, 70)
    settings = MatteSettings(model="plate-difference", missing_plate=RVM)
    base = resolve(RAW)
    made = override_recipe(base, settings, resolve_recipe(settings, base, CPU, None, RAW))
    assert made.fallback is not None and made.fallback.model == RVM


def test_reprocessing_by_another_model_writes_what_was_written_before() -> None:
    base = resolve(RAW_GHA, write_frames=True, quality=80, format="png")
    settings = MatteSettings(model=RVM)
    made = override_recipe(base, settings, resolve_recipe(settings, base, CPU, "abc", RAW_GHA))
    assert (made.model, made.write_frames, made.mask_quality, made.mask_format) == (RVM, True, 80, "png")
    settings = MatteSettings(model=RVM, quality=70)
    assert override_recipe(base, settings, resolve_recipe(settings, base, CPU, "abc", RAW_GHA)).mask_quality == 70


@pytest.mark.parametrize(
    ("model", "machine", "wanted"),
    [
        ("mattingrefine-resnet101", replace(CPU, has_bf16=True), "bf16"),
        ("mattingbase-resnet50", replace(CPU, has_bf16=True), "bf16"),
        ("mattingrefine-resnet101", CPU, "fp32"),
        ("mattingrefine-resnet101", replace(GPUS, has_bf16=True), "fp32"),
        (RVM, replace(CPU, has_bf16=True), "fp32"),
    ],
)
def test_auto_precision_is_bf16_only_where_it_was_measured(model: str, machine: Machine, wanted: str) -> None:
    assert resolve_recipe(MatteSettings(model=model), None, machine, "abc").numerics.precision == wanted
    asked = MatteSettings(model=model, precision="fp32")
    assert resolve_recipe(asked, None, machine, "abc").numerics.precision == "fp32"


def test_auto_precision_is_fp32_where_the_last_layers_would_be_in_bf16_too() -> None:
    settings = MatteSettings(model="mattingrefine-resnet101", refine_mode="full")
    assert resolve_recipe(settings, None, replace(CPU, has_bf16=True), "abc").numerics.precision == "fp32"


def test_the_codec_of_jpegs_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve()
    assert first.numerics.decoder == "simplejpeg"
    monkeypatch.setattr("flows.recipes.find_spec", lambda name: None)
    assert resolve().numerics.decoder == "opencv" and resolve(pinned=first).numerics.decoder == "simplejpeg"


def test_the_precision_that_was_pinned_for_one_model_says_nothing_of_another() -> None:
    machine = replace(CPU, has_bf16=True)
    pinned = resolve()
    assert pinned.numerics.precision == "fp32"
    settings = MatteSettings(model="mattingbase-mobilenetv2")
    changed = resolve_recipe(settings, pinned, machine, "abc")
    assert changed.numerics.precision == "bf16"
    assert changed.numerics == resolve_recipe(settings, None, machine, "abc").numerics
    kept = replace(changed, numerics=replace(changed.numerics, precision="fp32"))
    assert resolve_recipe(settings, kept, machine, "abc").numerics.precision == "fp32"
