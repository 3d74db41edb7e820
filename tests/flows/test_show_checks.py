from __future__ import annotations

import io
import json

from roots import make_root

from flows.show import plain_console
from flows.show_checks import show_next, show_verified, verified_record
from manifests.storage_memory import MemoryFolder
from manifests.verify import repair, verify


def test_many_damages_are_cut_and_counted() -> None:
    out = MemoryFolder()
    make_root(out, frames=range(40))
    out.delete([path for path in out.files if "/mask_" in path])
    found, said = verify(out), io.StringIO()
    console = plain_console(file=said, width=200)
    show_verified(console, out, found, deep=False)
    show_next(console, out, found, None)
    assert "160" in said.getvalue() and "and 136 more" in said.getvalue() and "--repair" in said.getvalue()
    show_next(console, out, found, repair(out, found))
    assert "20 shards queued again" in said.getvalue() and "cleanplate matte memory://capture" in said.getvalue()


def test_the_record_names_every_file() -> None:
    out = make_root(MemoryFolder())
    out.write_atomic("031/images/0000/mask_X.jpg", b"foreign")
    record = json.loads(json.dumps(verified_record(out, verify(out), None)))
    assert record["foreign"] == ["031/images/0000/mask_X.jpg"] and record["n_files"] == 32
    assert record["repaired"] is None
