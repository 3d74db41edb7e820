from __future__ import annotations

from fractions import Fraction

import pytest

from flows.settings import load_settings
from flows.video_settings import VideoSettings
from manifests.errors import UsageError


def test_outputs_come_in_a_fixed_order() -> None:
    assert load_settings(VideoSettings, None, {"what": "composite,alpha"}).outputs == ["alpha", "composite"]
    assert VideoSettings().outputs == ["alpha", "foreground", "composite"]


@pytest.mark.parametrize(
    ("said", "wanted"), [("8M", 8_000_000), ("1.5m", 1_500_000), ("800k", 800_000), ("5000", 5000)]
)
def test_a_bitrate_has_a_unit(said: str, wanted: int) -> None:
    assert VideoSettings(bitrate=said).bit_rate == wanted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("25", Fraction(25)),
        ("12.5", Fraction(25, 2)),
        ("30000/1001", Fraction(30000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
    ],
)
def test_a_rate_may_be_a_fraction(said: str, wanted: Fraction) -> None:
    assert VideoSettings(rate=said).frame_rate == wanted


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *(("bitrate", said) for said in ("fast", "8G", "0", "-1M", "M")),
        *(("rate", said) for said in ("0", "0/1", "25/0", "x", "-1", "2000")),
        *(("resize", said) for said in ("0", "0x10", "9", "10x", "1920x1080x3", "half", "1e3", "-1")),
        *(("what", said) for said in ("beta", "alpha,beta", "")),
        *(("device", said) for said in ("gpu", "cuda:")),
        ("chunk", 0),
        ("downsample_ratio", 2.0),
        ("refine_mode", "best"),
    ],
)
def test_nonsense_names_its_option(name: str, said: object) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}"):
        load_settings(VideoSettings, None, {name: said})


def test_only_parameters_that_were_said_are_given() -> None:
    said = load_settings(VideoSettings, None, {"downsample_ratio": 0.25, "chunk": 3})
    assert said.given_parameters == {"downsample_ratio": 0.25}
