"""Which layout a capture is in: recognised by itself, or named by `--layout`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from manifests.errors import NotACapture, UsageError
from manifests.layouts.base import Layout, RememberedTree, folders, joined, some_files
from manifests.layouts.gha import NAME as GHA
from manifests.layouts.gha import Gha
from manifests.layouts.nersemble import V1, V2, NersembleV1, NersembleV2
from manifests.layouts.own_masks import OthersTree, written_by
from manifests.layouts.template import Template
from manifests.recipe import Recipe
from manifests.storage import Folder

AUTO = "auto"

LAYOUTS: dict[str, Callable[[], Layout]] = {V1: NersembleV1, V2: NersembleV2, GHA: Gha}
"""Layouts with a name, in the order in which they are tried."""

WORDS: dict[str, tuple[str, ...]] = {AUTO: tuple(LAYOUTS), "nersemble": (V1, V2), **{name: (name,) for name in LAYOUTS}}


def named_layout(name: str, plate: str = "") -> Layout:
    """Return the layout of a name that a manifest keeps; raises UsageError for one that is none."""
    if name in LAYOUTS:
        return LAYOUTS[name]()
    return Template(name, plate)


def check_words(asked: str, plate: str) -> None:
    """Raise UsageError for a --layout that is neither a word nor a pattern, and for a --plate without a pattern."""
    if asked in WORDS:
        if plate:
            raise UsageError(
                f"--plate {plate!r} goes with a pattern for the frames; --layout {asked} says itself where plates lie. "
                'Give both, such as --layout "{subject}/images/{camera}/{frame}.png" '
                '--plate "{subject}/plates/{camera}.png".'
            )
        return
    if not any(sign in asked for sign in "{}/."):
        raise UsageError(
            f"--layout {asked!r}: auto, gha, nersemble or a pattern is wanted, such as "
            '"{subject}/{sequence}/cam_{camera}/{frame:06d}.png".'
        )
    Template(asked, plate)


def find_layout(
    capture: Folder, asked: str = AUTO, plate: str = "", recipes: Sequence[Recipe] = ()
) -> tuple[Layout, list[str]]:
    """Return the layout of a capture and its subjects; `asked` is auto, a name or a pattern.

    `recipes` are those of masks that lie in the capture: files that they have written are not looked at.

    Raises NotACapture with what was expected and what was found, UsageError for a pattern that makes no sense.
    """
    check_words(asked, plate)
    tree = RememberedTree(capture)
    tried: list[Layout] = [LAYOUTS[name]() for name in WORDS[asked]] if asked in WORDS else [Template(asked, plate)]
    seen = ((layout, OthersTree(tree, written_by(recipes, layout.name, layout.plate))) for layout in tried)
    fitting = [(layout, subjects) for layout, others in seen if (subjects := layout.subjects(others))]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        counts = " and ".join(f"{len(subjects)} as {layout.name}" for layout, subjects in fitting)
        raise NotACapture(
            f"{capture.url} holds subjects in more than one layout: {counts}. Say which is meant, with --layout "
            f"{' or --layout '.join(layout.name for layout, _ in fitting)}."
        )
    raise NotACapture(_refusal(capture, tree, tried))


def _refusal(capture: Folder, tree: RememberedTree, tried: list[Layout]) -> str:
    children = folders(tree)
    if {"images", "background"} <= set(children) or {"sequences", "calibration"} <= set(children):
        return f"{capture.url} is one subject, not a capture: name the folder above it, and this one with --subjects."
    if len(tried) == 1:
        expected = f"Expected: {tried[0].describe()}."
        is_pattern = isinstance(tried[0], Template) and (children or some_files(tree))
        instead = tried[0].found_instead(tree) if is_pattern else _found(capture, tree)
    else:
        lines = [f"  {layout.name}: {layout.describe()}" for layout in tried]
        lines.append("  or a pattern: --layout and --plate, see --help")
        expected = "Expected one of:\n" + "\n".join(lines)
        instead = _found(capture, tree)
    return (
        f"{capture.url} is not a capture in a known layout.\n{expected}\nFound: {instead}.\n"
        "Check the path, and that the disk or bucket is mounted."
    )


def _found(capture: Folder, tree: RememberedTree) -> str:
    names = folders(tree)
    if names:
        return f"the folders {joined(names)}"
    path = capture.local_path("")
    if path is not None and not path.is_dir():
        return "a file" if path.exists() else "no such folder"
    files = some_files(tree)
    return f"files without folders: {joined(files)}" if files else "nothing"
