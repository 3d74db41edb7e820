"""The refiner of BackgroundMattingV2: the coarse result is computed again, at full size, where its error is large.

Lin et al. 2020, "Real-Time High-Resolution Background Matting", arXiv 2012.07810, section 3.2. The picture is a grid
of cells of 4x4 pixels; the cells with the largest predicted error are cropped, refined and put back.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CELL = 4
MODES = ("full", "sampling", "thresholding")
# bounds the memory of crops (about 11 kB a cell in float32); fixed, so that results do not depend on what is free
CELLS_AT_ONCE = 16_384
COARSE_CHANNELS = 36
PICTURE_CHANNELS = 6

Pair = tuple[Tensor, Tensor]  # a frame and its plate, each (3, H, W)


class Refiner(nn.Module):
    """Refine the cells of a coarse result that its mode selects."""

    def __init__(self, mode: str, sample_pixels: int, threshold: float, kernel_size: int) -> None:
        """Make the layers.

        mode: `sampling` takes the sample_pixels // 16 cells of largest error of each picture (fewer where the picture
        has fewer cells; of equal errors those first in reading order; none where the error is 0), `thresholding` all
        whose error is above the threshold (0..1), `full` all. kernel_size: 1 or 3. Raises ValueError for others.
        """
        super().__init__()
        _check_arguments(mode, sample_pixels, threshold, kernel_size)
        self.mode = mode
        self.sample_pixels = sample_pixels
        self.threshold = threshold
        # what the 3x3 convolutions eat at half size and at full size
        self.margins = (3, 2) if kernel_size == 3 else (0, 0)
        self.conv1 = nn.Conv2d(COARSE_CHANNELS + PICTURE_CHANNELS, 24, kernel_size, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.conv2 = nn.Conv2d(24, 16, kernel_size, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.conv3 = nn.Conv2d(16 + PICTURE_CHANNELS, 12, kernel_size, bias=False)
        self.bn3 = nn.BatchNorm2d(12)
        self.conv4 = nn.Conv2d(12, 4, kernel_size, bias=True)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, canvas: Tensor, coarse: Tensor, err: Tensor, src: Tensor, bgr: Tensor) -> Tensor:
        """Paint refined cells over the canvas in place and return which cells were chosen.

        canvas: (N, 1 or 4, H, W), the coarse alpha, or alpha and foreground residual, at full size. coarse:
        (N, 36, h, w), hidden, alpha and residual. err: (N, 1, h, w), 0..1. src: (N, 3, H, W) and bgr: (M, 3, H, W),
        RGB 0..1; where M < N, each plate serves N / M frames in turn. H and W are multiples of 4.
        Returns (N, 1, H/4, W/4) of 0 and 1. Each picture is refined alone: nothing depends on its place in the batch.
        """
        chosen, cells = self._choose(F.interpolate(err, _over(canvas, CELL), mode="bilinear", align_corners=False))
        n_frames_a_plate = len(src) // len(bgr)
        for n in range(len(src)):
            pictures = (src[n], bgr[n // n_frames_a_plate])
            if self.mode == "full":
                canvas[n] = self._refine_all(coarse[n], pictures)[: canvas.shape[1]]
                continue
            own = chosen[n].flatten().nonzero()[:, 0] if cells is None else cells[n]
            if len(own):
                self._paint(canvas[n], coarse[n], pictures, own, chosen[n].flatten())
        return chosen.to(canvas.dtype)

    def _choose(self, err: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return which cells are chosen (N, 1, h, w) bool, and for sampling their candidates (N, k).

        The number of candidates does not depend on the errors, so that a GPU need not be waited for.
        """
        if self.mode == "full":
            return torch.ones_like(err, dtype=torch.bool), None
        if self.mode == "thresholding":
            return err > self.threshold, None
        flat = err.float().flatten(1)
        n_cells = min(self.sample_pixels // CELL**2, flat.shape[1])
        # a stable sort, not topk: ties must go by index wherever this runs
        cells = flat.sort(dim=1, descending=True, stable=True).indices[:, :n_cells]
        chosen = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, cells, True) & (flat > 0)
        return chosen.view_as(err), cells

    def _paint(self, canvas: Tensor, coarse: Tensor, pictures: Pair, cells: Tensor, chosen: Tensor) -> None:
        """Refine the given cells of one frame that are chosen too; canvas (C, H, W), cells (k,), chosen (h * w,)."""
        height, width = canvas.shape[-2:]
        half_size = _over(canvas, 2)
        halves = [_resize(picture, half_size) for picture in pictures]
        # cropping pixels of 36 channels is faster where the channels of a pixel lie together
        coarse = coarse[None].contiguous(memory_format=torch.channels_last)[0]
        if coarse.shape[-2:] != _over(canvas, CELL):
            coarse = _resize(coarse, half_size)
        # (C, H, W) -> (C, H/4, 4, W/4, 4): a view, so that writing into it writes the canvas
        grid = canvas.view(len(canvas), height // CELL, CELL, width // CELL, CELL)
        margin_half, margin_full = self.margins
        for start in range(0, len(cells), CELLS_AT_ONCE):
            some = cells[start : start + CELLS_AT_ONCE]
            row, column = some // (width // CELL), some % (width // CELL)
            low = [_crop(half, row, column, CELL // 2, margin_half) for half in halves]
            full = [_crop(picture, row, column, CELL, margin_full) for picture in pictures]
            hints = _crop_coarse(coarse, half_size, row, column, margin_half)
            refined = self._convolve(_join([hints, *low]), torch.cat(full, dim=1))
            before = grid[:, row, :, column, :]  # (k, C, 4, 4)
            after = refined[:, : len(canvas)]
            grid[:, row, :, column, :] = torch.where(chosen[some][:, None, None, None], after, before)

    def _refine_all(self, coarse: Tensor, pictures: Pair) -> Tensor:
        """Refine one frame whole: (4, H, W)."""
        half_size = _over(pictures[0], 2)
        margin_half, margin_full = self.margins
        low = torch.cat([_resize(part, half_size) for part in (coarse, *pictures)])
        full = torch.cat(pictures)
        return self._convolve(F.pad(low, (margin_half,) * 4)[None], F.pad(full, (margin_full,) * 4)[None])[0]

    def _convolve(self, low: Tensor, full: Tensor) -> Tensor:
        """Refine crops: low (k, 42, a, a) at half size and full (k, 6, b, b), with margins; (k, 4, c, c)."""
        x = self.relu(self.bn1(self.conv1(low)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = F.interpolate(x, full.shape[-2:], mode="nearest")
        x = self.relu(self.bn3(self.conv3(_join([x, full]))))
        refined: Tensor = self.conv4(x)
        return refined


def _crop_coarse(coarse: Tensor, half: tuple[int, int], row: Tensor, column: Tensor, margin: int) -> Tensor:
    """Cut cells out of the coarse result brought to half size: (k, 36, 2 + 2 * margin, 2 + 2 * margin).

    coarse: (36, h, w), at half size, or at a quarter: then only the crops are enlarged, which is the same in numbers.
    """
    if coarse.shape[-2:] == half:
        return _crop(coarse, row, column, CELL // 2, margin)
    reach = margin // 2 + 1
    small = _crop(coarse, row, column, 1, reach, outside="nearest")
    large = F.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
    start = 2 * reach - margin
    inner = large[..., start : large.shape[-2] - start, start : large.shape[-1] - start]
    y, x = _positions(row, column, CELL // 2, margin)
    inner *= _inside(y, x, half)[:, None]
    return inner


def _crop(picture: Tensor, row: Tensor, column: Tensor, step: int, margin: int, outside: str = "zero") -> Tensor:
    """Cut cells of step x step pixels with a margin out of (C, H, W): (k, C, n, n).

    outside: what lies outside of the picture, "zero" or the "nearest" pixel.
    """
    height, width = picture.shape[-2:]
    y, x = _positions(row, column, step, margin)
    index = (y.clamp(0, height - 1) * width)[:, :, None] + x.clamp(0, width - 1)[:, None, :]  # (k, n, n)
    if picture.stride(0) == 1:
        # (C, H, W) -> (H * W, C) -> (k, n, n, C) -> (k, C, n, n)
        pixels = picture.permute(1, 2, 0).flatten(0, 1).index_select(0, index.flatten())
        crops = pixels.view(*index.shape, -1).permute(0, 3, 1, 2)
    else:
        pixels = picture.flatten(1).index_select(1, index.flatten())  # (C, k * n * n)
        crops = pixels.view(-1, *index.shape).transpose(0, 1)
    if margin and outside == "zero":
        crops *= _inside(y, x, (height, width))[:, None]
    return crops


def _join(crops: list[Tensor]) -> Tensor:
    """Join crops (k, C, n, n) over channels, channels last: many small pictures are convolved fastest like that."""
    size = (len(crops[0]), sum(crop.shape[1] for crop in crops), *crops[0].shape[2:])
    # torch.cat would take the layout of the first and be slow with the others
    joined = torch.empty(size, dtype=crops[0].dtype, device=crops[0].device, memory_format=torch.channels_last)
    start = 0
    for crop in crops:
        joined[:, start : start + crop.shape[1]] = crop
        start += crop.shape[1]
    return joined


def _positions(row: Tensor, column: Tensor, step: int, margin: int) -> tuple[Tensor, Tensor]:
    """Return the y (k, n) and x (k, n) of the pixels of cells, n = step + 2 * margin."""
    offset = torch.arange(-margin, step + margin, device=row.device)
    return row[:, None] * step + offset, column[:, None] * step + offset


def _inside(y: Tensor, x: Tensor, size: tuple[int, int]) -> Tensor:
    """Say which pixels of crops lie in a picture of this size: (k, n, n) bool."""
    return ((y >= 0) & (y < size[0]))[:, :, None] & ((x >= 0) & (x < size[1]))[:, None, :]


def _resize(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring (C, h, w) to (C, *size)."""
    return F.interpolate(picture[None], size, mode="bilinear", align_corners=False)[0]


def _over(picture: Tensor, factor: int) -> tuple[int, int]:
    return picture.shape[-2] // factor, picture.shape[-1] // factor


def _check_arguments(mode: str, sample_pixels: int, threshold: float, kernel_size: int) -> None:
    if mode not in MODES:
        raise ValueError(f"refine_mode must be one of {', '.join(MODES)}, found {mode!r}")
    if sample_pixels < 0:
        raise ValueError(f"refine_sample_pixels must be 0 or more, found {sample_pixels}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"refine_threshold must be in 0..1, found {threshold}")
    if kernel_size not in (1, 3):
        raise ValueError(f"refine_kernel_size must be 1 or 3, found {kernel_size}")
