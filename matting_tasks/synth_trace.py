"""Rays through a synthetic person: silhouette, depth, surface direction and material at every pixel of a camera.

The rays are walked on a coarse grid whose cost does not grow with the picture; all that is found varies smoothly
and is resized to full size, where the silhouette is the zero line of a signed distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from matting_tasks.synth_body import Look, Pose, distances, transform
from matting_tasks.synth_cameras import Camera

F32 = NDArray[np.float32]
Flags = NDArray[np.bool_]

_GRID = 160
_N_ADVANCES = 8
_COARSE = 4  # one ray of the survey for so many rays of the grid
_N_STEPS = 15
_REACH_M = 0.235  # how far before and behind its middle a person may lie
_LIGHT_REACH_M = np.float32(0.028)
_LEAD_M = np.float32(0.02)  # by more than that no part is before the others
_JUMP_M = 0.055  # between neighbours of the survey: one part is before another
_SMALL_JUMP_M = 0.02  # the same between neighbours of the grid
_MARGIN_M = np.float32(0.03)  # beside the person what is found still shapes its edge
_NOTHING_M = np.float32(0.05)  # signed distance where no ray was walked


@dataclass(frozen=True, slots=True)
class Surface:
    """What a camera sees of the solid person; arrays (size, size, ...) float32."""

    coverage: F32
    """0..1, exact at the silhouette."""
    depth: F32
    """Metres; beside the person, that of the nearest point of its silhouette."""
    points: F32
    """(size, size, 3) metres, in the camera's coordinates."""
    normal: F32
    """(size, size, 3) unit vectors, in the camera's coordinates."""
    hair: F32
    """0..1, the share of hair in the surface."""
    shirt: F32
    """0..1, the share of cloth."""
    openness: F32
    """0..1, how much light reaches the place."""


@dataclass(frozen=True, slots=True)
class Person:
    """A posed person in the coordinates of one camera."""

    look: Look
    to_head: F32
    """(3, 4) from the camera's coordinates to those of the head."""
    to_torso: F32

    def parts(self, points: F32) -> tuple[F32, F32, F32]:
        """Distances of points (3, n) to skin, shirt and hair."""
        return distances(transform(self.to_head, points), transform(self.to_torso, points), self.look)

    def distance(self, points: F32) -> F32:
        """Distances of points (3, n) to whatever is nearest."""
        skin, shirt, hair = self.parts(points)
        return np.minimum(np.minimum(skin, shirt), hair)


def place(look: Look, pose: Pose, camera: Camera) -> Person:
    """Express a pose in a camera's coordinates."""
    return Person(look, _from_camera(pose.head, camera), _from_camera(pose.torso, camera))


