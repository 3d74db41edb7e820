"""The model card: says all that is known, verifies as an entry, and is the same text for the same facts."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from matting_tasks.fit.card import (
    CARD,
    CardFacts,
    Machine,
    Material,
    Picture,
    Scored,
    StageFacts,
    here,
    write_card,
)
from matting_tasks.metrics import Scores
from models.fitted import read_entry, weights_of

BODY = b"weights of a studio"
FACTS = CardFacts(
    name="studio",
    model="mattingrefine-mobilenetv2",
    file="studio.safetensors",
    n_parameters=5_006_324,
    precision="fp16",
    licence="Apache-2.0",
    version="0.1.0",
    made_on="2026-01-31",
    start="mattingrefine-mobilenetv2@cleanplate",
    machine=Machine("Some CPU @ 2 GHz", 2),
    stages=(
        StageFacts("base", 2_000, 2_520.0, (("batch", "8"), ("size", "128 to 256 px"))),
        StageFacts("refine", 200, 41.0, (("batch", "2"),)),
    ),
    settings=(("seed", "7"), ("optimizer", "AdamW")),
    materials=(
        Material("people", 1_000, "Apache-2.0", "drawn"),
        Material("plates", 16, "the user's own", "capture | studio"),
    ),
    pictures=(Picture("wall.jpg", "CC0", "https://pictures.example/1"),),
    stream="Drawn people over held-out plates, disturbed.",
    n_held_out=64,
    before=Scored("start", Scores(mad=21.0, mse=9.0, grad=4.0, conn=3.0), Scores(mad=90.0)),
    after=Scored("studio", Scores(mad=6.5, mse=2.25, grad=1.5, conn=1.0), Scores(mad=40.0), 0.625),
    others=(Scored("plate-difference", Scores(mad=28.125), Scores(mad=120.0)),),
    limits=("Glass is seen through.",),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FACTS.file).write_bytes(BODY)
    return tmp_path


def test_a_card_says_all_that_is_known(folder: Path) -> None:
    path = write_card(folder, FACTS)
    assert path == folder / CARD
    text = path.read_text()
    for wanted in (
        "# studio\n",
        "mattingrefine-mobilenetv2, 5.01 million parameters",
        f"{len(BODY)} bytes; convolutions in half precision",
        hashlib.sha256(BODY).hexdigest(),
        "cleanplate 0.1.0, 2026-01-31",
        "Began from mattingrefine-mobilenetv2@cleanplate. 2,200 steps in 43 min on Some CPU @ 2 GHz, 2 threads.",
        "| base | 2,000 | 42 min | batch 8, size 128 to 256 px |",
        "| refine | 200 | 41 s | batch 2 |",
        "seed 7, optimizer AdamW",
        "| people | 1,000 | Apache-2.0 | drawn |",
        "| plates | 16 | the user's own | capture \\| studio |",
        "| wall.jpg | CC0 | https://pictures.example/1 |",
        "held-out plates, disturbed. 64 pictures.",
        "| before training | 21.00 | 9.00 | 4.00 | 3.00 |",
        "| studio | 6.50 ± 0.62 | 2.25 | 1.50 | 1.00 |",
        "| plate-difference | 28.12 | - | - | - |",
        "| studio | 40.00 | - | - | - |",
        "- Glass is seen through.",
        "cleanplate matte CAPTURE --out OUT --model mattingrefine-mobilenetv2 --weights FOLDER",
    ):
        assert wanted in text, wanted


def test_the_folder_can_be_named_as_weights(folder: Path) -> None:
    write_card(folder, FACTS)
    assert weights_of(folder) == folder / FACTS.file
    entry = read_entry(folder)
    assert (entry.name, entry.model, entry.licence, entry.size_bytes) == (
        "studio",
        "mattingrefine-mobilenetv2",
        "Apache-2.0",
        len(BODY),
    )


def test_the_same_facts_give_the_same_text(folder: Path) -> None:
    once = write_card(folder, FACTS).read_bytes()
    assert write_card(folder, FACTS).read_bytes() == once
    assert sorted(path.name for path in folder.iterdir()) == sorted([FACTS.file, CARD, "weights.json"])


def test_a_model_of_the_registry_is_used_by_its_name(folder: Path) -> None:
    text = write_card(folder, replace(FACTS, name="mattingrefine-mobilenetv2@cleanplate")).read_text()
    assert "--model mattingrefine-mobilenetv2@cleanplate\n" in text and "--weights" not in text


def test_what_there_is_nothing_of_has_no_heading(folder: Path) -> None:
    less = replace(FACTS, limits=(), pictures=(), others=(), before=None, settings=())
    text = write_card(folder, less).read_text()
    for absent in ("Known limits", "Each picture", "before training", "Settings of all stages", "\n\n\n"):
        assert absent not in text


def test_a_gpu_is_named_before_the_cpu(folder: Path) -> None:
    text = write_card(folder, replace(FACTS, machine=Machine("Some CPU", 1, "Some GPU"))).read_text()
    assert "on Some GPU, beside Some CPU, 1 thread." in text


def test_a_card_of_no_file_or_of_no_known_precision_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_card(tmp_path, FACTS)
    (tmp_path / FACTS.file).write_bytes(BODY)
    with pytest.raises(ValueError, match="found 'int8'"):
        write_card(tmp_path, replace(FACTS, precision="int8"))
    assert [path.name for path in tmp_path.iterdir()] == [FACTS.file]


def test_this_machine_has_a_name() -> None:
    found = here(3, "Some GPU")
    assert found.cpu and (found.n_threads, found.gpu) == (3, "Some GPU")
