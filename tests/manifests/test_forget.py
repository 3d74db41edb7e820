"""Forget: nothing is left that names the subject, and nothing of any other subject or of the capture is touched."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from roots import RECIPE, all_files, decide, list_subject, make_root, masks_of, matte_pending

from manifests.decisions import Selection
from manifests.errors import NothingSelected, SchemaUnknown, UsageError
from manifests.forget import FORGOTTEN, find_traces, forget, forgotten_among, forgotten_record
from manifests.recipe import Recipe
from manifests.storage import Folder, LocalFolder, open_folder
from manifests.storage_memory import MemoryFolder
from manifests.verify import verify

WHO, OTHER, LONGER = "KAREN-7", "031", "KAREN-7b"
BY = "a person", "2026-01-02T03:04:05Z"
RECIPES = {
    "gha": RECIPE,
    "beside": replace(RECIPE, output_layout="beside"),
    "vhap": replace(RECIPE, output_layout="vhap", mask_format="png"),
    "flat": replace(RECIPE, output_layout="{camera}/{subject}_{frame:05d}.jpg"),
    "pack": replace(RECIPE, pack=True),
    "frames": replace(RECIPE, write_frames=True),
}


def full_root(out: Folder, recipe: Recipe = RECIPE, joined: bool = True) -> Folder:
    """Matte three subjects, decide about them, and put pages, failures, a log and half a run there."""
    make_root(out, (OTHER, WHO, LONGER), recipe=recipe, joined=joined)
    decide(out, Selection(subjects=(OTHER, WHO), frames="0:2"), recipe)
    decide(out, Selection(listed={WHO: (("", "A", 3),), OTHER: (("", "A", 3),)}), recipe, "retry-failed")
    matte_pending(out, joined=joined)
    decide(out, Selection(subjects=(WHO,)), replace(recipe, model="other"))
    matte_pending(out, n_shards=1)
    lines = [f"subject {WHO} shard x", f"subject {OTHER} shard y", f"read {WHO}/images/0000/image_A.jpg"]
    out.write_atomic(
        "_cleanplate/runs/run-0.log", "".join(json.dumps({"text": line}) + "\n" for line in lines).encode()
    )
    out.write_atomic(f"_cleanplate/failures/{WHO}/x.json", json.dumps({"subject": WHO}).encode())
    out.write_atomic(f"_cleanplate/manifest/{WHO}.numbering.json", b'{"spans": []}')
    out.write_atomic(f"_cleanplate/claims/_cleanplate%2Fmanifest%2F{WHO}.numbering.json/0", b"{}")
    for name in (WHO, OTHER, LONGER):
        out.write_atomic(f"_cleanplate/qc/{name}.parquet", b"measures")
        out.write_atomic(f"_cleanplate/report/{name}/page.html", b"a page")
    out.write_atomic("_cleanplate/report/index.html", f"<a>{WHO}</a><a>{OTHER}</a>".encode())
    return out


def named_in(out: Folder, who: str, but: Iterable[str] = ()) -> list[str]:
    """Return the files whose path or bytes name a subject and none of the longer names `but`."""
    found = []
    for path, data in all_files(out).items():
        text = path.encode() + b"\n" + data
        for longer in but:
            text = text.replace(longer.encode(), b"")
        if who.encode() in text:
            found.append(path)
    return found


def of_others(out: Folder) -> dict[str, bytes]:
    files = all_files(out)
    books = "_cleanplate/manifest/", "_cleanplate/ledger/", "_cleanplate/qc/", "_cleanplate/report/03"
    return {path: data for path, data in files.items() if not path.startswith("_") or path.startswith(books)}


@pytest.mark.parametrize("name", list(RECIPES))
@pytest.mark.parametrize("joined", [True, False], ids=["joined", "single"])
def test_nothing_is_left_that_names_the_subject(name: str, joined: bool) -> None:
    out = full_root(MemoryFolder(), RECIPES[name], joined)
    kept = {path: data for path, data in of_others(out).items() if WHO not in path.replace(LONGER, "")}
    traces = forget(out, WHO, *BY)
    assert named_in(out, WHO, (LONGER,)) == []
    assert of_others(out) == kept
    assert traces.files and len(traces.pages) == 3 and not traces.foreign
    found = verify(out, deep=True)
    assert not found.damages and not found.n_pending and not found.foreign and not found.orphans
    record = forgotten_record(out, WHO)
    assert record is not None and (record["state"], record["by"], record["begun"]) == ("done", *BY)


def test_no_folder_and_no_leftover_is_left_on_a_disk(tmp_path: Path) -> None:
    out = full_root(LocalFolder(tmp_path), RECIPES["frames"])
    (tmp_path / f"{WHO}/images/0000/.cleanplate-{'0' * 32}").write_bytes(b"half")
    forget(out, WHO, *BY)
    assert [str(path) for path in tmp_path.rglob("*") if WHO in str(path).replace(LONGER, "")] == []
    assert named_in(out, WHO, (LONGER,)) == []


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*")
def test_a_subject_in_an_object_store_is_forgotten(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("moto_s3")
    out = make_root(open_folder(f"{server.new_bucket()}/mattes", server.options), (OTHER, WHO), cameras="A")
    forget(out, WHO, *BY)
    assert named_in(out, WHO) == []
    assert not verify(out, deep=True).damages


def test_what_others_have_decided_still_decides() -> None:
    out = full_root(MemoryFolder())
    forget(out, WHO, *BY)
    selections = [json.loads(out.read(f"_cleanplate/decisions/{n}.json"))["selection"] for n in (1, 2, 3)]
    assert selections[0]["subjects"] == [OTHER] and list(selections[1]["listed"]) == [OTHER]
    assert selections[2]["subjects"] == []
    assert matte_pending(out) == 0


class Dying(MemoryFolder):
    """Dies, as by a kill, when it has been changed so many times."""

    def __init__(self, files: dict[str, bytes], n_changes: int) -> None:
        super().__init__(files)
        self.n_left = n_changes

    def _live(self) -> None:
        self.n_left -= 1
        if self.n_left < 0:
            raise KeyboardInterrupt

    def write_atomic(self, path: str, data: bytes) -> None:
        self._live()
        super().write_atomic(path, data)

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._live()
            super().delete([path])


def test_killed_anywhere_and_called_again_it_finishes() -> None:
    whole = full_root(MemoryFolder())
    before = all_files(whole)
    n_changes = len(before) - len(all_files(forgotten(before)))
    for n_before_death in range(0, n_changes + 12, 3):
        out = Dying(before, n_before_death)
        try:
            forget(out, WHO, *BY)
        except KeyboardInterrupt:
            out = Dying(out.files, 10**9)
            forget(out, WHO, *BY)
        record = f"{FORGOTTEN}/"
        wanted = {path: data for path, data in all_files(forgotten(before)).items() if not path.startswith(record)}
        assert {path: data for path, data in out.files.items() if not path.startswith(record)} == wanted, n_before_death


def forgotten(files: dict[str, bytes]) -> Folder:
    out = MemoryFolder(files)
    forget(out, WHO, *BY)
    return out


def test_the_capture_is_not_touched_where_it_is_the_output_root(tmp_path: Path) -> None:
    out = LocalFolder(tmp_path)
    inputs = [f"{WHO}/images/{frame:04d}/image_{camera}.jpg" for frame in range(8) for camera in "AB"]
    inputs += [f"{WHO}/background/image_{camera}.jpg" for camera in "AB"]
    for path in inputs:
        out.write_atomic(path, b"the capture's")
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path)
    make_root(out, (WHO,), capture_url=str(link))
    list_subject(out, WHO, "AB", range(8), str(link))
    forget(out, WHO, *BY)
    assert masks_of(out) == dict.fromkeys(inputs, b"the capture's")


def test_foreign_masks_stay_and_are_named() -> None:
    out = make_root(MemoryFolder(), (WHO,))
    foreign = f"{WHO}/images/0000/mask_C.jpg"
    out.write_atomic(foreign, b"the old script's")
    assert forget(out, WHO, *BY).foreign == (foreign,)
    assert masks_of(out) == {foreign: b"the old script's"}


def test_a_subject_that_left_the_capture_can_be_forgotten() -> None:
    out = make_root(MemoryFolder(), (WHO, OTHER))
    out.delete([f"_cleanplate/manifest/{WHO}.parquet", f"_cleanplate/manifest/{WHO}.plates.parquet"])
    forget(out, WHO, *BY)
    assert named_in(out, WHO) == []


def test_an_unknown_subject_is_refused_and_a_forgotten_one_is_not() -> None:
    out = make_root(MemoryFolder(), (WHO, OTHER))
    before = all_files(out)
    with pytest.raises(NothingSelected, match=OTHER):
        forget(out, "KAREN", *BY)
    assert all_files(out) == before
    forget(out, WHO, *BY)
    assert forget(out, WHO, *BY).files == ()
    assert forgotten_among(out, [OTHER, WHO]) == [WHO] and forgotten_record(out, OTHER) is None


def test_a_subject_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="output root itself"):
        forget(make_root(MemoryFolder()), "", *BY)


def test_damaged_receipts_are_mended_first() -> None:
    out = make_root(MemoryFolder(), (WHO,))
    (path,) = [stat.path for stat in out.list(f"_cleanplate/ledger/{WHO}")]
    out.write_atomic(path, b"no")
    with pytest.raises(SchemaUnknown, match="verify --repair"):
        find_traces(out, WHO)
