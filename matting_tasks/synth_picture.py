"""Pictures of a synthetic subject by one camera: its plate, its frames, and their true alpha."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matting_tasks import synth_hair
from matting_tasks.synth_body import Look, make_look, pose_at
from matting_tasks.synth_cameras import make_camera, visible_mask
from matting_tasks.synth_hair import Hair
from matting_tasks.synth_plate import render_scene
from matting_tasks.synth_skin import shade
from matting_tasks.synth_trace import place, trace

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

_READ_NOISE = 0.006  # standard deviations, of a range of 0..1
_SHOT_NOISE = 0.009


@dataclass(frozen=True, slots=True)
class Subject:
    """One synthetic person."""

    name: str
    look: Look
    hair: Hair


@dataclass(frozen=True, slots=True)
class Cutout:
    """A person without surroundings: `colour` (size, size, 3) RGB times alpha, `alpha` (size, size); float32 0..1."""

    colour: F32
    alpha: F32

    def over(self, scene: F32) -> F32:
        """Put the person before a scene of the same size."""
        return self.colour + (1 - self.alpha[..., None]) * scene


def make_subject(number: int, seed: int) -> Subject:
    """Make the subject of that number, counted from 0, whatever others are made."""
    name = f"{31 + number:03d}"
    rng = stream(seed, name, "look")
    look = make_look(number, rng)
    return Subject(name, look, synth_hair.grow(look, rng))


def stream(seed: int, *names: str) -> np.random.Generator:
    """Open the random numbers that belong to these names alone."""
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])


def make_scene(seed: int, subject: Subject, serial: str, size_px: int) -> F32:
    """Render the set behind a subject as a camera sees it, without noise: (size, size, 3) RGB 0..1."""
    return render_scene(size_px, stream(seed, subject.name, serial, "scene"))


def make_cutout(subject: Subject, serial: str, frame: int, size_px: int) -> Cutout:
    """Render a subject at a frame as a camera sees it, with nothing in the pads."""
    camera = make_camera(serial, size_px)
    pose = pose_at(subject.look, frame)
    person = place(subject.look, pose, camera)
    surface = trace(person, camera)
    hair = synth_hair.draw(subject.hair, subject.look, pose, camera, surface)
    body = np.concatenate([shade(surface, person, camera), np.ones((size_px, size_px, 1), np.float32)], axis=-1)
    whole = hair.behind
    for layer in (body * surface.coverage[..., None], hair.before):
        whole = layer + (1 - layer[..., 3:]) * whole
    whole *= (visible_mask(size_px) > 0)[..., None]
    return Cutout(whole[..., :3], whole[..., 3])


def expose(scene: F32, noise: np.random.Generator) -> U8:
    """Take a picture of what a camera sees, (size, size, 3) RGB 0..1, with sensor noise and black pads, as uint8."""
    grain = noise.standard_normal(scene.shape, dtype=np.float32)
    grain *= np.float32(_READ_NOISE) + np.float32(_SHOT_NOISE) * np.sqrt(np.clip(scene, 0, 1))
    grain += scene
    grain *= (visible_mask(len(scene)) > 0)[..., None]
    return to_uint8(grain)


def to_uint8(values: F32) -> U8:
    """Round 0..1 to 0..255."""
    return np.asarray(np.rint(np.clip(values, 0, 1) * np.float32(255)), np.uint8)
