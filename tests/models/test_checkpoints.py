"""Checkpoints of every format, damaged ones, and ones of another network."""

import pickle
from pathlib import Path

import pytest
import torch
from reference_weights import reference_state_dict, write_reference_checkpoint
from torch import nn

from models import registry
from models.checkpoints import identify, load_state_dict, load_strict
from models.errors import WeightsMismatch, WeightsUnreadable

REFINE, BASE = "mattingrefine-mobilenetv2", "mattingbase-mobilenetv2"


def skeleton(name: str) -> nn.Module:
    with torch.device("meta"):
        return registry.entry(name).build({})


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return reference_state_dict(skeleton(REFINE))


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": s, "epoch": 3}])
@pytest.mark.parametrize("zipped", [True, False])
def test_state_dicts_are_read_plain_wrapped_and_old(state, tmp_path, wrap, zipped):
    torch.save(wrap(state), tmp_path / "file.pth", _use_new_zipfile_serialization=zipped)
    assert same(load_state_dict(tmp_path / "file.pth"), state)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_archives_are_read(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    torch.jit.save(torch.jit.script(network), tmp_path / "script.pth")
    assert same(load_state_dict(tmp_path / "script.pth"), dict(network.state_dict()))


class Evil:
    """Write a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_pickle_is_not_run(tmp_path):
    trace = tmp_path / "trace"
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"a": Evil(trace)}))
    torch.save({"a": Evil(trace)}, tmp_path / "new.pth")
    for name in ("old.pth", "new.pth"):
        with pytest.raises(WeightsUnreadable, match=name):
            load_state_dict(tmp_path / name)
    assert not trace.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_files_are_unreadable(state, tmp_path, share, zipped):
    path = tmp_path / "file.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WeightsUnreadable, match="fetch it again"):
        load_state_dict(path)


@pytest.mark.parametrize(
    "body",
    [b"<html>404</html>", bytes(range(256)) * 9, b"PK\x03\x04" * 20, b"\x80\x02", pickle.dumps(3), pickle.dumps({})],
)
def test_garbage_is_unreadable(tmp_path, body):
    (tmp_path / "file.pth").write_bytes(body)
    with pytest.raises(WeightsUnreadable):
        load_state_dict(tmp_path / "file.pth")


@pytest.mark.parametrize("content", [[torch.zeros(2)], {"a": 3}, {"a": torch.zeros(2), "b": "text"}, {}])
def test_files_with_other_things_are_unreadable(tmp_path, content):
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(WeightsUnreadable):
        load_state_dict(tmp_path / "file.pth")


def test_an_absent_file_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_state_dict(tmp_path / "absent.pth")


def test_a_wrong_checkpoint_is_named_for_what_it_is(tmp_path):
    path = write_reference_checkpoint("mattingrefine-resnet50", tmp_path / "pytorch_resnet101.pth")
    with pytest.raises(WeightsMismatch) as caught:
        load_strict(skeleton("mattingrefine-resnet101"), load_state_dict(path), "mattingrefine-resnet101", path)
    assert "mattingrefine-resnet50" in caught.value.fits and "mattingrefine-resnet50" in str(caught.value)
    assert "backbone.layer3.6.conv1.weight" in caught.value.missing and not caught.value.unexpected
    assert "pytorch_resnet101.pth for model mattingrefine-resnet101" in str(caught.value)


def test_each_kind_of_difference_is_told(state):
    spoiled = {key: tensor for key, tensor in state.items() if key != "refiner.bn1.bias"}
    spoiled["head.weight"] = torch.zeros(1)
    spoiled["refiner.conv4.bias"] = torch.zeros(5)
    with pytest.raises(WeightsMismatch, match="fits no known model") as caught:
        load_strict(skeleton(REFINE), spoiled, REFINE, "file.pth")
    assert caught.value.missing == ("refiner.bn1.bias",) and caught.value.unexpected == ("head.weight",)
    assert caught.value.shapes == ("refiner.conv4.bias (expected [4], found [5])",)


def test_the_base_takes_a_refine_file_and_a_plain_one(state):
    plain = {key: tensor for key, tensor in state.items() if not key.startswith("refiner.")}
    for given in (state, plain):
        network = skeleton(BASE)
        load_strict(network, given, BASE, "file.pth")
        assert same(dict(network.state_dict()), plain)


def test_the_base_drops_nothing_but_the_known_keys(state):
    for key in ("refiner.conv9.weight", "head.weight"):
        with pytest.raises(WeightsMismatch, match=key):
            load_strict(skeleton(BASE), {**state, key: torch.zeros(1)}, BASE, "file.pth")


def test_identify_names_all_that_fit(state):
    assert identify(state) == [REFINE, BASE]
    assert identify({key: tensor for key, tensor in state.items() if not key.startswith("refiner.")}) == [BASE]
    assert identify({"a": torch.zeros(1)}) == []
