from __future__ import annotations

import cv2
import numpy as np
import pytest
from fakes import to_png

from manifests.capture import text_column
from manifests.qc import QcFrames
from manifests.storage_memory import MemoryFolder
from matting_tasks.hull import Hull, Rig
from matting_tasks.judging import chosen, measure_sets, measure_times, measure_views, tables_of
from matting_tasks.lowres import LowresReader
from matting_tasks.synth_cameras import make_camera

CAMERAS = ("221501007", "222200036", "222200037", "222200043", "222200048")


def matte(frame: int, bigger: int = 0) -> np.ndarray:
    mask = np.zeros((256, 256), np.uint8)
    cv2.circle(mask, (120 + 2 * frame, 128), 50 + bigger, 255, -1)
    return mask


def subject(
    masks: dict[tuple[str, str, int], np.ndarray | None], status: str = "ok"
) -> tuple[QcFrames, MemoryFolder, LowresReader]:
    """Return frames by (sequence, camera, frame) with their masks; None is a mask that is not there."""
    keys = sorted(masks)
    out = MemoryFolder()
    paths = ["/".join((sequence or "-", camera, f"{frame}.png")) for sequence, camera, frame in keys]
    for key, path in zip(keys, paths, strict=True):
        mask = masks[key]
        if mask is not None:
            out.files[path] = to_png(mask)
    number = np.array([frame for _, _, frame in keys], dtype=np.int32)
    empty = text_column("" for _ in keys)
    frames = QcFrames(
        *("031", text_column(key[0] for key in keys), text_column(key[1] for key in keys), number, number, number),
        *(text_column(status for _ in keys), empty, empty, text_column(paths), empty, empty),
    )
    return frames, out, LowresReader(out)


def all_frames(n_frames: int = 6, sequences: tuple[str, ...] = ("",)) -> dict[tuple[str, str, int], np.ndarray | None]:
    return {(s, camera, frame): matte(frame) for s in sequences for camera in CAMERAS for frame in range(n_frames)}


def nothing(frames: QcFrames) -> np.ndarray:
    return np.full(len(frames), "", dtype=object)


def value_of(frames: QcFrames, values: np.ndarray, camera: str, frame: int) -> float:
    return float(values[(frames.camera == camera) & (frames.frame == frame)][0])


def test_sequences_become_tables_of_cameras_and_instants() -> None:
    masks = all_frames(3, ("A", "B"))
    del masks["B", CAMERAS[1], 2]
    frames, _, _ = subject(masks)
    a, b = tables_of(frames)
    assert a.cameras == b.cameras == CAMERAS and a.rows.shape == b.rows.shape == (5, 3)
    assert (b.rows == -1).sum() == 1 and b.rows[1, 2] == -1
    assert np.isnan(b.spread(frames.frame.astype(float))[1, 2])


def test_a_bad_frame_is_told_by_its_neighbours_and_the_other_cameras() -> None:
    masks = all_frames()
    masks["", CAMERAS[2], 3] = matte(3, bigger=20)
    frames, _, reader = subject(masks)
    made = measure_times(frames, np.zeros(len(frames), bool), nothing(frames), reader)
    for name, limit in (("second_difference", 0.3), ("area_jump", 12), ("area_ratio", 1.5)):
        assert value_of(frames, made[name], CAMERAS[2], 3) > limit
        assert np.nanmax(made[name][frames.camera != CAMERAS[2]]) < limit / 3 or name == "area_ratio"
    assert value_of(frames, made["iou"], CAMERAS[2], 3) < 0.75
    assert np.isnan(made["flicker"]).all() and np.isnan(made["seam"]).all()


def test_seams_are_measured_where_a_shard_begins() -> None:
    frames, _, reader = subject(all_frames())
    made = measure_times(frames, frames.frame % 3 == 0, nothing(frames), reader)
    assert sorted(set(frames.frame[np.isfinite(made["seam"])].tolist())) == [3]


