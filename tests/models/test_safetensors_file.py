"""Files of safetensors: what is written is read, the same bytes each time, and a damaged one is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from reference_weights import reference_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.checkpoints import load_state_dict
from models.errors import WeightsUnreadable
from models.registry import ENTRIES, build
from models.safetensors_file import is_safetensors, read_metadata, read_safetensors, write_safetensors

NAME = "mattingrefine-mobilenetv2"
ABOUT = {"model": NAME, "licence": "Apache-2.0", "steps": "2200", "größe": "256²"}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    with torch.device("meta"):
        network: nn.Module = ENTRIES[NAME].build({})
    return reference_state_dict(network)


def test_what_is_written_is_read_by_us_and_by_others(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "new" / "w.safetensors"
    write_safetensors(path, state, ABOUT)
    for found in (load_file(path), read_safetensors(path), load_state_dict(path)):
        assert set(found) == set(state) and all(torch.equal(found[key], state[key]) for key in state)
    assert read_metadata(path) == ABOUT and os.listdir(path.parent) == [path.name]


def test_the_same_input_gives_the_same_bytes_in_any_order(state: dict[str, Tensor], tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write_safetensors(one, state, ABOUT, half=True)
    turned = dict(reversed(state.items()))
    write_safetensors(other, turned, dict(reversed(ABOUT.items())), half=True)
    assert one.read_bytes() == other.read_bytes()
    header = one.read_bytes()[8:]
    assert (
        list(json.JSONDecoder().raw_decode(header.decode("latin-1"))[0]["__metadata__"])[0]
        == "gr\u00c3\u00b6\u00c3\u009fe"
    )


def test_half_precision_halves_convolutions_and_keeps_what_batchnorm_counts(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    state = network.state_dict() | {"1.running_var": torch.full((4,), 1e-9), "1.running_mean": torch.full((4,), 1e5)}
    write_safetensors(tmp_path / "w", state, half=True)
    stored, read = read_safetensors(tmp_path / "w"), load_state_dict(tmp_path / "w")
    assert stored["0.weight"].dtype == torch.float16 and stored["1.num_batches_tracked"].dtype == torch.int64
    assert read["0.weight"].dtype == torch.float32
    assert torch.allclose(read["0.weight"], state["0.weight"], rtol=1e-3, atol=1e-6)
    for key in ("0.bias", "1.weight", "1.bias", "1.running_var", "1.running_mean", "1.num_batches_tracked"):
        assert torch.equal(stored[key], state[key]), key


def test_a_network_in_half_precision_mattes_nearly_as_the_whole_one(state: dict[str, Tensor], tmp_path: Path) -> None:
    sizes, alphas = [], []
    for half in (False, True):
        path = tmp_path / f"{half}.safetensors"
        write_safetensors(path, state, half=half)
        model = build(NAME, {}, path, "cpu", "fp32")
        torch.manual_seed(1)
        alphas.append(model.matte(torch.rand(1, 1, 3, 64, 64), torch.rand(1, 3, 64, 64)).alpha)
        sizes.append(path.stat().st_size)
    assert alphas[1].dtype == torch.float32 and (alphas[0] - alphas[1]).abs().max() < 0.02
    assert sizes[1] < 0.52 * sizes[0]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 70_000.0])
def test_numbers_that_cannot_be_stored_are_refused_by_name(number: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="decoder.weight holds numbers that are not finite"):
        write_safetensors(tmp_path / "w", {"decoder.weight": torch.full((2, 2), number)}, half=True)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays_whole_when_writing_fails(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w", {"a": torch.ones(2)})
    before = (tmp_path / "w").read_bytes()
    with pytest.raises(ValueError, match="a holds"):
        write_safetensors(tmp_path / "w", {"a": torch.full((2,), torch.nan)})
    assert (tmp_path / "w").read_bytes() == before and os.listdir(tmp_path) == ["w"]


def test_views_of_one_tensor_are_written_apart(tmp_path: Path) -> None:
    whole = torch.arange(12.0).view(3, 4)
    write_safetensors(tmp_path / "w", {"whole": whole, "turned": whole.T, "row": whole[1]})
    found = read_safetensors(tmp_path / "w")
    assert torch.equal(found["turned"], whole.T) and torch.equal(found["row"], whole[1])


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.onnx"])
def test_the_content_says_what_a_file_is_and_not_its_name(name: str, tmp_path: Path) -> None:
    save_file({"a": torch.ones(3).half()}, tmp_path / name)
    assert is_safetensors(tmp_path / name)
    assert torch.equal(load_state_dict(tmp_path / name)["a"], torch.ones(3))
    torch.save({"a": torch.ones(3)}, tmp_path / "other.safetensors")
    assert not is_safetensors(tmp_path / "other.safetensors")
    assert torch.equal(load_state_dict(tmp_path / "other.safetensors")["a"], torch.ones(3))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_unreadable(state: dict[str, Tensor], share: float, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "whole", state)
    body = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(body[: int(len(body) * share)])
    with pytest.raises(WeightsUnreadable, match="cut cannot be read"):
        load_state_dict(tmp_path / "cut")


@pytest.mark.parametrize("body", [b"", b"\x10\0\0\0\0\0\0\0{not json at all}", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 30])
def test_what_is_no_safetensors_file_says_nothing_of_itself(body: bytes, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(body)
    if body.endswith(b"[]"):
        assert read_metadata(tmp_path / "w") == {}
    else:
        with pytest.raises(WeightsUnreadable):
            read_metadata(tmp_path / "w")
    with pytest.raises(WeightsUnreadable):
        load_state_dict(tmp_path / "w")
