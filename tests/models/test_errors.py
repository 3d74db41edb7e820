"""Messages that name what to do, and that cross process borders."""

import pickle

import pytest

from models.errors import (
    DownloadFailed,
    EntryUnreadable,
    HashMismatch,
    ModelError,
    UnknownModel,
    WeightsMismatch,
    WeightsMissing,
    WeightsUnreadable,
)

ERRORS = [
    UnknownModel.named("mattingrefine-resnet11", ("mattingrefine-resnet101", "plate-difference")),
    WeightsMissing.of("m", "m.pth", "https://x/m.pth", "/cache", ["default", "plate-difference"]),
    WeightsMismatch.between("the weights m.pth for model m", list("abcdefg"), ["u"], [], ["other"]),
    WeightsUnreadable.at("/cache/m.pth", "cut"),
    HashMismatch.at("/cache/m.pth", "aa", "bb", "published"),
    DownloadFailed.of("m.pth", ["https://x: HTTP 404"], "/cache", ["default", "plate-difference"]),
    WeightsUnreadable.without("/cache/m.onnx", "onnx"),
    EntryUnreadable.at("/fit/weights.json", "there is no such file"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_pickle(error):
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error) and str(back) == str(error) and vars(back) == vars(error)
    assert isinstance(back, ModelError)


def test_unknown_model_names_the_nearest_first():
    assert "Did you mean mattingrefine-resnet101?" in str(ERRORS[0]) and "plate-difference" in str(ERRORS[0])


def test_mismatch_names_a_few_keys_and_counts_the_rest():
    assert "7 keys missing: a, b, c, d and 3 more" in str(ERRORS[2])
    assert "1 keys unexpected: u" in str(ERRORS[2]) and "fits other" in str(ERRORS[2])
    assert ERRORS[2].missing == tuple("abcdefg")


@pytest.mark.parametrize("error", [ERRORS[1], ERRORS[5]])
def test_what_works_without_a_download_is_named(error):
    assert "--model default or --model plate-difference works without any download" in str(error)
