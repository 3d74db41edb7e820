"""Targets: what a video is matted into, in which form, and where it lies."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from manifests.storage import TEMPORARY

Form = Literal["mp4", "ffv1", "png", "png16"]


@dataclass(frozen=True, slots=True)
class Target:
    """An output: `name` is alpha, foreground or composite, `bit_rate` in bits/s that of an mp4, None for quality."""

    folder: Path
    name: str
    form: Form
    bit_rate: int | None = None

    @property
    def path(self) -> Path:
        """Return the file, or the folder of PNGs."""
        suffix = {"mp4": ".mp4", "ffv1": ".mkv"}.get(self.form, "")
        return self.folder / f"{self.name}{suffix}"

    @property
    def is_video(self) -> bool:
        """Tell whether it is one file."""
        return self.form in ("mp4", "ffv1")

    @property
    def levels(self) -> int:
        """Return the largest value of a picture."""
        return 65535 if self.form == "png16" and self.name == "alpha" else 255

    def taken(self) -> bool:
        """Tell whether something lies there that committing would replace."""
        return self.path.exists() if self.is_video or not self.path.is_dir() else bool(self.old_pictures())

    def picture_name(self, number: int) -> str:
        """Return the name of a PNG."""
        return f"{self.name}_{number:06d}.png"

    def old_pictures(self) -> list[Path]:
        """Return the PNGs of such a name that lie in the folder."""
        name = re.compile(rf"{self.name}_\d{{6,}}\.png")
        return [path for path in self.path.iterdir() if name.fullmatch(path.name)]

    def temporary(self) -> Path:
        """Return a new name beside the path, for what is being written."""
        return self.folder / f"{TEMPORARY}{uuid.uuid4().hex}{self.path.suffix}"
