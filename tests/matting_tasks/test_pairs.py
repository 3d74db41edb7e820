from __future__ import annotations

import pytest

from matting_tasks.pairs import (
    PRED_PREFIXES,
    TRIMAP_FOLDERS,
    TRIMAP_PREFIXES,
    TRUE_PREFIXES,
    Matched,
    VideoMatch,
    entries_of,
    listed_names,
    match,
    single_entry,
)


def matched(preds: list[str], trues: list[str], trimaps: list[str] | None = None, still: bool = False) -> Matched:
    unknown = None if trimaps is None else entries_of(trimaps, TRIMAP_PREFIXES, TRIMAP_FOLDERS)
    return match(entries_of(preds, PRED_PREFIXES), entries_of(trues, TRUE_PREFIXES), unknown, still)


def test_masks_of_an_output_root_meet_the_alphas_of_a_synthetic_capture() -> None:
    frames, cameras = ("0000", "0001", "0002"), ("222200037", "222200038")
    preds = [f"031/images/{f}/{kind}{c}.jpg" for f in frames for c in cameras for kind in ("mask_", "mask_lowres_")]
    preds += ["_cleanplate/report/031/mask_222200037.jpg", "_cleanplate/root.json"]
    trues = [f"031/images/{f}/alpha_{c}.png" for f in frames for c in cameras]
    trues += [f"031/images/{f}/{kind}_{c}.jpg" for f in frames for c in cameras for kind in ("image", "visible")]
    found = matched(preds, trues)
    assert not found.faults
    assert [(one.clip, one.name) for one in found.pictures] == [
        (f"031/{c}", f"031/images/{f}/{c}") for c in cameras for f in frames
    ]
    assert [one.before for one in found.pictures[:3]] == [None, *(f"031/images/{f}/222200037" for f in frames[:2])]
    assert found.pictures[0].pred == "031/images/0000/mask_222200037.jpg"
    assert found.pictures[0].true == "031/images/0000/alpha_222200037.png"


def test_a_capture_that_is_its_own_output_root_is_told_apart() -> None:
    files = [f"031/images/0000/{kind}_7.png" for kind in ("alpha", "mask", "image")]
    (one,) = matched(files, files).pictures
    assert (one.pred, one.true) == ("031/images/0000/mask_7.png", "031/images/0000/alpha_7.png")


def test_below_images_the_cameras_of_a_frame_are_no_clip() -> None:
    found = matched(["0000/mask_11.jpg", "0000/mask_12.jpg"], ["0000/alpha_11.png", "0000/alpha_12.png"])
    assert [one.clip for one in found.pictures] == [None, None]


def test_ppm_100_is_understood() -> None:
    names = ["1585774_e6b8e0b7a6_o", "6146816_556f2f0b79_o"]
    trues = [f"{folder}/{name}.jpg" for folder in ("fg", "alpha") for name in names]
    found = matched([f"{name}.png" for name in names], trues)
    assert [(one.true, one.clip) for one in found.pictures] == [(f"alpha/{name}.jpg", None) for name in names]
    found = matched([f"out/{name}.png" for name in names], [path.replace("alpha", "matte") for path in trues])
    assert not found.pictures and len(found.faults) == 4


def test_clips_of_videomatte_are_understood() -> None:
    trues = [f"{kind}/{clip}/{n:04d}.jpg" for kind in ("fgr", "pha") for clip in ("0000", "0001") for n in range(2)]
    found = matched([f"{clip}/{n:04d}.png" for clip in ("0000", "0001") for n in range(2)], trues)
    assert [(one.clip, one.name, one.before) for one in found.pictures] == [
        ("0000", "0000/0000", None),
        ("0000", "0000/0001", "0000/0000"),
        ("0001", "0001/0000", None),
        ("0001", "0001/0001", "0001/0000"),
    ]


def test_a_clip_goes_on_by_number_not_by_letters() -> None:
    files = [f"take/frame_{n}.png" for n in (9, 10, 11)]
    assert [one.name for one in matched(files, files).pictures] == ["take/frame_9", "take/frame_10", "take/frame_11"]
    assert {one.clip for one in matched(files, files).pictures} == {"take/frame_*"}
    assert {one.clip for one in matched(files, files, still=True).pictures} == {None}


def test_over_a_frame_that_is_missing_no_frame_follows_another() -> None:
    found = matched(["a/0.png", "a/1.png", "a/3.png"], [f"a/{n}.png" for n in range(4)])
    assert found.faults == {"a/2": "no matte to compare with the truth"}
    assert [one.before for one in found.pictures] == [None, "a/0", "a/2"]


def test_doubles_and_what_one_side_lacks_are_named() -> None:
    found = matched(["a.png", "a.jpg", "b.png", "c.png"], ["a.png", "b.png", "d.png"])
    assert set(found.faults) == {"a", "c", "d"}
    assert "a.jpg" in found.faults["a"] and found.faults["c"] == "no true matte"
    assert [one.name for one in found.pictures] == ["b"]


def test_trimaps_go_with_their_pictures() -> None:
    found = matched(["a.png", "b.png"], ["alpha/a.png", "alpha/b.png"], ["trimap/a.png"])
    assert [(one.name, one.trimap) for one in found.pictures] == [("a", "trimap/a.png")]
    assert found.faults == {"b": "no trimap"}


def test_videos_meet_videos_and_folders_of_pictures() -> None:
    found = matched(["0000.mkv", "0001.mp4"], ["pha/0000/2.jpg", "pha/0000/10.jpg", "pha/0001.mp4", "fgr/0001.mp4"])
    assert found.videos == (
        VideoMatch("0000", "0000.mkv", ("pha/0000/2.jpg", "pha/0000/10.jpg")),
        VideoMatch("0001", "0001.mp4", "pha/0001.mp4"),
    )
    assert not found.pictures and not found.faults


def test_files_that_were_named_meet_whatever_their_names() -> None:
    assert match([single_entry("alpha.mkv")], [single_entry("t.mkv")]).videos == (VideoMatch("", "alpha.mkv", "t.mkv"),)
    (one,) = match([single_entry("a.png")], [single_entry("b.png")]).pictures
    assert (one.pred, one.true) == ("a.png", "b.png")
    trues = entries_of(["0.png", "1.png"], TRUE_PREFIXES)
    assert match([single_entry("alpha.mkv")], trues).videos == (VideoMatch("", "alpha.mkv", ("0.png", "1.png")),)


@pytest.mark.parametrize(
    "line", ["a_1", "a_1.jpg", "alpha/a_1.jpg", "fg/a_1.jpg alpha/a_1.jpg", "fg/a_1.jpg,alpha/a_1.jpg", "  a_1  "]
)
def test_a_list_names_files_in_many_ways(line: str) -> None:
    trues = entries_of(["alpha/a_1.jpg", "alpha/a_2.jpg"], TRUE_PREFIXES)
    assert listed_names(f"{line}\n\nb_9.jpg\n", trues) == ({"a_1"}, ["b_9.jpg"])


def test_a_list_may_name_frames_of_clips() -> None:
    trues = entries_of(["pha/0000/0001.jpg", "pha/0001/0001.jpg"], TRUE_PREFIXES)
    assert listed_names("pha/0001/0001.jpg", trues) == ({"0001/0001"}, [])
    assert listed_names("0001.jpg", trues) is None


def test_a_text_that_names_no_matte_is_no_list() -> None:
    assert (
        listed_names("PPM-100, by its authors\nLicence: see there", entries_of(["alpha/a.jpg"], TRUE_PREFIXES)) is None
    )
