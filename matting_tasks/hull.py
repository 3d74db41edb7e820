"""The visual hull: do the mattes of one instant fit together, and if not, which camera is to blame; pure, vectorised.

A voxel is in the hull where no camera that sees it calls it empty. What of a matte no voxel of the hull covers sticks
out: another camera's matte lacks it, or it is not there. A voxel that only one camera calls empty would be in the hull
without that camera, so one pass over the voxels tells what each camera's removal would repair.
(Laurentini 1994, "The visual hull concept for silhouette-based image understanding".)
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_tasks.temporal import INSIDE

LOWRES_PX = 256
CELL_PX = 4
"""Side of the cells, in lowres pixels, in which silhouettes are compared: a little more than a voxel's."""
N_CELLS = LOWRES_PX // CELL_PX
N_VOXELS = 96
"""Along each side of the box: 885 thousand in all."""
BOX = 1.25
"""Half a side of the box, over half of what a picture shows of the world at the rig's centre."""
GROW_PX = 2
"""Mattes grow by that much before they say that a voxel is empty: half a voxel, and JPEG."""
FEWEST_CAMERAS = 4
WELL_SEEN = 0.6
"""Share of the cameras that must see a voxel before it may say that a matte lacks it."""
BLAMED_FROM = 0.0025
"""Share of another camera's matte that a removal must repair to count, and in two others at least."""
BLAMED_BY_ONE = 0.03
"""The same where it repairs one other camera alone, and half of what sticks out there: with few cameras there may be
no other that sees it."""
FAULTY_FROM = 0.005
"""Share of its own matte from which a camera that sticks out is blamed for whatever it cuts off."""
MOST_BLAMED = 3

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """The cameras of a subject as their lowres masks see them.

    projections: (C, 3, 4) float64, world to lowres pixels from the outer corner of the first one.
    visible: (C, 256, 256) bool, False in black pads: what lies there is unknown, not empty.
    """

    cameras: tuple[str, ...]
    projections: F64
    visible: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """How the mattes of one instant fit together, each (C,) float64, NaN where it cannot be told.

    `outside`: share of a matte that sticks out of the hull, but for what is blamed on another camera. `cut`: share of
    the other cameras' mattes that sticks out only because of this one. `inside`: share of the silhouette of the other
    cameras' hull that the matte lacks.
    """

    outside: F64
    cut: F64
    inside: F64