def trace(person: Person, camera: Camera) -> Surface:
    """Find the surface of a person as one camera sees it."""
    grid = min(_GRID, camera.size_px // _COARSE * _COARSE)
    middle_m = float((np.linalg.inv(person.to_torso[:, :3]) @ ((0, -0.1, -0.03) - person.to_torso[:, 3]))[2])
    inside, edge, start, end = _survey(person, camera, grid // _COARSE, middle_m)
    rays = _grid_rays(camera, grid)
    fields = np.zeros((8, grid * grid), np.float32)
    fields[0], fields[1] = np.where(inside, -_NOTHING_M, _NOTHING_M), middle_m
    fields[1, inside] = _advance(person, rays[:, inside], start[inside])
    fields[:2, edge] = _walk(person, rays[:, edge], start[edge], end[edge])
    used = fields[0] < _MARGIN_M
    fields[2:, used] = _describe(person, rays[:, used] * fields[1, used])
    full = np.stack([_enlarge(f.reshape(grid, grid), camera.size_px) for f in fields])
    _sharpen(person, camera, full, fields[1].reshape(grid, grid))
    return _surface(camera, full)


def ray_directions(camera: Camera, columns: F32, rows: F32) -> F32:
    """Return (3, n) points at depth 1 in the camera's coordinates, behind pixels of n columns and rows."""
    focal, middle = camera.intrinsic[0, 0], camera.intrinsic[0, 2]
    return np.stack([(columns - middle) / focal, (rows - middle) / focal, np.ones_like(rows)]).astype(np.float32)


def _from_camera(matrix: NDArray[np.float64], camera: Camera) -> F32:
    """Invert: coordinates that `matrix` takes to the world -> the camera's coordinates."""
    turn = camera.extrinsic[:, :3] @ matrix[:, :3]
    shift = camera.extrinsic[:, :3] @ matrix[:, 3:] + camera.extrinsic[:, 3:]
    return np.concatenate([turn.T, -turn.T @ shift], axis=1).astype(np.float32)


def _grid_rays(camera: Camera, grid: int) -> F32:
    axis = ((np.arange(grid) + 0.5) * (camera.size_px / grid) - 0.5).astype(np.float32)
    columns, rows = np.meshgrid(axis, axis)
    return ray_directions(camera, columns.ravel(), rows.ravel())


def _survey(person: Person, camera: Camera, grid: int, middle_m: float) -> tuple[Flags, Flags, F32, F32]:
    """Walk a few rays, and say of all: surely inside, near an edge, a depth before the surface and one behind it."""
    rays = _grid_rays(camera, grid)
    reach = np.full(grid * grid, _REACH_M, np.float32)
    found = _walk(person, rays, middle_m - reach, middle_m + reach)
    signed, depth = (f.reshape(grid, grid).astype(np.float32) for f in found)
    around = np.ones((3, 3), np.uint8)
    nearest, farthest = cv2.erode(depth, around), cv2.dilate(depth, around)
    one_part = farthest - nearest < _JUMP_M
    inside = (cv2.dilate(signed, around) < -0.004) & one_part
    edge = (cv2.erode(signed, around) < _MARGIN_M) & ~inside
    start, end = nearest - np.where(inside, 0.012, 0.03), farthest + 0.03
    finer = [np.repeat(np.repeat(f, _COARSE, axis=0), _COARSE, axis=1).ravel() for f in (inside, edge, start, end)]
    return finer[0], finer[1], finer[2].astype(np.float32), finer[3].astype(np.float32)


def _advance(person: Person, rays: F32, depth: F32) -> F32:
    """Go along rays (3, n) from depths before the surface on to the surface."""
    for _ in range(_N_ADVANCES):
        depth = depth + np.clip(person.distance(rays * depth), -0.02, 0.04)
    return depth


def _walk(person: Person, rays: F32, start: F32, end: F32) -> tuple[F32, F32]:
    """Walk rays (3, n): signed distance of the closest approach, and depth of the hit or else of that approach."""
    step = (end - start) / np.float32(_N_STEPS - 1)
    along = np.stack([person.distance(rays * (start + k * step)) for k in range(_N_STEPS)])  # (steps, n)
    every = np.arange(rays.shape[1])
    lowest = np.clip(along.argmin(0), 1, _N_STEPS - 2)
    before, at, after = (along[lowest + k, every] for k in (-1, 0, 1))
    offset = np.clip(0.5 * (before - after) / np.maximum(before + after - 2 * at, 1e-6), -1, 1)
    signed = at - 0.25 * (before - after) * offset  # of the parabola through the three
    inside = along < 0
    first = np.clip(inside.argmax(0), 1, None)
    outer, inner = along[first - 1, every], along[first, every]
    hit = start + first.astype(np.float32) * step - step * np.clip(inner / np.minimum(inner - outer, -1e-6), 0, 1)
    for _ in range(2):
        hit = hit + np.clip(person.distance(rays * hit), -0.5 * step, 0.5 * step)
    return signed, np.where(inside.any(0), hit, start + (lowest + offset).astype(np.float32) * step)


def _describe(person: Person, points: F32) -> F32:
    """Describe a surface at points (3, n): (6, n) normal (3), lead of hair, lead of cloth, openness."""
    skin, shirt, hair = person.parts(points)
    here = np.minimum(np.minimum(skin, shirt), hair)
    nudges = np.float32(0.003) * np.eye(3, dtype=np.float32)[:, :, None]
    normal = np.stack([person.distance(points + nudge) - here for nudge in nudges])
    normal /= np.linalg.norm(normal, axis=0) + np.float32(1e-6)
    openness = np.clip(person.distance(points + _LIGHT_REACH_M * normal) / _LIGHT_REACH_M, 0, 1)
    leads = np.clip([np.minimum(skin, shirt) - hair, skin - shirt], -_LEAD_M, _LEAD_M)
    return np.stack([*normal, *leads, openness])


def _sharpen(person: Person, camera: Camera, full: F32, depth: F32) -> None:
    """Walk every pixel anew where one part lies before another, as a chin before the neck: full (8, size, size)."""
    around = np.ones((3, 3), np.uint8)
    nearest, farthest = (
        cv2.resize(f(depth, around), full.shape[1:], interpolation=cv2.INTER_NEAREST) for f in (cv2.erode, cv2.dilate)
    )
    pixel_m = 1 / camera.intrinsic[0, 0]
    row, column = np.nonzero((farthest - nearest > _SMALL_JUMP_M) & (full[0] < pixel_m))
    rays = ray_directions(camera, column.astype(np.float32), row.astype(np.float32))
    found = _walk(person, rays, nearest[row, column] - 0.01, farthest[row, column] + 0.01)[1]
    full[1, row, column] = found
    full[2:, row, column] = _describe(person, rays * found)


def _enlarge(field: F32, size_px: int) -> F32:
    enlarged: F32 = cv2.resize(field, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return enlarged


def _surface(camera: Camera, full: F32) -> Surface:
    signed, depth, *normals, hair, shirt, openness = full
    pixel_m = depth / np.float32(camera.intrinsic[0, 0])
    axis = np.arange(camera.size_px, dtype=np.float32)
    rays = ray_directions(camera, axis, axis)
    points = np.stack([depth * rays[0], depth * rays[1][:, None], depth], axis=-1)
    normal = np.stack(normals, axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + np.float32(1e-6)
    return Surface(
        coverage=np.clip(0.5 - signed / pixel_m, 0, 1),
        depth=depth,
        points=points,
        normal=normal,
        hair=np.clip(0.5 + hair / np.float32(0.005), 0, 1),
        shirt=np.clip(0.5 + shirt / (1.5 * pixel_m), 0, 1),
        openness=np.clip(openness, 0, 1),
    )
