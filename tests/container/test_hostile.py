"""Damaged and hostile files: container errors only, in bounded time and memory."""

from __future__ import annotations

import random
import tracemalloc
from contextlib import suppress

import pytest
from jp2_support import noise, write_jp2
from support import BROKEN, scene_params

from rsic_geo.codecs.jpeg2000 import J2KParams
from rsic_geo.container.boxes import Jp2Boxes, make_box
from rsic_geo.container.codestream import read_tile, tile_crc
from rsic_geo.container.jp2 import (
    SIGNATURE_BOX,
    append_side_information,
    find_codestream,
    read_side_information,
    strip_side_information,
)
from rsic_geo.errors import ContainerError

MOST_MEMORY = 64 << 20


def read_everything(path):
    with suppress(ContainerError):
        read_side_information(path)
    with suppress(ContainerError):
        strip_side_information(path, path.with_suffix(".stripped"))
    with path.open("rb") as file, suppress(ContainerError):
        index = find_codestream(file)
        for tile in sorted({part.tile for part in index.parts})[:4]:
            tile_crc(file, index, tile)
            read_tile(file, index, tile)
    with suppress(ContainerError):
        append_side_information(path, b"x")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return a copy with a few bits flipped, bytes set, cut out or put in, or the end cut off."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        place, kind = rng.randrange(len(out)), rng.randrange(5)
        if kind == 0:
            out[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[place] = rng.choice((0, 1, 127, 128, 255))
        elif kind == 2:
            del out[place : place + rng.randint(1, 16)]
        elif kind == 3:
            out[place:place] = rng.randbytes(rng.randint(1, 16))
        else:
            del out[place:]
        if not out:
            break
    return bytes(out)


@pytest.mark.parametrize("seed", range(4))
def test_mutants_of_a_real_file(tmp_path, seed):
    path = tmp_path / "scene.jp2"
    boxes = Jp2Boxes(geotiff=b"II*\0" + bytes(60), gml="<a/>", xml="<b/>")
    write_jp2(path, noise((3, 70, 90), "uint8"), J2KParams(lossless=True, tile_size=64), boxes=boxes)
    append_side_information(path, bytes(40))
    data, rng = path.read_bytes(), random.Random(seed)
    tracemalloc.start()
    try:
        for number in range(300):
            head = rng.randrange(100, 700) if number % 2 else len(data)
            path.write_bytes(mutated(data[:head], rng) + data[head:])
            read_everything(path)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("source", scene_params("*", folder=BROKEN))
@pytest.mark.timeout(300)
def test_files_that_broke_other_readers(tmp_path, source):
    path = tmp_path / "broken.jp2"
    path.write_bytes(source.read_bytes())
    tracemalloc.start()
    try:
        read_everything(path)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


def test_endless_boxes_end(tmp_path):
    path = tmp_path / "boxes.jp2"
    path.write_bytes(SIGNATURE_BOX + make_box(b"free", b"") * 100_000)
    with pytest.raises(ContainerError, match="boxes"):
        read_side_information(path)


@pytest.mark.parametrize("length", [2, 7, 0x7FFFFFFF, 0xFFFFFFFF])
def test_boxes_of_impossible_length_are_refused(tmp_path, length):
    path = tmp_path / "boxes.jp2"
    path.write_bytes(SIGNATURE_BOX + length.to_bytes(4, "big") + b"uuid" + bytes(30))
    with pytest.raises(ContainerError):
        read_side_information(path)
