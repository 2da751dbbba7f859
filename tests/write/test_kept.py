"""One store for whatever is gone on with after a kill: records come back whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.write.kept import Kept, read_entries, write_entries

RECORDS = st.lists(st.binary(max_size=40), max_size=6)


@given(records=RECORDS, more=RECORDS)
def test_what_was_kept_comes_back_in_order(tmp_path_factory, records, more):
    kept = Kept(tmp_path_factory.mktemp("kept") / "file")
    assert list(kept) == []
    kept.replace(records)
    for record in more:
        kept.add(record)
    assert list(kept) == records + more
    assert [path.name for path in kept.path.parent.iterdir()] == ["file"]


@given(records=RECORDS, cut=st.floats(0, 1), late=st.binary(max_size=20))
def test_a_kill_at_any_byte_leaves_the_records_before_it_and_room_for_more(
    tmp_path_factory, records, cut, late
):
    kept = Kept(tmp_path_factory.mktemp("kept") / "file")
    kept.replace(records)
    content = kept.path.read_bytes()
    kept.path.write_bytes(content[: int(len(content) * cut)])
    left = list(kept)
    assert left == records[: len(left)]
    kept.add(late)
    assert list(kept) == [*left, late]


@given(
    records=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), place=st.floats(0, 0.999)
)
def test_a_flipped_bit_makes_no_other_record(tmp_path_factory, records, place):
    kept = Kept(tmp_path_factory.mktemp("kept") / "file")
    kept.replace(records)
    content = bytearray(kept.path.read_bytes())
    content[int(len(content) * place)] ^= 4
    kept.path.write_bytes(content)
    left = list(kept)
    assert left == records[: len(left)]
    assert len(left) < len(records)


def test_records_that_cannot_be_made_leave_the_older_ones(tmp_path):
    kept = Kept(tmp_path / "file")
    kept.replace([b"old"])

    def broken():
        yield b"new"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        kept.replace(broken())
    assert list(kept) == [b"old"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 20])
def test_what_is_no_dictionary_is_none(tmp_path, content):
    path = tmp_path / "entries"
    path.write_bytes(content)
    assert read_entries(path) is None
    write_entries(path, {"a": [1, None]})
    assert read_entries(path) == {"a": [1, None]}
    Kept(path).replace([b"[1]"])
    assert read_entries(path) is None
    assert read_entries(Path(f"{path}.none")) is None
