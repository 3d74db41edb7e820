from __future__ import annotations

import pytest

from manifests.estimate import Load, Rates, Requests, estimate, requests_of

LOAD = Load(
    n_frames=7200,
    n_shards=120,
    n_streams=16,
    n_pictures=7200,
    n_visible=7200,
    n_plates=16,
    bytes_in=10**10,
    bytes_out=10**9,
)
RATES = Rates(n_workers=2, frames_per_s=10.0, n_cores=8, cpu_s=0.2, bytes_per_s=1e8)


def test_the_slowest_part_is_named_and_decides() -> None:
    found = estimate(LOAD, RATES)
    # 7,200 frames / 20 frames/s = 360 s; cores 7,200 * 0.2 / 8 = 180 s; bytes 1.1e10 / 1e8 = 110 s
    assert found.bottleneck == "devices" and found.wall_hours == pytest.approx(0.1)
    assert dict(found.hours)["cores"] == pytest.approx(0.05)
    assert dict(found.hours)["bytes of the store"] == pytest.approx(110 / 3600)
    assert found.gpu_hours == pytest.approx(0.2)


def test_more_devices_move_the_bottleneck_to_the_cores() -> None:
    found = estimate(LOAD, Rates(n_workers=8, frames_per_s=10.0, n_cores=8, cpu_s=0.2, bytes_per_s=1e9))
    assert found.bottleneck == "cores" and found.wall_hours == pytest.approx(0.05)


def test_requests_are_those_of_each_file_once() -> None:
    # puts: 2 masks a frame + a receipt a shard; gets: picture, visible and lowres a frame, and 16 plates
    # pages: 14,416 files, 14,400 masks, 120 receipts
    assert requests_of(LOAD) == Requests(2 * 7200 + 120, 3 * 7200 + 16, 15 + 15 + 1)


def test_videos_are_read_in_pieces() -> None:
    load = Load(n_frames=432, n_shards=7, n_streams=1, n_videos=1, n_plates=1, bytes_in=20 << 20)
    assert requests_of(load).n_gets == 3 + 1 + 432


def test_prices_are_of_requests_and_bytes() -> None:
    found = estimate(LOAD, Rates(2, 10.0, 8, 0.2, 1e8, gpu_price=3.0))
    assert found.requests_price == pytest.approx((14_520 + 31) / 1000 * 0.005 + 21_616 / 1000 * 0.0004)
    assert (found.gpu_price, found.month_price) == (pytest.approx(0.6), pytest.approx(0.023))


def test_loads_add_up() -> None:
    assert (LOAD + LOAD).n_frames == 14_400 and (LOAD + Load()) == LOAD
