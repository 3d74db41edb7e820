from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from captures import make_tiny, masks_below
from command_line import cleanplate, matte
from corpus.damage import flips, in_scans
from corpus.jpeg_form import Malformed, check_form

from manifests.errors import InputFault
from matting_tasks.decode import decode_image


def flip_a_bit_unseen(path: Path) -> None:
    """Turn one bit of a JPEG so that it is a valid JPEG of another picture, with its size and times as they were."""
    stat, jpeg, rng = path.stat(), path.read_bytes(), np.random.default_rng(0)
    whole = decode_image(jpeg).pixels
    while True:
        flipped = flips(1, in_scans)(rng, jpeg)
        try:
            check_form(flipped)
            differs = int(np.abs(decode_image(flipped).pixels.astype(int) - whole).max()) > 60
        except (Malformed, InputFault):
            continue
        if differs:
            break
    path.write_bytes(flipped)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("rule", ["stat", "content"])
def test_a_bit_that_no_decoder_can_see_is_known_by_the_fingerprint_of_the_contents(tmp_path: Path, rule: str) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=1), tmp_path / "out"
    assert matte(capture, out, "--fingerprint", rule).code == 0
    before = masks_below(out)
    flip_a_bit_unseen(capture / "031/images/0001/image_cam0.jpg")
    ended = matte(capture, out)
    assert ended.code == 0
    if rule == "stat":
        assert "Nothing to do" in ended.out and masks_below(out) == before
    else:
        assert "1 changed" in ended.out and masks_below(out) != before


def test_a_bit_that_flips_after_the_listing_leaves_its_shard_uncommitted(tmp_path: Path) -> None:
    capture, out = make_tiny(tmp_path / "capture", n_cameras=2), tmp_path / "out"
    assert cleanplate("enumerate", capture, "--out", out, "--fingerprint", "content").code == 0
    flip_a_bit_unseen(capture / "031/images/0001/image_cam0.jpg")
    ended = matte(capture, out, "--no-enumerate", "--fingerprint", "content")
    assert ended.code == 1
    assert "031/images/0001/image_cam0.jpg changed since the capture was listed" in ended.out + ended.err
    assert len([path for path in masks_below(out) if "cam1" in path]) == 2 * 3
