"""The refiner of BackgroundMattingV2 for masks: cells are cropped straight out of the bytes of frame and plate.

See models/bgmv2_refiner.py for what it computes: the same, but for the three channels of the foreground.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.bgmv2_last import Cells, gather
from models.bgmv2_refiner import CELL, CELLS_AT_ONCE, COARSE_CHANNELS, Refiner
from models.folding import fold

HALF = CELL // 2
LEVELS = 255


class CellRefiner:
    """Refine the chosen cells of coarse alphas."""

    def __init__(self, refiner: Refiner, dtype: torch.dtype) -> None:
        """Fold a refiner in eval mode, of mode sampling or thresholding; its last layer is in float32."""
        self._mode, self._threshold = refiner.mode, refiner.threshold
        self._n_cells = refiner.sample_pixels // CELL**2
        self._dtype = dtype
        self._margin, self._margin_full = refiner.margins
        # pictures come in bytes, at half size as sums of four: the weights bring them to 0..1
        n_hidden = refiner.conv2.out_channels
        conv1 = _scaled(refiner.conv1, COARSE_CHANNELS, 1 / (4 * LEVELS))
        conv3 = _scaled(refiner.conv3, n_hidden, 1 / LEVELS)
        pairs = ((conv1, refiner.bn1), (refiner.conv2, refiner.bn2), (conv3, refiner.bn3))
        self._convs = [fold(nn.Sequential(conv, norm, nn.ReLU()), dtype) for conv, norm in pairs]
        self._weight = refiner.conv4.weight.detach()[:1].float()
        self._bias = None if refiner.conv4.bias is None else refiner.conv4.bias.detach()[:1].float()

    def choose(self, error: Tensor, size: tuple[int, int]) -> Cells:
        """Choose cells of pictures of (H, W) by their error (T, h, w), 0..1.

        On a GPU, which is not to be waited for, sampling chooses as many whatever the errors are.
        """
        rows, columns = grid = size[0] // CELL, size[1] // CELL
        flat = _resized(error[:, None], grid).flatten(1)
        k = min(self._n_cells, rows * columns)
        if self._mode == "thresholding":
            wanted = flat > self._threshold
        elif k == 0:
            wanted = torch.zeros_like(flat, dtype=torch.bool)
        else:
            least = flat.topk(k, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
            above, equal = flat > least, flat == least
            # of equal errors, those first in reading order
            wanted = above | (equal & (equal.cumsum(dim=1) <= k - above.sum(dim=1, keepdim=True)))
        if self._mode == "sampling" and wanted.device.type != "cpu":
            cells = torch.nonzero_static(wanted.flatten(), size=k * len(flat))[:, 0]
        else:
            cells = (wanted & (flat > 0)).flatten().nonzero()[:, 0]
        n, cell = cells // (rows * columns), cells % (rows * columns)
        return Cells(n, cell // columns, cell % columns, flat.flatten()[cells] > 0, grid)

    def paint(self, alpha: Tensor, cells: Cells, hints: Tensor, frames: Tensor, plate: Tensor) -> None:
        """Paint refined cells over alpha in place.

        alpha: (T, H, W) float32. hints: (T, h, w, 36): hidden, alpha and residual. frames: (T, H, W, 3) and plate
        (H, W, 3), uint8. H and W are multiples of 4.
        """
        rows, columns = cells.grid
        if hints.shape[1:3] != cells.grid:
            half = rows * HALF, columns * HALF
            hints = _resized(hints.permute(0, 3, 1, 2), half).permute(0, 2, 3, 1)
        windows = [_windows(pictures, 2 * self._margin) for pictures in (frames, plate[None])]
        # (T, H, W) -> (T, H/4, 4, W/4, 4): a view, so that writing into it writes alpha
        grid = alpha.view(len(alpha), rows, CELL, columns, CELL)
        for start in range(0, len(cells.n), CELLS_AT_ONCE):
            some = cells.portion(start, start + CELLS_AT_ONCE)
            before = grid[some.n, some.row, :, some.column, :]  # (k, 4, 4)
            refined = self._refine(some, hints, windows)
            grid[some.n, some.row, :, some.column, :] = torch.where(some.counts[:, None, None], refined, before)

    def _refine(self, cells: Cells, hints: Tensor, windows: list[Tensor]) -> Tensor:
        """Refine cells: alpha (k, 4, 4) float32."""
        n, row, column = cells.n, cells.row, cells.column
        crops = [_pick(windows[0], n, row, column), _pick(windows[1], torch.zeros_like(n), row, column)]  # uint8
        side = crops[0].shape[1]
        side_half, side_full = side // 2, CELL + 2 * self._margin_full
        low = self._buffer(len(n), side_half, COARSE_CHANNELS + 6)
        self._crop_hints(low[..., :COARSE_CHANNELS], cells, hints)
        # (k, side, side * 3) -> (k, side / 2, 2, side / 2, 2, 3) -> sums of four
        for crop, start in zip(crops, (COARSE_CHANNELS, COARSE_CHANNELS + 3), strict=True):
            parts = crop.view(-1, side_half, 2, side_half, 2, 3).to(torch.int16)
            parts = parts[:, :, 0] + parts[:, :, 1]
            low[..., start : start + 3] = parts[:, :, :, 0] + parts[:, :, :, 1]
        x = self._convs[1](self._convs[0](low.permute(0, 3, 1, 2)))
        full = self._buffer(len(n), side_full, x.shape[1] + 6)
        full[..., : x.shape[1]] = F.interpolate(x, (side_full, side_full), mode="nearest").permute(0, 2, 3, 1)
        inner = slice((side - side_full) // 2, (side + side_full) // 2)
        for crop, start in zip(crops, (x.shape[1], x.shape[1] + 3), strict=True):
            full[..., start : start + 3] = crop.view(-1, side, side, 3)[:, inner, inner]
        x = self._convs[2](full.permute(0, 3, 1, 2)).float()
        return F.conv2d(x, self._weight, self._bias)[:, 0]

    def _crop_hints(self, into: Tensor, cells: Cells, hints: Tensor) -> None:
        """Write the crops of hints, at half the size of the frames, into (k, n, n, 36); 0 outside of the picture.

        Hints at a quarter of the size are enlarged after they are cropped, which is the same in numbers.
        """
        side, (rows, columns) = into.shape[1], cells.grid
        maps = hints.permute(0, 3, 1, 2)
        y, x = _positions(cells.row, HALF, self._margin), _positions(cells.column, HALF, self._margin)
        if hints.shape[1:3] == cells.grid:
            reach = self._margin // 2 + 1
            small = gather(maps, cells.n, _positions(cells.row, 1, reach), _positions(cells.column, 1, reach))
            crops = F.interpolate(small.permute(0, 3, 1, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
            start = 2 * reach - self._margin
            into.copy_(crops[..., start : start + side, start : start + side].permute(0, 2, 3, 1))
        else:
            into.copy_(gather(maps, cells.n, y, x))
        inside = ((y >= 0) & (y < HALF * rows))[:, :, None] & ((x >= 0) & (x < HALF * columns))[:, None, :]
        if into.device.type == "cpu":  # where waiting costs nothing, only what reaches outside is touched
            at_edge = (~inside.flatten(1).all(dim=1)).nonzero()[:, 0]
            into[at_edge] = into[at_edge] * inside[at_edge][..., None]
        else:
            into *= inside[..., None]

    def _buffer(self, k: int, side: int, channels: int) -> Tensor:
        return torch.empty((k, side, side, channels), dtype=self._dtype, device=self._weight.device)


def _windows(pictures: Tensor, margin: int) -> Tensor:
    """Look at pictures (T, H, W, 3) uint8 as overlapping windows around each cell, 0 outside of the picture.

    Returns (T, H/4, W/4, side, side * 3), side = 4 + 2 * margin: a view of a padded copy.
    """
    n, height, width, _ = pictures.shape
    padded = F.pad(pictures, (0, 0, margin, margin, margin, margin))
    picture, line, pixel, _ = padded.stride()
    side = CELL + 2 * margin
    shape = n, height // CELL, width // CELL, side, side * 3
    return padded.as_strided(shape, (picture, CELL * line, CELL * pixel, line, 1))


def _pick(windows: Tensor, n: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Copy some windows: (k, side, side * 3)."""
    if windows.device.type == "cpu":  # numpy copies whole lines, torch on a CPU byte by byte
        return torch.from_numpy(windows.numpy()[n.numpy(), row.numpy(), column.numpy()])
    return windows[n, row, column]


def _positions(cell: Tensor, step: int, margin: int) -> Tensor:
    """Return the positions (k, step + 2 * margin) of the pixels of cells along one side."""
    return cell[:, None] * step + torch.arange(-margin, step + margin, device=cell.device)


def _scaled(conv: nn.Conv2d, start: int, factor: float) -> nn.Conv2d:
    """Return a convolution whose inputs from channel `start` on come 1 / factor times as large."""
    scaled = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, bias=False)  # type: ignore[arg-type]
    weight = conv.weight.detach().float().clone()
    weight[:, start:] *= factor
    scaled.weight = nn.Parameter(weight, requires_grad=False)
    return scaled.eval()


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)
