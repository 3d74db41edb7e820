"""The raw download: what a path of version 2 and of version 1 is."""

from __future__ import annotations

from manifests.capture import scan_subject
from manifests.layouts.base import Found
from manifests.layouts.nersemble import NersembleV1, NersembleV2
from manifests.storage_memory import MemoryFolder

SEQUENCE = "EMO-1-shout+laugh"

V2 = {
    f"031/sequences/{SEQUENCE}/images/cam_222200037.mp4": Found("video", SEQUENCE, "222200037"),
    "031/sequences/BACKGROUND/image_222200037.jpg": Found("plate", "", "222200037"),
    "031/calibration/camera_params.json": Found("calibration"),
    "031/calibration/color_calibration.json": None,
    "031/sequences/BACKGROUND/images/cam_222200037.mp4": None,
    f"031/sequences/{SEQUENCE}/images/cam_222200037.mp4.part": None,
    f"031/sequences/{SEQUENCE}/images/222200037.mp4": None,
    f"031/sequences/{SEQUENCE}/image_222200037.jpg": None,
    f"031/sequences/{SEQUENCE}/images/cam_222200037/mask_000001.png": None,
    "031/images/0000/image_222200037.jpg": None,
    "0310/sequences/FREE/images/cam_1.mp4": None,
}

V1 = {
    f"sequence_{SEQUENCE}_part-4/031/{SEQUENCE}/cam_222200037.mp4": Found("video", SEQUENCE, "222200037"),
    "sequence_EXP_part-2_part-11/031/EXP_part-2/cam_1.mp4": Found("video", "EXP_part-2", "1"),
    "sequence_BACKGROUND_part-1/031/BACKGROUND/image_222200037.jpg": Found("plate", "", "222200037"),
    "camera_params/031/camera_params.json": Found("calibration"),
    "color_correction/031/222200037.npy": None,
    "sequence_FREE_part-1/031/OTHER/cam_1.mp4": None,
    "sequence_FREE_part-1/031/FREE/image_1.jpg": None,
    "sequence_BACKGROUND_part-1/031/BACKGROUND/cam_1.mp4": None,
    "sequence_FREE_part-1/032/FREE/cam_1.mp4": None,
}


class Counting(MemoryFolder):
    """Counts listings."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.listed: list[str] = []

    def list(self, prefix: str = ""):  # type: ignore[no-untyped-def]
        self.listed.append(prefix)
        return super().list(prefix)


def test_v2_files_are_what_their_paths_say() -> None:
    capture = Counting(dict.fromkeys(V2, b""))
    found = {stat.path: what for what, stat in NersembleV2().files(capture, "031")}
    assert found == {path: what for path, what in V2.items() if what is not None}
    assert capture.listed == ["031/sequences", "031/calibration"]
    assert NersembleV2().subjects(capture) == ["031", "0310"]


def test_v1_files_are_what_their_paths_say() -> None:
    found = {stat.path: what for what, stat in NersembleV1().files(MemoryFolder(dict.fromkeys(V1, b"")), "031")}
    assert found == {path: what for path, what in V1.items() if what is not None}


def test_v1_is_listed_once_for_all_subjects() -> None:
    names = [f"sequence_{s}_part-1/{p}/{s}/cam_1.mp4" for s in ("FREE", "HAIR") for p in ("031", "036", "040")]
    capture, layout = Counting(dict.fromkeys([*names, "camera_params/099/camera_params.json"], b"")), NersembleV1()
    assert layout.subjects(capture) == ["031", "036", "040"]
    assert [len(list(layout.files(capture, subject))) for subject in ("031", "036", "040", "099", "x")] == [
        2,
        2,
        2,
        1,
        0,
    ]
    assert capture.listed == ["camera_params", "sequence_FREE_part-1", "sequence_HAIR_part-1"]


def test_other_trees_have_no_subject() -> None:
    for layout in (NersembleV2(), NersembleV1()):
        assert layout.subjects(MemoryFolder({"031/images/0000/image_1.jpg": b"", "a.txt": b""})) == []


def test_videos_plates_and_calibration_become_a_scanned_subject() -> None:
    files = dict.fromkeys(V2, b"1") | {"031/sequences/FREE/images/cam_9.mp4": b"22"}
    scanned = scan_subject(MemoryFolder(files), "031", "size", NersembleV2())
    assert [(video.sequence, video.camera, video.fingerprint) for video in scanned.videos] == [
        (SEQUENCE, "222200037", "1"),
        ("FREE", "9", "2"),
    ]
    assert {camera: plate.status for camera, plate in scanned.plates.items()} == {"222200037": "ok", "9": "missing"}
    assert scanned.calibration is not None and scanned.calibration.path == "031/calibration/camera_params.json"
    assert not len(scanned.frames) and not scanned.is_empty
