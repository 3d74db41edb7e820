from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from benchmarks.drawn_capture import Drawn, cached_capture, draw_alpha

from manifests.capture import scan_subject
from manifests.layouts.gha import Gha
from manifests.storage import LocalFolder


def test_a_capture_is_drawn_in_the_gha_layout(tmp_path: Path) -> None:
    root = cached_capture(tmp_path, Drawn(2, 3, 96, 64))
    scanned = scan_subject(LocalFolder(root), "031", "stat", Gha())
    assert len(scanned.frames) == 6
    assert all(scanned.frames.visible_path)
    assert {plate.status for plate in scanned.plates.values()} == {"ok"}
    picture = cv2.imread(str(root / "031" / "images" / "0002" / "image_222200001.jpg"))
    assert picture.shape == (64, 96, 3)
    assert picture[:, 0].max() < 30 < picture[32, 48].max()


def test_a_native_capture_has_no_pads(tmp_path: Path) -> None:
    root = cached_capture(tmp_path, Drawn(1, 1, 64, 96, pads=False))
    assert not list(root.glob("*/images/*/visible_*"))
    assert cv2.imread(str(root / "031" / "background" / "image_222200000.jpg"))[:, 0].mean() > 60


def test_a_capture_is_drawn_once_and_again_if_another_is_wanted(tmp_path: Path) -> None:
    root = cached_capture(tmp_path, Drawn(1, 1, 64, 64))
    picture = root / "031" / "images" / "0000" / "image_222200000.jpg"
    before = picture.stat().st_mtime_ns
    assert cached_capture(tmp_path, Drawn(1, 1, 64, 64)) == root
    assert picture.stat().st_mtime_ns == before
    (root / "drawn.json").write_text("of an interrupted run")
    cached_capture(tmp_path, Drawn(1, 1, 64, 64))
    assert picture.stat().st_mtime_ns > before


def test_an_alpha_is_a_head_with_a_soft_edge() -> None:
    alpha = draw_alpha(128, 128, 0, np.random.default_rng(0))
    assert alpha[52, 64] == 1
    assert alpha[0, 0] == 0
    assert 0.01 < ((alpha > 0.02) & (alpha < 0.98)).mean() < 0.2
