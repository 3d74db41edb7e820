"""root.json: what an output root was made with, written once, by whoever comes first."""

from __future__ import annotations

import json
from dataclasses import dataclass

from manifests.decisions import Decision, Selection
from manifests.errors import SchemaNewer, SchemaUnknown
from manifests.recipe import Recipe
from manifests.sharding import GRID
from manifests.storage import Folder

ROOT = "_cleanplate/root.json"
ROOT_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Root:
    """Decision 0's recipe with every `auto` resolved, the grid, the capture and the fingerprint rule."""

    recipe: Recipe
    capture_url: str
    fingerprint_rule: str
    grid: int = GRID

    @property
    def decision(self) -> Decision:
        """Return decision 0, which covers everything."""
        return Decision(0, Selection(), self.recipe, "root")


def read_root(out: Folder) -> Root | None:
    """Return the root record, or None where cleanplate has not worked yet; raises SchemaUnknown."""
    try:
        data = out.read(ROOT)
    except FileNotFoundError:
        return None
    try:
        record = json.loads(data)
        if record["schema"] > ROOT_SCHEMA:
            raise SchemaNewer(
                f"{out.url}/{ROOT} has schema {record['schema']}, this cleanplate reads up to {ROOT_SCHEMA}: update it."
            )
        recipe = Recipe.from_record(record["recipe"])
        return Root(recipe, record["capture"], record["fingerprint_rule"], record["grid"])
    except SchemaNewer:
        raise
    except SchemaUnknown as err:
        raise SchemaUnknown(f"{out.url}/{ROOT}: {err}") from err
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise SchemaUnknown(
            f"{out.url}/{ROOT} cannot be read ({err!r}): it is damaged or was not written by cleanplate. "
            "Restore it from a copy, or use another output root."
        ) from err


def claim_root(out: Folder, root: Root) -> Root:
    """Write the root record unless there is one; return the one that stands, which may be another run's."""
    record = {
        "schema": ROOT_SCHEMA,
        "recipe": json.loads(root.recipe.to_json()),
        "capture": root.capture_url,
        "fingerprint_rule": root.fingerprint_rule,
        "grid": root.grid,
    }
    out.put_if_absent(ROOT, json.dumps(record, indent=1, sort_keys=True).encode())
    return read_root(out) or root
