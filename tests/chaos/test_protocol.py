"""The protocol against a plain model: runs, kills, decisions, changes and repairs in any order; then all is right.

The model knows one thing: of each frame, the recipe that the last decision gave it and the picture that it has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from chaos.memory_runs import Killed, MortalFolder, list_captures, mask_bytes, run
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from flows.settings import MatteSettings
from manifests.decisions import Selection, read_decisions
from manifests.errors import RecipeDiffers
from manifests.forget import forget
from manifests.garbage import collect_garbage
from manifests.inventory import read_books, read_subject
from manifests.ledger import compact
from manifests.packs import packs_folder
from manifests.recipe import Recipe
from manifests.root import read_root
from manifests.storage_memory import MemoryFolder
from manifests.unpacking import Unpacking, unpack_subject
from manifests.verify import repair, verify

SUBJECTS, CAMERAS, N_FRAMES = ("031", "032"), ("A", "B"), 4
LATER = 10**30
OURS = "_cleanplate/"
RECIPES = (
    {"quality": 95, "format": "jpg", "pack": False},
    {"quality": 80, "format": "jpg", "pack": False},
    {"quality": 95, "format": "png", "pack": False},
    {"quality": 95, "format": "jpg", "pack": True},
    {"quality": 80, "format": "jpg", "pack": True},
)
SUFFIXES = ("jpg", "jpg", "png", "jpg", "jpg")

some_recipe = st.integers(0, len(RECIPES) - 1)
some_subjects = st.sampled_from([None, ("031",), ("032",)])
some_frame = st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(CAMERAS), st.integers(0, N_FRAMES - 1))
some_steps = st.none() | st.integers(0, 60)


@dataclass(frozen=True)
class Decided:
    """The model of a decision: these subjects, or all, by the recipe of this number."""

    subjects: tuple[str, ...] | None
    recipe: int

    def without(self, subject: str) -> Decided:
        """Return what is left of it when a subject is forgotten: the subject comes back under what held before."""
        if self.subjects is None:
            return self
        return Decided(tuple(one for one in self.subjects if one != subject), self.recipe)


class Protocol(RuleBasedStateMachine):
    """An output root, the capture, and what ought to come of them."""

    @initialize(first=some_recipe)
    def begin(self, first: int) -> None:
        self.capture, self.shared = MemoryFolder(), MemoryFolder()
        self.sizes: dict[str, int] = {}
        self.bad: set[str] = set()
        self.forgotten: set[str] = set()
        self.decided: list[Decided] = []
        for subject in SUBJECTS:
            for camera in CAMERAS:
                self.put(f"{subject}/background/image_{camera}.jpg")
                for frame in range(N_FRAMES):
                    self.put(picture(subject, camera, frame))
        self.run(None, first)

    def put(self, path: str) -> None:
        self.sizes[path] = self.sizes.get(path, 0) + 1
        self.capture.write_atomic(path, bytes(self.sizes[path]))

    @rule(subjects=some_subjects, steps=some_steps)
    def run_again(self, subjects: tuple[str, ...] | None, steps: int | None) -> None:
        self.run(subjects, self.standing(subjects), steps)

    @rule(subjects=some_subjects, asked=some_recipe, steps=some_steps)
    def replace(self, subjects: tuple[str, ...] | None, asked: int, steps: int | None) -> None:
        self.run(subjects, asked, steps, replace=True)

    @rule(asked=some_recipe)
    def run_another_recipe(self, asked: int) -> None:
        if self.decided and asked != self.standing(None):
            before = dict(self.shared.files)
            with pytest.raises(RecipeDiffers):
                run(MortalFolder(self.shared), self.settings(None, asked))
            assert self.shared.files == before

    @rule(subjects=some_subjects, steps=some_steps)
    def retry_failed(self, subjects: tuple[str, ...] | None, steps: int | None) -> None:
        self.run(subjects, self.standing(subjects), steps, retry_failed=True)

    @rule(subjects=some_subjects, at=st.integers(0, 10), steps=some_steps, other_steps=some_steps)
    def two_runs_at_once(
        self, subjects: tuple[str, ...] | None, at: int, steps: int | None, other_steps: int | None
    ) -> None:
        asked = self.standing(subjects)
        self.run(subjects, asked, steps, hook=lambda: self.run(subjects, asked, other_steps), hook_at=at)

    @rule(asked=some_recipe, at=st.integers(0, 10), other_steps=some_steps)
    def replace_under_a_run(self, asked: int, at: int, other_steps: int | None) -> None:
        mine = self.standing(None)
        self.run(None, mine, hook=lambda: self.run(None, asked, other_steps, replace=True), hook_at=at)

    @rule(where=some_frame)
    def change_picture(self, where: tuple[str, str, int]) -> None:
        self.put(picture(*where))

    @rule(where=some_frame)
    def change_plate(self, where: tuple[str, str, int]) -> None:
        self.put(f"{where[0]}/background/image_{where[1]}.jpg")

    @rule(where=some_frame)
    def spoil(self, where: tuple[str, str, int]) -> None:
        self.bad ^= {picture(*where)}

    @rule(where=some_frame, harm=st.sampled_from(["delete", "cut"]))
    def damage(self, where: tuple[str, str, int], harm: str) -> None:
        names = mask(*where, ""), f"{packs_folder(where[0])}/_{where[1]}_"
        path = next((path for name in names for path in self.shared.files if path.startswith(name)), None)
        if path is not None:
            data = self.shared.files.pop(path)
            if harm == "cut":
                self.shared.files[path] = data[:-1]
            repair(self.shared, verify(self.shared))

    @rule(subject=st.sampled_from(SUBJECTS), steps=some_steps)
    def compact(self, subject: str, steps: int | None) -> None:
        books = read_books(self.shared)
        if subject in books.subjects:
            planned = list(read_subject(books, subject).planned.values())
            self.mortal(steps, lambda out: compact(out, subject, planned))

    @rule(steps=some_steps)
    def collect_garbage(self, steps: int | None) -> None:
        self.mortal(steps, lambda out: collect_garbage(out, LATER, delete=True))

    @rule(subject=st.sampled_from(SUBJECTS), steps=some_steps)
    def forget(self, subject: str, steps: int | None) -> None:
        if subject in self.forgotten:
            self.forgotten.remove(subject)
            return
        self.mortal(steps, lambda out: forget(out, subject, "me", "today"))
        forget(self.shared, subject, "me", "today")
        self.forgotten.add(subject)
        self.decided = [one.without(subject) for one in self.decided]
        assert not [path for path in self.shared.files if subject in path.split("/")]

    @invariant()
    def what_is_committed_is_true(self) -> None:
        found = verify(self.shared, deep=True)
        assert found.damages == () and found.foreign == ()

    def teardown(self) -> None:
        """Mend all, run all once more, and compare every file with the model."""
        if not hasattr(self, "shared"):
            return
        self.bad.clear()
        self.forgotten.clear()
        self.run(None, self.standing(None))
        self.run(None, self.standing(None), retry_failed=True)
        found = verify(self.shared, deep=True)
        assert found.damages == () and found.n_pending_frames == 0 and found.n_frames == len(SUBJECTS) * 2 * N_FRAMES
        collect_garbage(self.shared, LATER, delete=True)
        wanted, unpacked = self.wanted(), self.unpacked()
        assert unpacked == wanted
        assert all(wanted[path] == data for path, data in self.shared.files.items() if not path.startswith(OURS))
        before = dict(self.shared.files)
        self.run(None, self.standing(None))
        assert self.shared.files == before

    def unpacked(self) -> dict[str, bytes]:
        """Return the masks that are there, wherever they lie, by where they lie as files."""
        target = MemoryFolder()
        for subject in SUBJECTS:
            found = unpack_subject(Unpacking(read_books(self.shared), target, None, Selection()), subject)
            assert (found.n_written, found.damaged, found.stale) == (4 * N_FRAMES, (), ())
        return target.files

    def wanted(self) -> dict[str, bytes]:
        """Return the masks that the model wants."""
        found = {}
        for subject in SUBJECTS:
            number = next(d.recipe for d in reversed(self.decided) if d.subjects is None or subject in d.subjects)
            recipe = self.recipes()[number]
            for camera in CAMERAS:
                plate = self.sizes[f"{subject}/background/image_{camera}.jpg"]
                for frame in range(N_FRAMES):
                    for lowres in ("", "lowres_"):
                        path = f"{mask(subject, camera, frame, lowres)}.{SUFFIXES[number]}"
                        found[path] = mask_bytes(path, recipe, self.sizes[picture(subject, camera, frame)], plate)
        return found

    def recipes(self) -> dict[int, Recipe]:
        """Return the recipes that were decided, by their numbers in the model."""
        root = read_root(self.shared)
        assert root is not None
        known = [
            decision for decision in read_decisions(self.shared, root.decision) if decision.reason != "retry-failed"
        ]
        return {mine.recipe: theirs.recipe for mine, theirs in zip(self.decided, known, strict=True)}

    def standing(self, subjects: tuple[str, ...] | None) -> int:
        """Return the recipe that a run over subjects must have."""
        covers = (d for d in reversed(self.decided) if d.subjects is None or d.subjects == subjects)
        return next(covers).recipe

    def settings(self, subjects: tuple[str, ...] | None, asked: int, **more: bool) -> MatteSettings:
        named = {} if subjects is None else {"subjects": list(subjects)}
        known = {"model": "plate-difference", "executor": "local", "device": "cpu"}
        return MatteSettings(check="off", qc=False, **known, **named, **RECIPES[asked], **more)  # type: ignore[arg-type]

    def run(
        self,
        subjects: tuple[str, ...] | None,
        asked: int,
        steps: int | None = None,
        hook: Callable[[], object] | None = None,
        hook_at: int = 0,
        **more: bool,
    ) -> None:
        """Run the main job, which may die, and note what it decided."""
        listed = [subject for subject in subjects or SUBJECTS if subject not in self.forgotten]
        if not listed:
            return
        out = MortalFolder(self.shared, steps)
        with contextlib.suppress(Killed):
            list_captures(self.capture, out, listed)
            run(out, self.settings(subjects, asked, **more), self.bad, hook, hook_at)
        if self.n_decided() > len(self.decided):
            self.decided.append(Decided(None if not self.decided else subjects, asked))

    def n_decided(self) -> int:
        """Count the decisions that give frames another recipe; the root's is one."""
        root = read_root(self.shared)
        if root is None:
            return 0
        return sum(decision.reason != "retry-failed" for decision in read_decisions(self.shared, root.decision))

    def mortal(self, steps: int | None, work: Callable[[MortalFolder], object]) -> None:
        """Do something that may die."""
        with contextlib.suppress(Killed):
            work(MortalFolder(self.shared, steps))


def picture(subject: str, camera: str, frame: int) -> str:
    return f"{subject}/images/{frame:04d}/image_{camera}.jpg"


def mask(subject: str, camera: str, frame: int, lowres: str) -> str:
    return f"{subject}/images/{frame:04d}/mask_{lowres}{camera}"


class TestProtocol(Protocol.TestCase):  # type: ignore[misc, name-defined]
    settings = hypothesis_settings(max_examples=12, stateful_step_count=12, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
class TestProtocolAtLength(Protocol.TestCase):  # type: ignore[misc, name-defined]
    settings = hypothesis_settings(max_examples=400, stateful_step_count=25)
