from __future__ import annotations

from roots import list_subject, make_root

from manifests.inventory import read_books
from manifests.storage_memory import MemoryFolder
from manifests.survey import Survey, survey


def look(out: MemoryFolder) -> Survey:
    return survey(read_books(out), ["031"], ["031"])


def test_every_mask_is_one_thing() -> None:
    out = MemoryFolder()
    make_root(out)
    out.write_atomic("031/images/0000/mask_X.jpg", b"foreign")
    out.write_atomic("031/images/0000/image_A.jpg", b"not a mask")
    list_subject(out, "031", "A", range(1, 8))
    found = look(out)
    assert len(found.named) == len(found.sizes) == 8
    assert len(found.unfinished) == 6 and len(found.orphans) == 18
    assert [stat.path for stat in found.foreign] == ["031/images/0000/mask_X.jpg"]


def test_nothing_is_called_an_orphan_or_foreign_beside_damaged_books() -> None:
    out = MemoryFolder()
    make_root(out, joined=False)
    out.write_atomic("031/images/0000/mask_X.jpg", b"foreign")
    out.write_atomic(min(path for path in out.files if "/ledger/" in path), b"no")
    found = look(out)
    assert found.subjects[0].damages and not (found.unfinished or found.orphans or found.foreign)
