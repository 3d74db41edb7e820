"""How a capture is listed: its layout, its fingerprints and its numbers, as the output root has them if it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flows.settings import EnumerateSettings
from manifests.decisions import read_decisions
from manifests.errors import CaptureDiffers, NotACapture, SchemaNewer, SchemaUnknown, UsageError
from manifests.inventory import is_same_folder
from manifests.layouts import gha
from manifests.layouts.base import Layout
from manifests.layouts.detect import AUTO, WORDS, find_layout
from manifests.manifest import Manifest, listed_subjects, read_manifest
from manifests.numbering import GHA, SOURCE
from manifests.recipe import Recipe
from manifests.root import Root, read_root
from manifests.storage import Folder


@dataclass(frozen=True, slots=True)
class Listing:
    """How a capture is listed; `numbering` is source | gha.

    `listed` are the subjects of the last manifest. `anew`: it was made in another way, and nothing was matted.
    `recipes` are those of masks that lie in the capture, where it is the output root as well.
    """

    layout: Layout
    fingerprint_rule: str
    numbering: str
    listed: tuple[str, ...] = ()
    replace_capture: bool = False
    anew: bool = False
    recipes: tuple[Recipe, ...] = ()


def resolve_listing(
    capture: Folder, out: Folder, settings: EnumerateSettings, replace_capture: bool = False
) -> tuple[Listing, list[str]]:
    """Return how a capture is to be listed, and its subjects: as the last manifest was, or as the settings say.

    Raises NotACapture, UsageError, and CaptureDiffers where masks were made of another layout or numbering.
    """
    listed, root = listed_subjects(out), read_root(out)
    old = any_manifest(out, listed)
    recipes = _recipes_inside(capture, out, root)
    layout, subjects = _find(capture, out, settings, _Before(old, root, recipes))
    numbering = _numbering(out, settings.geometry, layout, old, root)
    rule = pinned_rule(out, settings.fingerprint)
    anew = old is not None and (layout.name, numbering) != (old.layout, old.numbering)
    return Listing(layout, rule, numbering, tuple(listed), replace_capture, anew, recipes), subjects


def pinned_rule(out: Folder, asked: str | None) -> str:
    """Return the fingerprint rule of an output root: the one it is pinned to, else the one asked for, else stat."""
    root = read_root(out)
    if root is None:
        return asked or "stat"
    if asked not in (None, root.fingerprint_rule):
        raise CaptureDiffers(
            f"{out.url} is pinned to --fingerprint {root.fingerprint_rule} by its first run; {asked} would make every "
            "frame a changed one. Leave the option out, or name another --out."
        )
    return root.fingerprint_rule


def any_manifest(out: Folder, subjects: Sequence[str]) -> Manifest | None:
    """Return the manifest of the first subject that has one which can be read."""
    return next((manifest for subject in subjects if (manifest := old_manifest(out, subject)) is not None), None)


def old_manifest(out: Folder, subject: str) -> Manifest | None:
    """Return the last manifest; one of an unknown older schema is made anew, it holds nothing of its own."""
    try:
        return read_manifest(out, subject)
    except SchemaNewer:
        raise
    except SchemaUnknown:
        return None


@dataclass(frozen=True, slots=True)
class _Before:
    """What an output root has: any manifest, its root record, and the recipes of masks in the capture itself."""

    manifest: Manifest | None
    root: Root | None
    recipes: tuple[Recipe, ...]


def _recipes_inside(capture: Folder, out: Folder, root: Root | None) -> tuple[Recipe, ...]:
    if root is None or not is_same_folder(out, capture.url):
        return ()
    return tuple(decision.recipe for decision in read_decisions(out, root.decision))


def _find(capture: Folder, out: Folder, settings: EnumerateSettings, before: _Before) -> tuple[Layout, list[str]]:
    asked, plate, old, root = settings.layout, settings.plate or "", before.manifest, before.root
    if old is None:
        return find_layout(capture, asked, plate, before.recipes)
    if asked == AUTO or old.layout in WORDS.get(asked, (asked,)):
        try:
            return find_layout(capture, old.layout, plate or old.plate_pattern, before.recipes)
        except NotACapture:
            if root is not None:
                raise
    elif root is not None:
        raise CaptureDiffers(
            f"{out.url} was matted from {old.capture_url} in the layout {old.layout}, and --layout {asked} would give "
            "its frames other names. Leave the option out, or name another --out."
        )
    return find_layout(capture, asked, plate, before.recipes)


def _numbering(out: Folder, geometry: str | None, layout: Layout, old: Manifest | None, root: Root | None) -> str:
    """Return source or gha, as the geometry that is asked for wants it, or as the frames are numbered already."""
    if geometry == "gha" and layout.name == gha.NAME:
        raise UsageError(
            "--geometry gha makes a dataset in the gha layout from raw pictures or videos, and this capture is one "
            "already: its pictures are cropped and numbered. Leave the option out, or say --geometry native."
        )
    asked = None if geometry is None else GHA if geometry == "gha" else SOURCE
    if root is None:
        return asked or (old.numbering if old is not None and old.layout == layout.name else SOURCE)
    before = old.numbering if old is not None else GHA if root.recipe.geometry == "gha" else SOURCE
    if asked not in (None, before):
        raise CaptureDiffers(
            f"The frames under {out.url} are numbered {_SAID[before]}, and --geometry {geometry} numbers them "
            f"{_SAID[GHA if asked == GHA else SOURCE]}: the masks there would get other names. Leave the option out, "
            "or name another --out."
        )
    return before


_SAID = {
    SOURCE: "as in the capture (--geometry native or half)",
    GHA: "by every third frame over all sequences (--geometry gha)",
}
