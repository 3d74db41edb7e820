"""Guards: what is looked at before any device time is spent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from flows.books import Books
from manifests.errors import ForeignMasks, NoRoom, StoreFault
from manifests.plan import mask_paths_of
from manifests.runs import started_subjects
from manifests.storage import Folder


def check_foreign(books: Books, subjects: Sequence[str]) -> None:
    """Refuse to write over masks that no run of cleanplate announced; `--replace` accepts them."""
    if books.settings.replace:
        return
    ours = started_subjects(books.out)
    n_foreign, first = 0, ""
    for subject in subjects:
        plan = None if subject in ours else books.plan(subject)
        if plan is None or plan.ledger.failed:
            continue
        wanted = set(mask_paths_of(plan, plan.pending))
        foreign = sorted(stat.path for stat in books.out.list(subject) if stat.path in wanted)
        n_foreign, first = n_foreign + len(foreign), first or (foreign[0] if foreign else "")
    if n_foreign:
        raise ForeignMasks(
            f"{n_foreign} masks lie already where this run would write, made by something else than cleanplate "
            f"(the first: {books.out.url}/{first}). To write over them add --replace; to keep them name another --out."
        )


def check_room(out: Folder, n_bytes: int) -> None:
    """Raise StoreFault for a root that cannot be written and NoRoom for one with too little room, before any work."""
    probe = f"_cleanplate/writable-{uuid.uuid4().hex}"
    try:
        out.write_atomic(probe, b"")
        out.delete([probe])
    except OSError as err:
        raise StoreFault(
            f"{out.url} cannot be written ({err}). Check that it exists, its permissions and credentials."
        ) from err
    free = out.free_bytes()
    if free is not None and free < n_bytes:
        raise NoRoom(
            f"{out.url} has {free / 1e9:.1f} GB left and this run needs about {n_bytes / 1e9:.1f} GB. "
            "Make room, name another --out, or matte fewer --subjects at once."
        )
