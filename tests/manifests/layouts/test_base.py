from __future__ import annotations

from manifests.layouts.base import RememberedTree, folders, folders_with, joined, some_files
from manifests.storage_memory import MemoryFolder

FILES = {f"{folder}/a.txt": b"" for folder in ("031/images", "036/images", "notes", "_cleanplate/manifest", ".git/x")}


class Counting(MemoryFolder):
    n_looks = 0

    def children(self, prefix: str = "") -> tuple[str, ...]:
        self.n_looks += 1
        return super().children(prefix)


def test_a_remembered_tree_looks_into_each_folder_once() -> None:
    capture = Counting(FILES)
    tree = RememberedTree(capture)
    for _ in range(3):
        assert tree.children() == MemoryFolder(FILES).children()
        assert tree.children("031") == ("images",)
    assert capture.n_looks == 2
    assert [stat.path for stat in tree.list("notes")] == ["notes/a.txt"]


def test_our_own_and_hidden_folders_are_no_part_of_a_capture() -> None:
    assert folders(MemoryFolder(FILES)) == ["031", "036", "notes"]
    assert some_files(MemoryFolder(FILES)) == [".git/x/a.txt", "031/images/a.txt", "036/images/a.txt", "notes/a.txt"]


def test_folders_are_chosen_by_what_is_below_them() -> None:
    capture = MemoryFolder(FILES)
    assert folders_with(capture, ["notes", "036", "031"], lambda below: "images" in below) == ["036", "031"]


def test_long_lists_of_names_are_cut() -> None:
    assert joined("abc") == "a, b, c"
    assert joined("abcdefg") == "a, b, c, d, e, ..."
