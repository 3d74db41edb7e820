"""The NeRSemble rig: its sixteen cameras."""

from __future__ import annotations

from collections.abc import Collection

RIG_CAMERAS = (
    "220700191",
    "221501007",
    "222200036",
    "222200037",
    "222200038",
    "222200039",
    "222200040",
    "222200041",
    "222200042",
    "222200043",
    "222200044",
    "222200045",
    "222200046",
    "222200047",
    "222200048",
    "222200049",
)
"""The serials of the rig; 222200037 is the front camera."""

RIG_AT_LEAST = 12
"""So many of the rig's cameras make a capture one of the rig."""


def absent_from_rig(cameras: Collection[str]) -> tuple[str, ...]:
    """Return the rig's cameras that a subject lacks, if it has so many of them that it was recorded with the rig."""
    absent = tuple(camera for camera in RIG_CAMERAS if camera not in cameras)
    return absent if len(RIG_CAMERAS) - len(absent) >= RIG_AT_LEAST else ()
