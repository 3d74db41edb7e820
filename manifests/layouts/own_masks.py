"""Own masks: what lies in a capture because masks were written into it, and is none of its frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from manifests.errors import UsageError
from manifests.layouts import gha, nersemble
from manifests.layouts.base import Tree
from manifests.layouts.outputs import mask_regex
from manifests.recipe import Recipe
from manifests.records import FileStat

_FRAME_FILES = re.compile(
    r"(?:[^/]+/)?(?:images/\d+/(?:image|visible)_[^/]+\.jpg|cameras/\d+/camera_[^/]+\.npz|background/image_[^/]+\.jpg)"
)
_NAMED = {
    gha.NAME: ("s/images/0007/image_c", "s/images/0007/visible_c", "s/background/image_c"),
    nersemble.V2: ("s/sequences/BACKGROUND/image_c",),
    nersemble.V1: ("sequence_BACKGROUND_part-1/s/BACKGROUND/image_c",),
}
"""What the pictures of a layout with a name are called, without their endings."""


class OthersTree:
    """A capture as layouts see it, without the files whose paths match any of `ours`."""

    def __init__(self, capture: Tree, ours: Sequence[re.Pattern[str]]) -> None:
        """Look at a capture."""
        self.url = capture.url
        self._capture = capture
        self._ours = ours

    def list(self, prefix: str = "") -> Iterator[FileStat]:
        """Yield the files of others below the folder `prefix`."""
        for stat in self._capture.list(prefix):
            if not any(path.fullmatch(stat.path) for path in self._ours):
                yield stat

    def children(self, prefix: str = "") -> tuple[str, ...]:
        """Return the sorted names of the folders directly below the folder `prefix`."""
        return self._capture.children(prefix)


def written_by(recipes: Iterable[Recipe], layout: str, plate: str = "") -> tuple[re.Pattern[str], ...]:
    """Return what the paths match that recipes write into a capture of this layout (a name or a pattern).

    A recipe whose paths all frames of the capture match as well is passed over: nothing tells them apart then.
    """
    found = {path for recipe in recipes for path in _shapes(recipe) if not _matched(path, layout, plate)}
    return tuple(sorted(found, key=lambda path: path.pattern))


def check_apart_from_sources(recipe: Recipe, layout: str, plate: str = "") -> None:
    """Raise UsageError where a recipe, writing into the capture itself, writes where its frames or plates lie.

    `layout` and `plate` are those of the manifest: names or patterns.
    """
    source = next((found for path in _shapes(recipe) if (found := _matched(path, layout, plate))), None)
    if source is not None:
        raise UsageError(
            f"--output-layout {recipe.output_layout}: masks would lie where pictures of the capture lie, such as "
            f"{source}, and could be written over them. Give them a folder or a name of their own, as in "
            "{subject}/masks/{camera}/{frame:06d}.png, or name another --out."
        )


def _shapes(recipe: Recipe) -> list[re.Pattern[str]]:
    return [mask_regex(recipe.output_layout), *([_FRAME_FILES] if recipe.write_frames else [])]


def _matched(path: re.Pattern[str], layout: str, plate: str) -> str | None:
    """Return a picture of a layout, with names that say nothing, that matches a path of masks."""
    return next((example for example in _examples(layout, plate) if path.fullmatch(example)), None)


def _examples(layout: str, plate: str) -> list[str]:
    if layout in _NAMED:
        return [f"{stem}.{ending}" for stem in _NAMED[layout] for ending in ("jpg", "jpeg", "png")]
    return [_filled(pattern) for pattern in (layout, plate) if pattern]


def _filled(pattern: str) -> str:
    """Fill in a pattern with names that no other pattern has as its own words."""
    return re.sub(r"\{frame[^}]*\}", "0000000007", re.sub(r"\{(subject|sequence|camera)\}", r"any_\1", pattern))
