"""The rig: its cameras, and which of them a subject lacks."""

from __future__ import annotations

from manifests.layouts import rig


def test_the_rig_has_sixteen_different_cameras_with_the_front_one_among_them() -> None:
    assert len(set(rig.RIG_CAMERAS)) == 16
    assert "222200037" in rig.RIG_CAMERAS


def test_cameras_are_absent_when_a_subject_has_most_of_the_rig() -> None:
    assert rig.absent_from_rig(rig.RIG_CAMERAS) == ()
    assert rig.absent_from_rig(rig.RIG_CAMERAS[:-1]) == (rig.RIG_CAMERAS[-1],)
    assert rig.absent_from_rig(rig.RIG_CAMERAS[:4]) == ()
    assert rig.absent_from_rig(["cam0", "cam1"]) == ()
