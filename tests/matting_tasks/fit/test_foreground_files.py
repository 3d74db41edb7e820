"""Foregrounds that lie in folders, and what is said of those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.errors import UsageError
from matting_tasks.fit.foreground_files import find_foregrounds
from tests.cut_people import disc, photograph, pure, write, write_pair
from tests.videos import write_video


@pytest.mark.parametrize("folders", [("fg", "alpha"), ("fgr", "pha"), ("image", "mask"), ("original", "matte")])
def test_pictures_meet_the_alphas_of_their_names(tmp_path: Path, folders: tuple[str, str]) -> None:
    for seed, name in enumerate(("anna", "bert")):
        write_pair(tmp_path / "train", name, disc(centre=(30 + 9 * seed, 30)), folders)
    found = find_foregrounds(tmp_path)
    assert [pair.name for pair in found.pictures] == ["train/anna", "train/bert"]
    assert found.pictures[0].alpha == tmp_path / "train" / folders[1] / "anna.png"
    assert not found.clips
    assert not found.faults


def test_what_lies_beside_is_left_alone_and_foregrounds_go_before_photographs(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", disc())
    write(tmp_path / "image/a.jpg", photograph(disc()))
    for other in ("trimap", "bg"):
        write(tmp_path / other / "a.png", disc())
    found = find_foregrounds(tmp_path)
    assert [pair.foreground.parent.name for pair in found.pictures] == ["fg"]
    assert not found.faults


def test_numbered_stills_stay_stills(tmp_path: Path) -> None:
    for number, (y, x) in enumerate(((25, 20), (55, 40), (25, 40), (50, 20))):
        write_pair(tmp_path, f"{number:03d}", disc(centre=(y, x)))
    found = find_foregrounds(tmp_path)
    assert len(found.pictures) == 4
    assert not found.clips


def test_pictures_that_follow_each_other_are_a_clip(tmp_path: Path) -> None:
    for number in range(12):
        write_pair(tmp_path, f"dance/{number}", disc(centre=(40, 20 + number)), ("fgr", "pha"))
    found = find_foregrounds(tmp_path)
    assert not found.pictures
    assert [clip.name for clip in found.clips] == ["dance"]
    assert [path.stem for path in found.clips[0].foreground] == [str(number) for number in range(12)]
    assert [path.stem for path in found.clips[0].alpha] == [str(number) for number in range(12)]


def test_videos_meet_videos_or_folders_of_alphas(tmp_path: Path) -> None:
    alphas = [disc(64, 64, (32, 20 + number)) for number in range(4)]
    for name in ("one", "two"):
        (tmp_path / "fgr").mkdir(exist_ok=True)
        write_video(tmp_path / "fgr" / f"{name}.mp4", [pure(alpha) for alpha in alphas])
    (tmp_path / "pha").mkdir()
    write_video(tmp_path / "pha/one.mp4", [np.repeat(alpha[..., None], 3, axis=2) for alpha in alphas])
    for number, alpha in enumerate(alphas):
        write(tmp_path / "pha" / "two" / f"{number:02d}.png", alpha)
    clips = {clip.name: clip for clip in find_foregrounds(tmp_path).clips}
    assert clips["one"].alpha == tmp_path / "pha/one.mp4"
    assert clips["two"].foreground == tmp_path / "fgr/two.mp4"
    assert isinstance(clips["two"].alpha, tuple)
    assert len(clips["two"].alpha) == 4


def test_pictures_with_an_alpha_channel_need_no_other_file(tmp_path: Path) -> None:
    alpha = disc()
    cut = write(tmp_path / "cut.png", np.dstack([pure(alpha), alpha]))
    write(tmp_path / "plain.png", pure(alpha))
    found = find_foregrounds(tmp_path)
    assert [(pair.foreground, pair.alpha) for pair in found.pictures] == [(cut, cut)]
    assert found.faults == {"plain": "no alpha for this picture, and no alpha channel"}
    assert find_foregrounds(cut).pictures[0].alpha == cut


def test_frames_with_an_alpha_channel_are_a_clip(tmp_path: Path) -> None:
    for number in range(3):
        alpha = disc(centre=(40, 28 + number))
        write(tmp_path / "walk" / f"{number}.png", np.dstack([pure(alpha), alpha]))
    clips = find_foregrounds(tmp_path).clips
    assert [(clip.name, len(clip.foreground)) for clip in clips if isinstance(clip.foreground, tuple)] == [("walk", 3)]


def test_what_cannot_be_matched_is_named(tmp_path: Path) -> None:
    write_pair(tmp_path, "good", disc())
    write(tmp_path / "fg/lone.png", pure(disc()))
    write(tmp_path / "alpha/stray.png", disc())
    write(tmp_path / "fg/double.png", pure(disc()))
    write(tmp_path / "fg/double.jpg", pure(disc()))
    write(tmp_path / "alpha/double.png", disc())
    found = find_foregrounds(tmp_path)
    assert [pair.name for pair in found.pictures] == ["good"]
    assert found.faults["lone"] == "no alpha for this picture, and no alpha channel"
    assert found.faults["stray"] == "no foreground for this alpha"
    assert found.faults["double"].startswith("several files of that name")


def test_places_without_foregrounds_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found nothing"):
        find_foregrounds(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="it holds no picture"):
        find_foregrounds(tmp_path)
    plain = write(tmp_path / "plain.jpg", pure(disc()))
    with pytest.raises(UsageError, match="no alpha channel"):
        find_foregrounds(plain)
    listed = tmp_path / "list.txt"
    listed.write_text("gone.png gone_alpha.png\n")
    with pytest.raises(UsageError, match=r"line 1: gone\.png is not there"):
        find_foregrounds(listed)
