"""BackgroundMattingV2 for masks: the alpha of the plain networks, and nothing that only a foreground needs.

It takes pictures as they are decoded, in bytes. A frame in floats at full size is never made: the backbone looks at a
small one, and the refiner at 16x16 pixels around each chosen cell. What depends on a plate alone is worked out once.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.base import Matte, MattingModel, check_streams
from models.bgmv2 import ALPHA, ERROR, HIDDEN, RESIDUAL, MattingBase, MattingRefine
from models.bgmv2_cells import CellRefiner
from models.bgmv2_last import HintLayer, LastLayer, join
from models.bgmv2_refiner import CELL
from models.folding import fold

HINTS = (*range(HIDDEN.start, HIDDEN.stop), ALPHA.start, *range(RESIDUAL.start, RESIDUAL.stop))
N_HIDDEN = HIDDEN.stop - HIDDEN.start


@dataclass(frozen=True, slots=True)
class PreparedPlate:
    """A plate in bytes, (H, W, 3) uint8, padded, and as the backbone looks at it, (1, 3, h, w), 0..1."""

    pixels: Tensor
    small: Tensor


class AlphaBase:
    """Predict alpha and its error at one resolution, as MattingBase does, of pictures in bytes."""

    uses_plate = True
    temporal = False
    takes_bytes = True

    def __init__(self, network: MattingBase, dtype: torch.dtype) -> None:
        """Fold a network in eval mode; all is computed in `dtype` but the last layer, in float32."""
        decoder = network.decoder
        self._dtype = dtype
        self._backbone = fold(network.backbone, dtype)
        self._aspp = fold(network.aspp, dtype)
        norms = (decoder.bn1, decoder.bn2, decoder.bn3)
        convs = (decoder.conv1, decoder.conv2, decoder.conv3)
        self._steps = [
            fold(nn.Sequential(conv, norm, nn.ReLU()), dtype) for conv, norm in zip(convs, norms, strict=True)
        ]
        self._last = LastLayer(decoder.conv4, (ALPHA.start, ERROR.start), n_pictures=6)
        self._least = 1
        self._lock = threading.Lock()
        self._plates: dict[int, tuple[weakref.ref[Tensor], PreparedPlate]] = {}

    @torch.no_grad()
    def matte(self, frames: Tensor, plates: Tensor | None, state: Any = None, want_foreground: bool = False) -> Matte:
        """Matte streams as MattingModel says, of frames and plates in uint8, 0..255; there is no foreground.

        Pictures may lie in memory in any order; (H, W, 3) is the fastest.
        """
        plates = check_streams(frames, plates)
        height, width = frames.shape[-2:]
        alphas, errors = [], []
        for n, stream in enumerate(frames):
            plate = self._prepared(plates if len(plates) == 1 else plates[n : n + 1])
            alpha, error = self._matte_stream(_padded(stream, self._least), plate)
            alphas.append(alpha[:, :height, :width])
            errors.append(error)
        return Matte(torch.stack(alphas), torch.stack(errors), None)

    def _matte_stream(self, frames: Tensor, plate: PreparedPlate) -> tuple[Tensor, Tensor]:
        """Matte the frames (T, H, W, 3) uint8 of one camera: alpha (T, H, W) and error (T, h, w), float32."""
        alpha, error = self._last(*self._features(frames, plate)).clamp_(0, 1).unbind(1)
        return alpha, error

    def _features(self, frames: Tensor, plate: PreparedPlate) -> tuple[Tensor, Tensor]:
        """Map frames (T, H, W, 3) uint8 to what the last layer reads: features at half size, and the pictures."""
        small = self._shrink(frames)
        pictures = join([small, plate.small.expand_as(small)])
        skips = self._backbone(pictures)
        x = self._aspp(skips.sixteenth)
        for step, skip in zip(self._steps, (skips.eighth, skips.quarter, skips.half), strict=True):
            x = step(join([F.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=False), skip]))
        return x, pictures

    def _shrink(self, pictures: Tensor) -> Tensor:
        """Bring pictures (T, H, W, 3) uint8 to what the backbone looks at, (T, 3, h, w), 0..1, channels last."""
        return (pictures.permute(0, 3, 1, 2).float() / 255).to(self._dtype)

    def _prepared(self, plate: Tensor) -> PreparedPlate:
        """Prepare a plate (1, 3, H, W) uint8, once for as long as the tensor lives."""
        with self._lock:  # batches are matted on several threads
            known = self._plates.get(id(plate))
            if known is not None and known[0]() is plate:
                return known[1]
            self._plates = {key: value for key, value in self._plates.items() if value[0]() is not None}
            pixels = _padded(plate, self._least)
            prepared = PreparedPlate(pixels[0], self._shrink(pixels))
            self._plates[id(plate)] = weakref.ref(plate), prepared
            return prepared


class AlphaRefine(AlphaBase):
    """Predict at a fraction of the resolution, then refine where the error is large, as MattingRefine does."""

    def __init__(self, network: MattingRefine, dtype: torch.dtype) -> None:
        """Fold a network in eval mode; the last layers of the decoder and of the refiner are in float32."""
        super().__init__(network, dtype)
        self._small_size, self._least = network.small_size, network.least_side
        self._refiner = CellRefiner(network.refiner, dtype)
        self._hints = HintLayer(network.decoder.conv4, HINTS, N_HIDDEN, dtype)

    def _matte_stream(self, frames: Tensor, plate: PreparedPlate) -> tuple[Tensor, Tensor]:
        features, pictures = self._features(frames, plate)
        coarse, error = self._last(features, pictures).clamp_(0, 1).unbind(1)
        size = (frames.shape[1], frames.shape[2])
        alpha = F.interpolate(coarse[:, None], size, mode="bilinear", align_corners=False)[:, 0]
        cells = self._refiner.choose(error, size)
        if len(cells.n):
            self._refiner.paint(alpha, cells, self._hints(features, pictures, cells), frames, plate.pixels)
        return alpha.clamp_(0, 1), error

    def _shrink(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[1:3]
        size = self._small_size(height, width)
        factor = height // size[0]
        if (size[0] * factor, size[1] * factor) == (height, width) and factor % 2 == 0:
            # bilinear without smoothing: halfway between two pixels, whatever lies beyond them
            first, second = slice(factor // 2 - 1, None, factor), slice(factor // 2, None, factor)
            small = pictures[:, first, first].float()
            for rows, columns in ((first, second), (second, first), (second, second)):
                small += pictures[:, rows, columns]
            return (small / (4 * 255)).to(self._dtype).permute(0, 3, 1, 2)
        whole = pictures.permute(0, 3, 1, 2).float() / 255
        return F.interpolate(whole, size, mode="bilinear", align_corners=False).to(self._dtype)


def _padded(pictures: Tensor, least: int) -> Tensor:
    """Bring pictures (T, 3, H, W) to (T, H', W', 3), padded as `pad_to_multiple` does."""
    pictures = pictures.permute(0, 2, 3, 1)
    for dim in (1, 2):
        side = pictures.shape[dim]
        full = -(-max(side, least) // CELL) * CELL
        if full != side:
            pictures = pictures.index_select(dim, torch.arange(full, device=pictures.device).clamp(max=side - 1))
    return pictures.contiguous()


def alpha_only(network: MattingBase, dtype: torch.dtype) -> MattingModel:
    """Return the form for masks of a network in eval mode; a refiner of mode `full` has none and stays as it is."""
    if not isinstance(network, MattingRefine):
        return AlphaBase(network, dtype)
    if network.refiner.mode == "full":
        return network.to(dtype)
    return AlphaRefine(network, dtype)
