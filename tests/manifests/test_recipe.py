"""Recipe: one id for one way to make masks."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import SchemaUnknown
from manifests.recipe import Numerics, Recipe

VALUES = st.one_of(st.integers(-(10**6), 10**6), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8))
NAMES = st.text("abcdefgh_", min_size=1, max_size=8)
RECIPES = st.builds(
    Recipe,
    model=st.text(min_size=1, max_size=8),
    uses_plate=st.booleans(),
    temporal=st.booleans(),
    weights_sha256=st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
    parameters=st.dictionaries(NAMES, VALUES, max_size=4).map(lambda found: tuple(sorted(found.items()))),
    missing_plate=st.sampled_from(["fail", "skip"]),
    numerics=st.builds(
        Numerics,
        st.sampled_from(["cpu", "cuda:H200"]),
        st.sampled_from(["fp32", "fp16"]),
        st.integers(1, 64),
        st.just(2),
    ),
    split=st.none() | st.integers(1, 1000),
)


@given(RECIPES)
def test_recipe_is_the_same_when_it_went_through_json(recipe: Recipe) -> None:
    again = Recipe.from_record(json.loads(recipe.to_json()))
    assert again == recipe
    assert again.to_json() == recipe.to_json()
    assert again.differences(recipe) == []


@pytest.mark.parametrize(
    "change",
    [
        {"model": "rvm"},
        {"uses_plate": False},
        {"temporal": True},
        {"weights_sha256": "cd" * 32},
        {"weights_sha256": None},
        {"parameters": (("refine_threshold", 0.5),)},
        {"parameters": ()},
        {"missing_plate": "skip"},
        {"visible": False},
        {"geometry": "crop"},
        {"output_layout": "flat"},
        {"mask_format": "png"},
        {"mask_quality": 90},
        {"lowres_px": 128},
        {"lowres_filter": "linear"},
        {"warmup": 3},
        {"split": 100},
        {"lead_in": 5},
        {"algorithm_revision": 99},
        {"numerics": Numerics("cuda:H200", "fp32", 4, 2)},
        {"numerics": Numerics("cpu", "fp16", 4, 2)},
        {"numerics": Numerics("cpu", "fp32", 8, 2)},
        {"numerics": Numerics("cpu", "fp32", 4, 1)},
        {"numerics": Numerics("cpu", "fp32", 4, 2, chunk=12)},
        {"numerics": Numerics("cpu", "fp32", 4, 2, compiled=True)},
        {"numerics": Numerics("cpu", "fp32", 4, 2, decoder="turbojpeg")},
    ],
    ids=str,
)
def test_recipe_id_differs_and_one_difference_is_said_when_a_knob_is_turned(
    make_recipe: Callable[..., Recipe], change: dict[str, Any]
) -> None:
    before, after = make_recipe(), make_recipe(**change)
    assert before.recipe_id != after.recipe_id
    assert len(before.differences(after)) == 1


def test_difference_says_knob_and_both_values(make_recipe: Callable[..., Recipe]) -> None:
    asked = make_recipe(parameters=(("refine_threshold", 0.5),), weights_sha256=None)
    said = sorted(make_recipe().differences(asked))
    assert said[0] == "refine_threshold: 0.7 here, 0.5 asked for"
    assert said[1].startswith("weights_sha256: abab")
    assert said[1].endswith("none asked for")


def test_recipe_id_is_the_hash_of_the_canonical_json(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe()
    digest = hashlib.sha256(recipe.to_json().encode()).hexdigest()
    assert recipe.recipe_id
    assert digest.startswith(recipe.recipe_id)


def test_canonical_json_does_not_depend_on_the_order_of_a_stored_record(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe(parameters=(("a", 1), ("b", 2)))
    record = json.loads(recipe.to_json())
    turned = {name: record[name] for name in reversed(record)}
    turned["parameters"] = {"b": 2, "a": 1}
    assert Recipe.from_record(turned).recipe_id == recipe.recipe_id


def test_recipe_id_is_the_same_in_another_process(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe(parameters=(("name", "ü"), ("x", 0.1)))
    code = """
import json, sys
from manifests.recipe import Recipe
print(Recipe.from_record(json.load(sys.stdin)).recipe_id)
"""
    answer = subprocess.run(
        [sys.executable, "-c", code], input=recipe.to_json(), capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == recipe.recipe_id, answer.stderr


def test_recipe_is_refused_by_the_names_of_its_fields_when_it_is_newer(make_recipe: Callable[..., Recipe]) -> None:
    record = json.loads(make_recipe().to_json()) | {"trimap": 1, "denoise": 2}
    with pytest.raises(SchemaUnknown, match="denoise, trimap"):
        Recipe.from_record(record)


@pytest.mark.parametrize(("first", "second"), [(1, 1.0), (1.0, 1)])
def test_recipe_id_does_not_depend_on_ids_asked_for_before(
    make_recipe: Callable[..., Recipe], first: float, second: float
) -> None:
    name = f"scale_{type(first).__name__}"
    before, recipe = (make_recipe(parameters=((name, value),)) for value in (first, second))
    assert before.recipe_id
    assert hashlib.sha256(recipe.to_json().encode()).hexdigest().startswith(recipe.recipe_id)


def test_difference_is_said_when_a_parameter_is_named_like_another_knob(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe(parameters=(("chunk", 1),))
    asked = replace(recipe, parameters=(("chunk", 2),))
    assert len(recipe.differences(asked)) == 1
