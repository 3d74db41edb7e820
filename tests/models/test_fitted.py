"""The entry of a fit: written whole, read strictly, and verified before its file is used."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from models.errors import EntryUnreadable, HashMismatch, WeightsUnreadable
from models.fitted import ENTRY, FittedWeights, parameters_of, read_entry, weights_of, write_entry
from models.safetensors_file import write_safetensors

BODY = b"weights"
FITTED = FittedWeights("studio", "m", "w.safetensors", hashlib.sha256(BODY).hexdigest(), "Apache-2.0", len(BODY))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FITTED.file).write_bytes(BODY)
    write_entry(tmp_path, FITTED)
    return tmp_path


def test_what_is_written_is_read_from_the_folder_or_the_file(folder: Path) -> None:
    assert read_entry(folder) == read_entry(folder / ENTRY) == FITTED
    assert sorted(os.listdir(folder)) == [FITTED.file, ENTRY] or sorted(os.listdir(folder)) == [ENTRY, FITTED.file]


def test_an_entry_may_say_the_parameters_that_it_was_fitted_with(folder: Path) -> None:
    assert parameters_of(folder) == parameters_of(folder / FITTED.file) == {}
    write_entry(folder, replace(FITTED, parameters={"backbone_scale": "auto", "refine_sample_pixels": 40_000}))
    assert parameters_of(folder) == parameters_of(folder / ENTRY)
    assert parameters_of(folder) == {"backbone_scale": "auto", "refine_sample_pixels": 40_000}
    assert parameters_of(folder / FITTED.file) == {}


def test_a_file_says_itself_what_it_was_fitted_with(tmp_path: Path) -> None:
    path = tmp_path / "fitted.safetensors"
    write_safetensors(path, {"a": torch.zeros(1)}, {"parameters": '{"backbone_scale": "auto"}'})
    assert parameters_of(path) == {"backbone_scale": "auto"}
    write_safetensors(path, {"a": torch.zeros(1)})
    assert parameters_of(path) == {}


@pytest.mark.parametrize("said", ['{"out": "/"}', '{"backbone_scale": 7}', '{"backbone_scale": [1]}', "[1]", "{"])
def test_parameters_that_no_model_has_are_refused(said: str, folder: Path) -> None:
    path = folder / "fitted.safetensors"
    write_safetensors(path, {"a": torch.zeros(1)}, {"parameters": said})
    with pytest.raises(WeightsUnreadable, match="which no model has"):
        parameters_of(path)
    write_entry(folder, replace(FITTED, parameters={"out": "/"}))
    with pytest.raises(EntryUnreadable, match="which no model has"):
        parameters_of(folder)


def test_an_entry_of_the_first_fits_says_none(folder: Path) -> None:
    old = {name: value for name, value in asdict(FITTED).items() if name != "parameters"}
    (folder / ENTRY).write_text(json.dumps(old))
    assert read_entry(folder) == FITTED


def test_a_path_stands_for_itself_or_for_what_its_entry_names(folder: Path) -> None:
    assert weights_of(folder) == weights_of(folder / ENTRY) == weights_of(folder / FITTED.file) == folder / FITTED.file
    assert weights_of(folder / "other.pth") == folder / "other.pth"


def test_a_file_that_is_another_one_is_refused_with_both_hashes(folder: Path) -> None:
    (folder / FITTED.file).write_bytes(b"others!")
    with pytest.raises(HashMismatch, match=FITTED.file) as caught:
        weights_of(folder)
    assert caught.value.expected == FITTED.sha256 and caught.value.found == hashlib.sha256(b"others!").hexdigest()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sha256": None}, "'sha256' is None"),
        ({"size_bytes": "7"}, "'size_bytes' is '7'"),
        ({"size_bytes": True}, "'size_bytes' is True"),
        ({"parameters": ["auto"]}, r"'parameters' is \['auto'\]"),
        ({"file": "../w.safetensors"}, "does not lie beside it"),
        ({"file": "gone.safetensors"}, "gone.safetensors, which is not there"),
    ],
)
def test_an_entry_that_lacks_something_is_refused_by_name(changed: dict[str, object], said: str, folder: Path) -> None:
    (folder / ENTRY).write_text(json.dumps(asdict(FITTED) | changed))
    with pytest.raises(EntryUnreadable, match=said):
        weights_of(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\0"])
def test_what_is_no_entry_is_refused(text: str, folder: Path) -> None:
    (folder / ENTRY).write_text(text)
    with pytest.raises(EntryUnreadable, match=f"{ENTRY} cannot be read"):
        weights_of(folder)


def test_more_than_is_known_is_left_alone(folder: Path) -> None:
    (folder / ENTRY).write_text(json.dumps(asdict(FITTED) | {"made_by": "a later version"}))
    assert read_entry(folder) == FITTED
