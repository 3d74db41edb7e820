"""Work: the shards of a whole capture as the product's plan has them, subject by subject, without any file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from manifests.estimate import Load
from manifests.sharding import GRID

V2_SUBJECTS, V2_CAMERAS, V2_SEQUENCES, V2_FRAMES = 425, 16, 22, 432
"""NeRSemble v2: participants, cameras, sequences of a participant (9,400 in all), frames of a video: 65 million."""
V2_VIDEO_BYTES = 8_700_000
MOST_INSTANTS = 512
"""Of a sequence, whose hull QC makes (matting_tasks/judging.py)."""
BYTES_PER_PIXEL, BYTES_PER_FRAME = 0.07, 20_000
"""Of both masks of a frame, as `cleanplate plan` takes them (flows/matte.py)."""


@dataclass(frozen=True, slots=True)
class Work:
    """A capture of equal subjects: `n_frames` of each video are matted, every `step`-th of them.

    `mask_bytes` of both masks of a frame together, `input_bytes` of a frame's share of its video or of its picture;
    `from_video`: a shard reads its whole video, else a file a frame and, with `visible`, another. A shard has at most
    `grid` frames.
    """

    n_subjects: int
    n_cameras: int
    n_sequences: int
    n_frames: int
    step: int = 1
    from_video: bool = True
    visible: bool = False
    input_bytes: float = V2_VIDEO_BYTES / V2_FRAMES
    mask_bytes: float = 520_000
    grid: int = GRID

    @property
    def n_matted(self) -> int:
        """Count the frames of a video that are matted."""
        return len(range(0, self.n_frames, self.step))

    @property
    def shard_sizes(self) -> list[int]:
        """Return the frames of each shard of a stream, cut at multiples of the grid."""
        n_matted = self.n_matted
        return [min(self.grid, n_matted - first) for first in range(0, n_matted, self.grid)]

    @property
    def frames_of_subject(self) -> int:
        """Count the matted frames of a subject."""
        return self.n_cameras * self.n_sequences * self.n_matted

    @property
    def instants_of_subject(self) -> int:
        """Count the instants of a subject whose visual hull QC makes."""
        return self.n_sequences * min(self.n_matted, MOST_INSTANTS)

    @property
    def shards_of_subject(self) -> int:
        """Count the shards of a subject."""
        return self.n_cameras * self.n_sequences * len(self.shard_sizes)

    def shards(self, subject: int) -> Iterator[tuple[int, int, int]]:
        """Yield (subject, camera, frames) of each shard of a subject, by sequence, camera and frame."""
        sizes = self.shard_sizes
        for _ in range(self.n_sequences):
            for camera in range(self.n_cameras):
                for n_frames in sizes:
                    yield subject, camera, n_frames

    def gets_of(self, n_frames: int) -> int:
        """Count what a shard asks of the capture."""
        return 1 if self.from_video else n_frames * (1 + self.visible)

    def bytes_of(self, n_frames: int) -> float:
        """Return what a shard reads and writes, in bytes: all of its video, the masks of its frames."""
        read = self.n_frames if self.from_video else n_frames
        return read * self.input_bytes + n_frames * self.mask_bytes

    def load(self) -> Load:
        """Return the whole as `cleanplate plan` counts it."""
        n_streams = self.n_subjects * self.n_cameras * self.n_sequences
        n_frames = self.n_subjects * self.frames_of_subject
        n_shards = self.n_subjects * self.shards_of_subject
        n_read = n_shards * self.n_frames if self.from_video else n_frames  # a shard fetches all of its video
        return Load(
            n_frames=n_frames,
            n_shards=n_shards,
            n_streams=n_streams,
            n_pictures=0 if self.from_video else n_frames,
            n_visible=n_frames * self.visible,
            n_videos=n_streams * self.from_video,
            n_video_reads=n_shards * self.from_video,
            n_plates=self.n_subjects * self.n_cameras,
            n_instants=self.n_subjects * self.instants_of_subject,
            bytes_in=int(n_read * self.input_bytes),
            bytes_out=int(n_frames * self.mask_bytes),
        )


def nersemble(variant: str, n_subjects: int = V2_SUBJECTS) -> Work:
    """Return NeRSemble v2: `raw` all frames of its videos, `gha` every third of them at 2048², out of the videos."""
    step, size_px = {"raw": (1, 2200 * 3208), "gha": (3, 2048 * 2048)}[variant]
    frame_bytes = BYTES_PER_PIXEL * size_px + BYTES_PER_FRAME
    return Work(n_subjects, V2_CAMERAS, V2_SEQUENCES, V2_FRAMES, step, mask_bytes=frame_bytes)
