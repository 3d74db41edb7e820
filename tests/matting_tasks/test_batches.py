from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import DifferenceModel, FadingModel, RedModel, draw_picture, make_recipe, on_cpu, to_png
from torch import Tensor

from manifests.errors import InputFault
from manifests.recipe import Numerics, Recipe
from manifests.records import Frame
from manifests.storage_memory import MemoryFolder
from matting_tasks.batches import Matted, Stream, matte_streams
from matting_tasks.frames import ReadFrame
from matting_tasks.plates import Plates
from models.base import Matte, MattingModel


class ShapeModel(RedModel):
    """Remember the shapes of the batches it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
        self.seen.append(tuple(frames.shape))
        return super().matte(frames, plates, state)


def read_of(number: int, pixels: np.ndarray | None) -> ReadFrame:
    frame = Frame(number, number, f"{number}.jpg", "image", 1, "1-0")
    return ReadFrame(frame, pixels, fault=InputFault("undecodable", "broken") if pixels is None else None)


def plates_of() -> Plates:
    return Plates(MemoryFolder(), torch.device("cpu"), torch.float32, "error")


def matte_frames(
    read: Iterable[ReadFrame], model: MattingModel, plates: Plates, plate: Tensor | None, recipe: Recipe
) -> Iterator[Matted]:
    return (matted for _, matted in matte_streams([Stream(iter(read), plate)], model, plates, recipe))


def matte(
    pictures: Sequence[np.ndarray | None],
    model: MattingModel | None = None,
    batch: int = 3,
    plate: Tensor | None = None,
) -> list[Matted]:
    model = model or RedModel()
    read = [read_of(number, pixels) for number, pixels in enumerate(pictures)]
    recipe = make_recipe(uses_plate=model.uses_plate, batch=batch, lowres_px=16)
    return list(matte_frames(read, model, plates_of(), plate, recipe))


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 8])
def test_frames_come_in_order_with_their_own_mattes(batch: int) -> None:
    pictures = [draw_picture(seed) for seed in range(7)]
    matted = matte(pictures, batch=batch)
    assert [one.read.frame.frame for one in matted] == list(range(7))
    for one, pixels in zip(matted, pictures, strict=True):
        assert one.mask.size > 0
        assert np.array_equal(one.mask, pixels[:, :, 0])
        assert one.measures["coverage"] == pytest.approx(pixels[:, :, 0].mean() / 255, abs=1e-5)


def test_measures_of_the_error_map_come_when_there_is_one() -> None:
    pixels = draw_picture(3)
    (one,) = matte([pixels])
    error = on_cpu(pixels)[2].unfold(0, 2, 2).unfold(1, 2, 2).mean(dim=(2, 3))
    assert one.measures["error_mean"] == pytest.approx(float(error.mean()), abs=1e-5)
    assert one.measures["error_p99"] == pytest.approx(float(np.percentile(error, 99, method="higher")), abs=1e-5)
    (without,) = matte([pixels], DifferenceModel(), plate=on_cpu(draw_picture(4))[None])
    assert "coverage" in without.measures
    assert "error_mean" not in without.measures


def test_every_batch_has_its_full_length_when_frames_run_short_or_are_bad() -> None:
    model = ShapeModel()
    pictures = [draw_picture(0), None, draw_picture(2), draw_picture(3), None, draw_picture(5), draw_picture(6)]
    matte(pictures, model, batch=3)
    assert model.seen == [(1, 3, 3, 24, 32)] * 3


@pytest.mark.parametrize("bad", [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2, 3}, {3, 4, 5}, {6}])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_bad_frame_changes_nothing_of_its_neighbours(bad: set[int], batch: int) -> None:
    whole = [draw_picture(seed) for seed in range(7)]
    matted = matte([None if number in bad else pixels for number, pixels in enumerate(whole)], batch=batch)
    assert {one.read.frame.frame for one in matted if one.mask.size == 0} == bad
    for one, good in zip(matted, matte(whole, batch=batch), strict=True):
        if one.mask.size > 0:
            assert np.array_equal(one.mask, good.mask)  # type: ignore[arg-type]
            assert np.array_equal(one.lowres, good.lowres)  # type: ignore[arg-type]
            own, others = dict(one.measures), dict(good.measures)
            assert own.pop("device_s") > 0 and others.pop("device_s") > 0
            assert own == others


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 8])
def test_frames_of_several_sizes_are_matted_in_order(batch: int) -> None:
    sizes = [(24, 32), (24, 32), (16, 20), (24, 32), (16, 20), (16, 20), (16, 20)]
    pictures: list[np.ndarray | None] = [draw_picture(seed, *size) for seed, size in enumerate(sizes)]
    pictures.insert(2, None)
    model = ShapeModel()
    matted = matte(pictures, model, batch)
    assert [one.read.frame.frame for one in matted] == list(range(8))
    for one, pixels in zip(matted, pictures, strict=True):
        assert (one.mask.size == 0) == (pixels is None)
        assert pixels is None or np.array_equal(one.mask, pixels[:, :, 0])  # type: ignore[arg-type]
    assert {shape[1] for shape in model.seen} == {batch}


def test_frames_that_did_not_fit_the_device_together_say_so() -> None:
    class SmallDevice(RedModel):
        def matte(
            self, frames: Tensor, plates: Tensor | None, state: object = None, want_foreground: bool = False
        ) -> Matte:
            if frames.shape[1] > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().matte(frames, plates, state)

    pictures = [draw_picture(seed) for seed in range(3)]
    for one, other in zip(matte(pictures, SmallDevice()), matte(pictures), strict=True):
        assert one.is_degraded and not other.is_degraded
        assert np.array_equal(one.mask, other.mask)


def test_the_model_is_left_alone_when_no_frame_can_be_matted() -> None:
    model = ShapeModel()
    matted = matte([None] * 5, model)
    assert [one.read.frame.frame for one in matted] == list(range(5))
    assert all(one.mask.size == 0 and one.lowres.size == 0 for one in matted)
    assert model.seen == []


def test_a_plate_is_subtracted_by_a_model_that_uses_one() -> None:
    pixels, plate = draw_picture(1), draw_picture(2)
    (one,) = matte([pixels], DifferenceModel(), plate=on_cpu(plate)[None])
    assert np.array_equal(one.mask, np.abs(pixels.astype(int) - plate).max(axis=-1))  # type: ignore[arg-type]


def test_zeros_stand_for_a_plate_that_is_not_there_at_every_size() -> None:
    pictures = [draw_picture(1), draw_picture(2, 10, 14)]
    for one, pixels in zip(matte(pictures, DifferenceModel()), pictures, strict=True):
        assert np.array_equal(one.mask, pixels.max(axis=-1))  # type: ignore[arg-type]


def test_no_plate_reaches_a_model_that_uses_none() -> None:
    class Strict(RedModel):
        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            if plates is not None:
                raise ValueError("what is this plate for?")
            return super().matte(frames, plates, state)

    (one,) = matte([draw_picture(1)], Strict(), plate=on_cpu(draw_picture(2))[None])
    assert one.mask.size > 0


def test_masks_are_0_outside_of_what_is_visible_in_both_sizes() -> None:
    plates = plates_of()
    gray = np.zeros((512, 512), np.uint8)
    gray[:, 128:] = 255
    bright = np.full((512, 512, 3), 200, np.uint8)
    frame = Frame(0, 0, "0.jpg", "image", 1, "1-0")
    read = [ReadFrame(frame, bright, plates.visible(to_png(gray))), ReadFrame(frame, bright)]
    seen, whole = matte_frames(read, RedModel(), plates, None, make_recipe(batch=2))
    assert np.array_equal(seen.mask, np.where(gray > 0, 200, 0))  # type: ignore[arg-type]
    assert np.array_equal(seen.lowres, np.where(gray[::2, ::2] > 0, 200, 0))  # type: ignore[arg-type]
    assert seen.measures["coverage"] == pytest.approx(200 / 255)
    assert (whole.mask == 200).all()
    assert whole.measures["coverage"] == pytest.approx(200 / 255)


def test_lowres_has_the_size_of_the_recipe() -> None:
    read = [read_of(0, draw_picture(1, 64, 96))]
    (one,) = matte_frames(read, RedModel(), plates_of(), None, make_recipe(lowres_px=32))
    assert one.lowres.size > 0
    assert one.lowres.shape == (32, 32)


def test_alpha_in_another_type_and_out_of_range_is_brought_into_range() -> None:
    class Wild(RedModel):
        def matte(self, frames: Tensor, plates: Tensor | None, state: object = None) -> Matte:
            return Matte((frames[:, :, 0] * 4 - 1).to(torch.bfloat16), None, None)

    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0], pixels[1] = 255, 96  # 3 and 0.506
    (one,) = matte([pixels], Wild())
    assert one.mask.size > 0
    assert one.mask[0].tolist() == [255] * 4
    assert one.mask[2].tolist() == [0] * 4
    assert abs(int(one.mask[1, 0]) - 129) <= 1


def test_only_one_batch_is_pulled_ahead_of_the_consumer() -> None:
    pulled: list[int] = []

    def reads() -> Iterator[ReadFrame]:
        for number in range(50):
            pulled.append(number)
            yield read_of(number, draw_picture(number))

    most = 0
    for taken, _ in enumerate(matte_frames(reads(), RedModel(), plates_of(), None, make_recipe(batch=4, lowres_px=16))):
        most = max(most, len(pulled) - taken)
    assert len(pulled) == 50
    assert most <= 4 + 1


def faded(pictures: Sequence[np.ndarray], warmup: int = 0) -> list[np.ndarray]:
    """Return what FadingModel should make of pictures (H, W, 3) uint8, in the way of the paper: by hand."""
    mean = np.zeros(pictures[0].shape[:2])
    for _ in range(warmup):
        mean = (mean + pictures[0][:, :, 0] / 255) / 2
    alphas = []
    for pixels in pictures:
        mean = (mean + pixels[:, :, 0] / 255) / 2
        alphas.append(mean)
    return alphas


def temporal_recipe(batch: int = 1, chunk: int = 3, warmup: int = 0) -> Recipe:
    numerics = Numerics("cpu", "fp32", batch, 1, chunk)
    return make_recipe(temporal=True, numerics=numerics, warmup=warmup, lowres_px=8)


def matte_in_lockstep(
    streams: Sequence[Sequence[np.ndarray | None]],
    recipe: Recipe,
    model: FadingModel | None = None,
    slots: Sequence[int] | None = None,
    passing: frozenset[int] = frozenset(),
) -> list[list[Matted]]:
    """Return what is made of each stream, in its order."""
    slots = range(len(streams)) if slots is None else slots
    made = [
        Stream(iter([read_of(number, pixels) for number, pixels in enumerate(pictures)]), None, slot, passing)
        for pictures, slot in zip(streams, slots, strict=True)
    ]
    found: list[list[Matted]] = [[] for _ in streams]
    for number, matted in matte_streams(made, model or FadingModel(), plates_of(), recipe):
        found[number].append(matted)
    return found


def check_faded(matted: Sequence[Matted], alphas: Sequence[np.ndarray]) -> None:
    assert len(matted) == len(alphas)
    for one, alpha in zip(matted, alphas, strict=True):
        assert np.abs(one.mask / 255 - alpha).max() < 0.6 / 255


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("warmup", [0, 1, 10])
def test_a_state_goes_from_frame_to_frame_and_over_chunks(chunk: int, warmup: int) -> None:
    pictures = [draw_picture(seed) for seed in range(7)]
    (matted,) = matte_in_lockstep([pictures], temporal_recipe(chunk=chunk, warmup=warmup))
    assert [one.read.frame.frame for one in matted] == list(range(7))
    check_faded(matted, faded(pictures, warmup))


@pytest.mark.parametrize("warmup", [0, 4])
def test_each_stream_of_a_batch_has_a_state_of_its_own(warmup: int) -> None:
    streams = [[draw_picture(10 * camera + number) for number in range(5 + camera)] for camera in range(3)]
    found = matte_in_lockstep(streams, temporal_recipe(batch=4, warmup=warmup))
    for matted, pictures in zip(found, streams, strict=True):
        check_faded(matted, faded(pictures, warmup))


def test_a_batch_is_always_full_whatever_streams_are_there() -> None:
    model = FadingModel()
    matte_in_lockstep([[draw_picture(0)] * 4, [draw_picture(1)] * 2], temporal_recipe(batch=3, chunk=3), model, (2, 0))
    assert model.shapes == [(3, 3, 3, 24, 32)] * 2


def test_a_stream_alone_has_the_bytes_that_it_has_in_company() -> None:
    streams = [[draw_picture(10 * camera + number) for number in range(5)] for camera in range(3)]
    recipe = temporal_recipe(batch=3, chunk=2, warmup=2)
    together = matte_in_lockstep(streams, recipe)
    for slot, pictures in enumerate(streams):
        (alone,) = matte_in_lockstep([pictures], recipe, slots=[slot])
        for one, other in zip(alone, together[slot], strict=True):
            assert np.array_equal(one.mask, other.mask)
            assert np.array_equal(one.lowres, other.lowres)


def test_a_state_passes_over_a_frame_that_cannot_be_read() -> None:
    pictures: list[np.ndarray | None] = [draw_picture(seed) for seed in range(6)]
    for bad in (0, 2, 3, 5):
        pictures[bad] = None
    (matted,) = matte_in_lockstep([pictures], temporal_recipe(chunk=2, warmup=3))
    assert [one.read.frame.frame for one in matted] == list(range(6))
    assert {one.read.frame.frame for one in matted if one.mask.size == 0} == {0, 2, 3, 5}
    good = [pixels for pixels in pictures if pixels is not None]
    check_faded([one for one in matted if one.mask.size], faded(good, 3))


def test_frames_that_only_carry_the_state_on_come_out_of_it_without_a_mask_or_a_row() -> None:
    pictures: list[np.ndarray | None] = [draw_picture(seed) for seed in range(6)]
    pictures[1] = None
    (matted,) = matte_in_lockstep([pictures], temporal_recipe(chunk=4), passing=frozenset({0, 1, 2, 4}))
    assert [one.read.frame.frame for one in matted] == [3, 5]
    alphas = faded([pixels for pixels in pictures if pixels is not None])
    check_faded(matted, [alphas[2], alphas[4]])


def test_a_frame_of_another_size_than_its_stream_is_a_fault_and_the_state_passes_over_it() -> None:
    pictures = [draw_picture(0), draw_picture(1, 10, 14), draw_picture(2)]
    (matted,) = matte_in_lockstep([pictures], temporal_recipe())
    fault = matted[1].read.fault
    assert fault is not None and fault.status == "undecodable"
    assert "14x10" in fault.message and "32x24" in fault.message
    check_faded([matted[0], matted[2]], faded([pictures[0], pictures[2]]))


def test_cameras_of_several_sizes_are_matted_in_lockstep() -> None:
    streams = [[draw_picture(n) for n in range(4)], [draw_picture(n, 10, 14) for n in range(5)]]
    for matted, pictures in zip(matte_in_lockstep(streams, temporal_recipe(batch=2)), streams, strict=True):
        check_faded(matted, faded(pictures))


def test_16_bit_masks_keep_what_8_bits_lose() -> None:
    pictures = [draw_picture(seed) for seed in range(3)]
    recipe = replace(temporal_recipe(), mask_format="png16")
    (matted,) = matte_in_lockstep([pictures], recipe)
    for one, alpha in zip(matted, faded(pictures), strict=True):
        assert one.mask.dtype == np.uint16 and one.lowres.dtype == np.uint8
        assert np.abs(one.mask / 65535 - alpha).max() < 0.6 / 65535


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ((("refine_mode", "full"),), None),
        ((), None),
        ((("refine_mode", "sampling"), ("refine_sample_pixels", 400)), 1 - 100 / 192),
        ((("refine_mode", "sampling"), ("refine_sample_pixels", 80_000)), 0),
        ((("refine_mode", "thresholding"), ("refine_threshold", 0.7)), 1),
    ],
)
def test_starvation_is_known_where_the_recipe_says_what_is_refined(
    parameters: tuple[tuple[str, int | float | str], ...], wanted: float | None
) -> None:
    pixels = np.full((24, 32, 3), 128, np.uint8)  # an error of 0.5 in all 192 pixels of the map, a quarter of the frame
    recipe = make_recipe(batch=1, parameters=parameters, lowres_px=16)
    (one,) = matte_frames([read_of(0, pixels)], RedModel(), plates_of(), None, recipe)
    assert one.measures.get("starvation") == (None if wanted is None else pytest.approx(wanted, abs=1e-5))
