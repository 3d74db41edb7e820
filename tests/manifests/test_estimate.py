from __future__ import annotations

from dataclasses import replace

import pytest

from manifests.estimate import Load, Rates, Requests, estimate, pack_puts, requests_of

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


def test_requests_are_those_that_a_run_makes() -> None:
    # puts: 2 masks a frame + a receipt a shard; gets: picture, visible and lowres a frame, of each of 16 cameras its
    # plate and 6 files for the check, receipts to judge and to join; pages: 14,416 files, 14,400 masks, 120 receipts
    n_gets = 3 * 7200 + 16 * 7 + 2 * 120
    assert requests_of(LOAD) == Requests(2 * 7200 + 120, n_gets, 15 + 15 + 1, 2 * 7200 + 120)
    assert requests_of(LOAD, qc=False).n_gets == n_gets - 7200 - 120
    assert requests_of(replace(LOAD, n_instants=9)).n_gets == n_gets + 7200


def test_a_pack_is_one_object_a_shard() -> None:
    small = requests_of(LOAD, pack=True)  # 8.3 MB a pack
    assert (small.n_puts, small.n_objects) == (120 + 120, 120 + 120)
    large = requests_of(replace(LOAD, bytes_out=120 * (33 << 20)), pack=True)  # two parts, begun and ended
    assert large.n_puts == 120 * 4 + 120 and large.n_objects == 240
    assert (pack_puts(0), pack_puts(32 << 20), pack_puts((32 << 20) + 1), pack_puts(100 << 20)) == (1, 1, 4, 6)


def test_a_video_is_fetched_by_each_of_its_shards() -> None:
    load = Load(n_frames=432, n_shards=7, n_streams=1, n_videos=1, n_video_reads=7, n_plates=1)
    assert requests_of(load, qc=False).n_gets == 7 + 2 + 7 + 7


def test_quality_control_takes_its_time_unless_it_is_left_out() -> None:
    load = replace(LOAD, n_instants=450)
    rates = Rates(64, 100.0, 512, 0.01, 1e9, qc_frame_s=0.003, qc_instant_s=0.07)
    found = estimate(load, rates)
    assert found.bottleneck == "quality control" and found.wall_hours * 3600 == pytest.approx(7200 * 0.003 + 31.5)
    without = estimate(load, replace(rates, n_judges=0))
    assert "quality control" not in dict(without.hours)


def test_prices_are_of_requests_and_bytes() -> None:
    found = estimate(LOAD, Rates(2, 10.0, 8, 0.2, 1e8, gpu_price=3.0))
    assert found.requests_price == pytest.approx((14_520 + 31) / 1000 * 0.005 + 21_952 / 1000 * 0.0004)
    assert (found.gpu_price, found.month_price) == (pytest.approx(0.6), pytest.approx(0.023))


def test_loads_add_up() -> None:
    assert (LOAD + LOAD).n_frames == 14_400 and (LOAD + Load()) == LOAD