class Hull:
    """The tables of one rig: where each voxel lies in each picture. Made once, then asked for every instant."""

    def __init__(self, rig: Rig) -> None:
        """Make the tables: about 6 bytes a voxel and camera."""
        self.cameras = rig.cameras
        axes = _box(rig)
        n_seen = np.zeros(N_VOXELS**3, dtype=np.uint8)
        pixels, cells = [], []
        for projection, visible in zip(rig.projections, rig.visible, strict=True):
            pixel = _pixels(projection, axes)
            seen = pixel < LOWRES_PX**2
            unknown = np.append(~visible.ravel(), True)
            n_seen += ~unknown[pixel]
            row, column = pixel // LOWRES_PX // CELL_PX, pixel % LOWRES_PX // CELL_PX
            pixels.append(pixel)
            cells.append(np.where(seen, row * N_CELLS + column, N_CELLS**2).astype(np.int16))
        self._pixels, self._cells = pixels, cells
        self._unknown = np.pad(~rig.visible.reshape(len(rig.cameras), -1), ((0, 0), (0, 1)), constant_values=True)
        self._well_seen = n_seen >= WELL_SEEN * len(rig.cameras)
        self._judged = np.stack([_judged(projection, axes) for projection in rig.projections])

    def fit(self, masks: list[np.ndarray | None]) -> Fits:
        """Measure one instant: lowres masks (256, 256) uint8 in the order of the cameras, None where there is none."""
        known = [(place, mask) for place, mask in enumerate(masks) if mask is not None]
        there = [place for place, _ in known]
        found = Fits(*(np.full(len(masks), np.nan) for _ in range(3)))
        if len(there) < FEWEST_CAMERAS:
            return found
        inside = np.stack([mask > INSIDE for _, mask in known])
        hull, lone, who = self._carve(inside, there)
        share = _share_of_cells(inside)  # (c, cells)
        repairs, lacks = [], []
        for number, place in enumerate(there):
            covered = _near(_hit(self._cells[place][hull])) | ~self._judged[place]
            open_share = np.where(covered, 0.0, share[number])
            by = np.zeros((len(there), N_CELLS**2 + 1), dtype=bool)
            by[who, self._cells[place][lone]] = True
            by = by[:, :-1] & (open_share > 0)
            repairs.append((open_share, by))
            lone_well = lone[(who == number) & self._well_seen[lone]]
            lacks.append(_hit(self._cells[place][lone_well]) & ~covered & (share[number] == 0))
        outside, cut = _blame(repairs, share.sum(axis=1))
        found.outside[there], found.cut[there] = outside, cut
        missing = np.array([lack.sum() for lack in lacks], dtype=np.float64)
        found.inside[there] = missing / np.maximum(missing + share.sum(axis=1), 1.0)
        return found

    def _carve(self, inside: NDArray[np.bool_], there: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the voxels of the hull, those that one camera alone calls empty, and which of the cameras it is."""
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * GROW_PX + 1, 2 * GROW_PX + 1))
        left: np.ndarray | None = None
        who = np.full(len(self._well_seen), -1, dtype=np.int8)
        for number, place in enumerate(there):
            grown = cv2.dilate(inside[number].astype(np.uint8), kernel).ravel()
            full = np.append(grown, np.uint8(1)).astype(bool) | self._unknown[place]
            table = self._pixels[place]
            empty = ~full[table if left is None else table[left]]
            again = empty & (who >= 0)
            who[empty] = number
            kept = ~again
            left = np.flatnonzero(kept).astype(np.int32) if left is None else left[kept]
            who = who[kept]
        is_hull = who < 0
        voxels = left if left is not None else np.zeros(0, dtype=np.int32)
        return voxels[is_hull], voxels[~is_hull], who[~is_hull]


def _blame(repairs: list[tuple[np.ndarray, np.ndarray]], area: np.ndarray) -> tuple[F64, F64]:
    """Share out what sticks out: (outside, cut), each (c,), of the mattes of `area` (c,) in cells.

    repairs: of each camera, the share (cells,) of its matte that sticks out, and by camera (c, cells) whose removal
    would cover it. The camera whose removal repairs most is blamed first, and what it explains counts for no other.
    """
    n_cameras = len(area)
    area = np.maximum(area, 1e-6)
    still = [share.copy() for share, _ in repairs]
    cut = np.zeros(n_cameras)
    for _ in range(MOST_BLAMED):
        sticks_out = np.array([share.sum() for share in still]) / area
        repaired = np.array([by @ share for share, (_, by) in zip(still, repairs, strict=True)]) / area[:, None]
        np.fill_diagonal(repaired, 0.0)
        repaired[cut > 0] = 0.0  # what is known to be wrong accuses nobody
        total = np.where(_is_accused(repaired, sticks_out) & (cut == 0), repaired.sum(axis=0), 0.0)
        worst = int(total.argmax())
        if total[worst] <= 0:
            break
        cut[worst] = total[worst] / (n_cameras - 1)
        for number, (_, by) in enumerate(repairs):
            if number != worst:
                still[number][by[worst]] = 0
    outside = np.array([share.sum() for share in still]) / area
    return outside, cut


def _is_accused(repaired: F64, sticks_out: F64) -> NDArray[np.bool_]:
    """Tell which cameras (c,) may be blamed: by two others, by most of what sticks out of one, or faulty themselves.

    repaired: (c, c), the share of the first camera's matte that the removal of the second would cover.
    """
    by_two = (repaired > BLAMED_FROM).sum(axis=0) >= 2
    by_one = ((repaired > BLAMED_BY_ONE) & (repaired >= sticks_out[:, None] / 2)).any(axis=0)
    accused: NDArray[np.bool_] = by_two | by_one | (sticks_out > FAULTY_FROM)
    return accused


def _box(rig: Rig) -> tuple[F64, F64, F64]:
    """Return the voxels' centres along x, y and z, around where the cameras look."""
    rays = [_ray(projection) for projection in rig.projections]
    starts, ways = np.array([ray[0] for ray in rays]), np.array([ray[1] for ray in rays])
    across = np.eye(3) - ways[:, :, None] * ways[:, None, :]  # (C, 3, 3), what is not along the ray
    centre = np.linalg.lstsq(across.sum(axis=0), (across @ starts[:, :, None]).sum(axis=0)[:, 0], rcond=None)[0]
    reach = []
    for projection in rig.projections:
        depth = float(projection[2, :3] @ centre + projection[2, 3])
        # the focal lengths across and down, in pixels: lowres masks of tall pictures are squeezed
        scale = min(float(np.linalg.norm(np.cross(row, projection[2, :3]))) for row in projection[:2, :3])
        reach.append(depth * LOWRES_PX / 2 / scale)
    half = BOX * float(np.median(reach))
    offsets = ((np.arange(N_VOXELS) + 0.5) / N_VOXELS * 2 - 1) * half
    return centre[0] + offsets, centre[1] + offsets, centre[2] + offsets


def _ray(projection: F64) -> tuple[F64, F64]:
    """Return where a camera stands, and the unit vector along which it sees the middle of its picture."""
    matrix = projection[:, :3]
    start = np.asarray(-np.linalg.solve(matrix, projection[:, 3]), dtype=np.float64)
    way: F64 = np.linalg.solve(matrix, np.array([LOWRES_PX / 2, LOWRES_PX / 2, 1.0]))
    return start, np.asarray(way / np.linalg.norm(way), dtype=np.float64)


def _pixels(projection: F64, axes: tuple[F64, F64, F64]) -> NDArray[np.int32]:
    """Return in which lowres pixel each voxel lies, (V,) int32, row by row; 256 * 256 where it is out of the picture.

    Sums of products of axes, not of a matrix: no library whose rounding depends on its threads.
    """
    x, y, z = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
    column, row, depth = (p[0] * x + p[1] * y + p[2] * z + p[3] for p in projection)
    in_front = depth > 1e-6
    safe = np.where(in_front, depth, 1.0)
    column, row = np.floor(column / safe), np.floor(row / safe)
    seen = in_front & (column >= 0) & (column < LOWRES_PX) & (row >= 0) & (row < LOWRES_PX)
    pixel: NDArray[np.int32] = np.where(seen, row * LOWRES_PX + column, LOWRES_PX**2).astype(np.int32).ravel()
    return pixel


def _judged(projection: F64, axes: tuple[F64, F64, F64]) -> NDArray[np.bool_]:
    """Return the cells (cells,) bool whose rays stay in the box for as long as a person is deep."""
    middle = (np.arange(N_CELLS) + 0.5) * CELL_PX
    column, row = np.meshgrid(middle, middle)
    start, _ = _ray(projection)
    ways = np.linalg.solve(projection[:, :3], np.stack([column.ravel(), row.ravel(), np.ones(N_CELLS**2)]))
    ways /= np.linalg.norm(ways, axis=0)
    centre = np.array([axis.mean() for axis in axes])
    half = (axes[0][-1] - axes[0][0]) / 2
    near = (centre - start) @ ways  # (cells,) distance at which each ray is nearest to the centre
    judged = np.ones(N_CELLS**2, dtype=bool)
    for depth in (-0.5, 0.0, 0.5):
        points = start[:, None] + ways * (near + depth * half)
        judged &= (np.abs(points - centre[:, None]) <= half).all(axis=0)
    return judged


def _hit(cells: np.ndarray) -> NDArray[np.bool_]:
    """Return which cells (cells,) hold one of these voxels."""
    hit = np.zeros(N_CELLS**2 + 1, dtype=bool)
    hit[cells] = True
    return hit[:-1]


def _near(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the cells and their eight neighbours."""
    picture = cells.reshape(N_CELLS, N_CELLS).astype(np.uint8)
    grown: NDArray[np.bool_] = cv2.dilate(picture, np.ones((3, 3), np.uint8)).ravel() > 0
    return grown


def _share_of_cells(inside: NDArray[np.bool_]) -> F64:
    """Return how much of each cell a matte covers, (c, cells) in 0..1."""
    shape = len(inside), N_CELLS, CELL_PX, N_CELLS, CELL_PX
    share: F64 = inside.reshape(shape).mean(axis=(2, 4)).reshape(len(inside), -1)
    return share
