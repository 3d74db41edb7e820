"""The form of a JPEG by the letter of ITU-T T.81: could an encoder have written this scan, or is it damaged for sure?

Written apart from what cleanplate does, to judge it: a decoder may pass over what is no valid stream, and of a damage
that leaves a valid one nobody can know without a checksum.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from itertools import pairwise

from matting_tasks.decode_jpeg import FRAMES, SCAN, Segment, segments

_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_MAX_DC_BITS, _MAX_AC_BITS, _MAX_DC = 11, 10, 2047

Table = dict[tuple[int, int], int]
"""(length, code) -> value of a Huffman table."""


class Malformed(Exception):
    """Say where a JPEG breaks the standard."""


@dataclass
class Component:
    """One of a frame: its sampling, its blocks and, where the scans are progressive, which coefficients are not 0."""

    across: int
    down: int
    columns: int
    rows: int
    padded_columns: int
    nonzero: dict[int, set[int]] = field(default_factory=dict)


@dataclass
class Bits:
    """Bits of one restart interval."""

    text: str
    place: int = 0

    def take(self, n_bits: int) -> int:
        if self.place + n_bits > len(self.text):
            raise Malformed("the scan ends early")
        self.place += n_bits
        return int(self.text[self.place - n_bits : self.place] or "0", 2)

    def symbol(self, table: Table) -> int:
        code = 0
        for length in range(1, 17):
            code = code << 1 | self.take(1)
            if (length, code) in table:
                return table[length, code]
        raise Malformed("a code that is in no table")

    def check_end(self) -> None:
        rest = self.text[self.place :]
        if len(rest) >= 8 or "0" in rest:
            raise Malformed("bits are left, or are not the ones that fill a byte up")


def check_form(jpeg: bytes) -> None:
    """Raise Malformed where the scans of a whole Huffman-coded JPEG could not have been written by any encoder."""
    tables: dict[int, Table] = {}
    components: dict[int, Component] = {}
    interval, frame, listed = 0, -1, list(segments(jpeg))
    for found, following in pairwise(listed):
        if found.mark == 0xC4:
            tables |= _tables(found.payload)
        elif found.mark == 0xDD:
            (interval,) = struct.unpack(">H", found.payload[:2])
        elif found.mark in FRAMES:
            frame, components = found.mark, _components(found)
        elif found.mark == SCAN:
            if frame not in (_BASELINE, _EXTENDED, _PROGRESSIVE):
                raise Malformed("not a Huffman-coded frame of 8 bits")
            try:
                _Scan(found.payload, components, tables, frame).check(jpeg[found.behind : following.first], interval)
            except KeyError as err:
                raise Malformed(f"no table or component {err}") from err


class _Scan:
    """One scan and what it is coded with."""

    def __init__(self, payload: bytes, components: dict[int, Component], tables: dict[int, Table], frame: int) -> None:
        n_components = payload[0]
        self.parts = [(components[payload[1 + 2 * i]], payload[2 + 2 * i]) for i in range(n_components)]
        self.first, self.last, bits = payload[1 + 2 * n_components :][:3]
        if frame != _PROGRESSIVE:
            self.first, self.last, bits = 0, 63, 0
        self.refines, self.tables, self.is_progressive = bits >> 4 != 0, tables, frame == _PROGRESSIVE
        self.predicted = [0] * n_components
        self.run = 0

    def check(self, data: bytes, interval: int) -> None:
        units = self._units()
        wanted = [units] if not interval else [units[at : at + interval] for at in range(0, len(units), interval)]
        found = _RESTART.split(data)
        if len(found) != len(wanted):
            raise Malformed("restart marks are missing, or too many")
        for part, blocks in zip(found, wanted, strict=True):
            coded = part.rstrip(b"\xff").replace(b"\xff\x00", b"\xff")  # what ends it are fill bytes
            bits = Bits("".join(f"{byte:08b}" for byte in coded))
            self.predicted, self.run = [0] * len(self.parts), 0
            for unit in blocks:
                for number, block in unit:
                    self._block(bits, number, block)
            if self.run:
                raise Malformed("a run of blocks leads behind the end")
            bits.check_end()

    def _units(self) -> list[list[tuple[int, int]]]:
        """Return the blocks of each coded unit as (number of the component in the scan, block)."""
        if len(self.parts) == 1:
            part = self.parts[0][0]
            return [[(0, y * part.padded_columns + x)] for y in range(part.rows) for x in range(part.columns)]
        first = self.parts[0][0]
        across = first.padded_columns // first.across
        down = -(-first.rows // first.down)
        return [
            [
                (number, (uy * part.down + y) * part.padded_columns + ux * part.across + x)
                for number, (part, _) in enumerate(self.parts)
                for y in range(part.down)
                for x in range(part.across)
            ]
            for uy in range(down)
            for ux in range(across)
        ]

    def _block(self, bits: Bits, number: int, block: int) -> None:
        part, chosen = self.parts[number]
        if self.first == 0:
            if self.refines:
                bits.take(1)
            else:
                self._dc(bits, number, self.tables[chosen >> 4])
        if self.last == 0:
            return
        table = self.tables[0x10 | chosen & 15]
        known = part.nonzero.setdefault(block, set())
        if self.refines:
            self._refine(bits, table, known)
        else:
            self._ac(bits, table, known)

    def _dc(self, bits: Bits, number: int, table: Table) -> None:
        n_bits = bits.symbol(table)
        if n_bits > _MAX_DC_BITS:
            raise Malformed("a difference of more than 11 bits")
        value = bits.take(n_bits)
        if n_bits and value < 1 << n_bits - 1:
            value -= (1 << n_bits) - 1
        self.predicted[number] += value
        if abs(self.predicted[number]) > _MAX_DC + 1:
            raise Malformed("a mean that no block can have")

    def _ac(self, bits: Bits, table: Table, known: set[int]) -> None:
        if self.run:
            self.run -= 1
            return
        place = max(1, self.first)
        while place <= self.last:
            symbol = bits.symbol(table)
            run, n_bits = symbol >> 4, symbol & 15
            if n_bits > _MAX_AC_BITS:
                raise Malformed("a coefficient of more than 10 bits")
            if not n_bits and run < 15:
                if run and not self.is_progressive:
                    raise Malformed("a run of blocks in a sequential scan")
                self.run = (1 << run) + bits.take(run) - 1
                return
            place += run
            if place > self.last:
                raise Malformed("a run of zeros leads out of its block")
            if n_bits:
                bits.take(n_bits)
                known.add(place)
            place += 1

    def _refine(self, bits: Bits, table: Table, known: set[int]) -> None:
        place, fresh = max(1, self.first), set()
        while not self.run and place <= self.last:
            symbol = bits.symbol(table)
            run, n_bits = symbol >> 4, symbol & 15
            if n_bits > 1:
                raise Malformed("a refinement of more than one bit")
            if not n_bits and run < 15:
                self.run = (1 << run) + bits.take(run)
                break
            bits.take(n_bits)
            place = self._pass_over(bits, known, place, run)
            if n_bits:
                fresh.add(place)
            place += 1
        if self.run:
            bits.take(sum(place <= other <= self.last for other in known))
            self.run -= 1
        known |= fresh

    def _pass_over(self, bits: Bits, known: set[int], place: int, n_zeros: int) -> int:
        """Return the place behind that many zeros; what is known on the way is refined by a bit."""
        while place <= self.last and (place in known or n_zeros):
            if place in known:
                bits.take(1)
            else:
                n_zeros -= 1
            place += 1
        if place > self.last:
            raise Malformed("a run of zeros leads out of its block")
        return place


def _tables(payload: bytes) -> dict[int, Table]:
    found: dict[int, Table] = {}
    while payload:
        counts = payload[1:17]
        values = iter(payload[17 : 17 + sum(counts)])
        code, table = 0, {}
        for length, count in enumerate(counts, 1):
            for _ in range(count):
                value = next(values, None)
                if value is None:
                    raise Malformed("a Huffman table that is cut short")
                table[length, code] = value
                code += 1
            code <<= 1
        found[payload[0]] = table
        payload = payload[17 + sum(counts) :]
    return found


def _components(frame: Segment) -> dict[int, Component]:
    height, width, number = struct.unpack_from(">HHB", frame.payload, 1)
    sampling = [(frame.payload[6 + 3 * i], divmod(frame.payload[7 + 3 * i], 16)) for i in range(number)]
    across, down = max(s[0] for _, s in sampling), max(s[1] for _, s in sampling)
    if not min(min(s) for _, s in sampling):
        raise Malformed("a component of no size")
    n_units = _ceil(width, 8 * across)
    return {
        name: Component(h, v, _ceil(_ceil(width * h, across), 8), _ceil(_ceil(height * v, down), 8), n_units * h)
        for name, (h, v) in sampling
    }


def _ceil(number: int, of: int) -> int:
    return -(-number // of)
