"""Guards: what is looked at before any device time is spent."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from flows.books import Books
from manifests.decisions import Selection
from manifests.errors import ForeignMasks, NoRoom, NothingSelected, UsageError
from manifests.layouts import gha
from manifests.manifest import Manifest
from manifests.plan import frames_of
from manifests.runs import announced_frames
from manifests.storage import Folder, unwritable


def check_foreign(books: Books, subjects: Sequence[str]) -> None:
    """Refuse to write over masks that no run of cleanplate announced; `--replace` accepts them."""
    if books.settings.replace:
        return
    n_foreign, first = 0, ""
    for subject in subjects:
        foreign = _foreign_masks(books, subject)
        n_foreign, first = n_foreign + len(foreign), first or (foreign[0] if foreign else "")
    if n_foreign:
        raise ForeignMasks(
            f"{n_foreign} masks lie already where this run would write, made by something else than cleanplate "
            f"(the first: {books.out.url}/{first}). To write over them add --replace; to keep them name another --out."
        )


def check_apart(capture: Folder, out: Folder) -> None:
    """Raise UsageError for an output root inside the capture: it may be the capture itself, or lie elsewhere."""
    if out.url.rstrip("/").startswith(f"{capture.url.rstrip('/')}/"):
        raise UsageError(
            f"--out {out.url} lies inside the capture {capture.url}. Name the capture itself to have the masks beside "
            "the frames, or a folder elsewhere."
        )


def check_names(selection: Selection, subjects: Sequence[str], manifests: Iterable[Manifest | None]) -> None:
    """Raise NothingSelected for a name that matches nothing, though others do; manifests are read only if need be."""
    known: dict[str, set[str]] = {"subjects": set(subjects), "sequences": set(), "cameras": set()}
    wants_more = selection.sequences is not None or selection.cameras is not None
    for manifest in manifests if wants_more else ():
        if manifest is None:
            continue
        known["sequences"].update(manifest.frames.sequence)
        known["cameras"].update(manifest.frames.camera, manifest.plates)
    for word, names in known.items():
        unknown = [name for name in getattr(selection, word) or () if name not in names]
        if unknown:
            listed = ", ".join(sorted(names)[:16]) or "none"
            raise NothingSelected(f"--{word} {','.join(unknown)}: there is none of that name. There is: {listed}.")


def _foreign_masks(books: Books, subject: str) -> list[str]:
    """Return the masks that lie where pending shards of a subject would write, and that no run announced."""
    plan = books.plan(subject)
    if plan is None:
        return []
    ours = announced_frames(books.out, subject)
    wanted = {
        path
        for _, sequence, camera, frame in frames_of(plan, plan.pending)
        if (sequence, camera, frame) not in ours
        for path in (gha.mask_path(subject, frame, camera), gha.lowres_path(subject, frame, camera))
    }
    return sorted(stat.path for stat in books.out.list(subject) if stat.path in wanted) if wanted else []


def check_room(out: Folder, n_bytes: int) -> None:
    """Raise StoreFault for a root that cannot be written and NoRoom for one with too little room, before any work."""
    probe = f"_cleanplate/writable-{uuid.uuid4().hex}"
    try:
        out.write_atomic(probe, b"")
        out.delete([probe])
    except OSError as err:
        raise unwritable(out, err) from err
    free = out.free_bytes()
    if free is not None and free < n_bytes:
        raise NoRoom(
            f"{out.url} has {free / 1e9:.1f} GB left and this run needs about {n_bytes / 1e9:.1f} GB. "
            "Make room, name another --out, or matte fewer --subjects at once."
        )