def test_flicker_needs_pictures() -> None:
    masks = {("", "A", frame): matte(0, bigger=10 * (frame % 2)) for frame in range(4)}
    frames, out, _ = subject(masks)
    pictures = MemoryFolder({f"{frame}.png": to_png(np.full((256, 256), 90, np.uint8)) for frame in range(4)})
    shown = np.array([f"{frame}.png" for frame in range(4)], dtype=object)
    made = measure_times(frames, np.zeros(4, bool), shown, LowresReader(out, pictures))
    assert np.isnan(made["flicker"][0]) and (made["flicker"][1:] > 0.3).all()


def test_a_damaged_mask_has_no_measures_and_counts_as_not_ok() -> None:
    masks = all_frames(4)
    masks["", CAMERAS[0], 1] = None
    frames, _, reader = subject(masks)
    made = measure_times(frames, np.zeros(len(frames), bool), nothing(frames), reader)
    assert np.isnan([value_of(frames, made[name], CAMERAS[0], 1) for name in made]).all()
    sets = measure_sets(frames, np.zeros(len(frames), bool), reader.unread)
    assert sets["", CAMERAS[0]]["not_ok"] == 0.25 and sets["", CAMERAS[1]]["not_ok"] == 0


def test_frames_are_wanted_where_half_of_the_cameras_have_them() -> None:
    masks = all_frames(4)
    del masks["", CAMERAS[3], 2]
    masks["", CAMERAS[0], 9] = matte(9)
    frames, _, _ = subject(masks)
    doubles = (frames.camera == CAMERAS[1]) & (frames.frame == 2)
    sets = measure_sets(frames, doubles, {})
    assert {camera: of["frame_set"] for (_, camera), of in sets.items()} == {
        camera: float(camera == CAMERAS[3]) for camera in CAMERAS
    }
    assert sets["", CAMERAS[1]]["duplicates"] == 1


def ball_rig() -> tuple[Rig, dict[tuple[str, str, int], np.ndarray | None]]:
    """Return cameras and what they see of a ball, at three instants."""
    projections, masks = [], {}
    for name in CAMERAS:
        camera = make_camera(name, 256)
        projections.append(camera.intrinsic @ camera.extrinsic)
        for frame in range(3):
            column, row, depth = camera.project(np.array([0.02 * frame, -0.07, 0.0]))
            mask = np.zeros((256, 256), np.uint8)
            cv2.circle(mask, (round(column), round(row)), round(0.11 * camera.intrinsic[0, 0] / depth), 255, -1)
            masks["", name, frame] = mask
    return Rig(CAMERAS, np.array(projections), np.ones((len(CAMERAS), 256, 256), bool)), masks


def test_the_camera_that_cuts_the_hull_is_named_at_its_instant() -> None:
    rig, masks = ball_rig()
    hit = masks["", CAMERAS[2], 1]
    assert hit is not None
    hit[:, :128] = 0
    frames, _, reader = subject(masks)
    told: list[tuple[int, int]] = []
    made = measure_views(frames, Hull(rig), np.ones(len(frames)), reader, None, lambda *at: told.append(at))
    assert value_of(frames, made["hull_cut"], CAMERAS[2], 1) > 0.02
    assert value_of(frames, made["inside_hull"], CAMERAS[2], 1) > 0.2
    others = (frames.camera != CAMERAS[2]) | (frames.frame != 1)
    assert made["hull_cut"][others].max() == 0 and made["outside_hull"].max() < 0.005
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("every", "expected"), [(None, [0, 1, 2]), (2, [0, 2]), (5, [0])])
def test_every_so_many_instants_are_looked_at(every: int | None, expected: list[int]) -> None:
    frames, _, _ = subject(all_frames(3))
    assert chosen(tables_of(frames)[0], np.ones(len(frames)), every) == expected


def test_instants_that_look_suspicious_are_looked_at_besides() -> None:
    frames, _, _ = subject(all_frames(20))
    ratio = np.ones(len(frames))
    ratio[(frames.camera == CAMERAS[1]) & (frames.frame == 13)] = 1.4
    assert chosen(tables_of(frames)[0], ratio, 8) == [0, 8, 13, 16]


def test_no_frames_have_no_measures() -> None:
    frames, _, reader = subject({})
    made = measure_times(frames, np.zeros(0, bool), nothing(frames), reader)
    assert all(len(values) == 0 for values in made.values())
    assert measure_sets(frames, np.zeros(0, bool), {}) == {}
