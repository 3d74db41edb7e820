from __future__ import annotations

import numpy as np
import pytest
from corpus import good
from corpus.damage import in_scans
from corpus.jpeg_form import Malformed, check_form


@pytest.mark.parametrize("name", good.jpegs())
def test_what_encoders_write_is_of_the_form(name: str) -> None:
    for seed in range(4):
        check_form(good.jpegs(seed)[name])


@pytest.mark.parametrize("name", good.jpegs())
def test_scans_that_are_cut_or_of_noise_are_not(name: str) -> None:
    jpeg = good.jpegs()[name]
    first, behind = in_scans(jpeg)
    with pytest.raises(Malformed):
        check_form(jpeg[: behind - 8] + good.END_MARK)
    noise = np.random.default_rng(0).integers(1, 255, behind - first, dtype=np.uint8).tobytes()
    with pytest.raises(Malformed):
        check_form(jpeg[:first] + noise + good.END_MARK)


def test_a_byte_that_is_not_filled_up_with_ones_is_not() -> None:
    filled = [jpeg for seed in range(8) for jpeg in good.jpegs(seed).values() if jpeg[-3] & 3 == 3]
    n_malformed = 0
    for jpeg in filled:
        try:
            check_form(jpeg[:-3] + bytes([jpeg[-3] & 0xFE]) + good.END_MARK)
        except Malformed as err:
            n_malformed += "fill a byte up" in str(err)
    assert n_malformed > len(filled) // 2  # of the others the last bit is one of a code
