from __future__ import annotations

import json
from pathlib import Path

from benchmarks.recipes import choose_recipe, recipe_by_hand, write_recipe

from manifests.recipe import Recipe


def test_the_products_own_recipe_is_taken_where_its_command_line_runs() -> None:
    recipe = choose_recipe("plate-difference", None, (64, 64), "cpu", "fp32", 2)
    assert recipe.model == "plate-difference"
    assert recipe.numerics.device_class == "cpu"
    assert (recipe.numerics.precision, recipe.numerics.batch) == ("fp32", 2)


def test_a_recipe_by_hand_has_the_models_own_parameters(tmp_path: Path) -> None:
    recipe = recipe_by_hand("mattingrefine-resnet50", "cpu", "bf16", 3, 2)
    assert dict(recipe.parameters)["refine_sample_pixels"] == 80_000
    assert recipe.uses_plate
    assert recipe.numerics.precision == "bf16"
    written = write_recipe(recipe, tmp_path / "recipe.json")
    assert Recipe.from_record(json.loads(written.read_text())) == recipe
