"""Snapshots: JSON that loses nothing, differences that mean something, damage that ends in one error."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.errors import ContainerError, UsageError
from rsic_geo.geo.metadata import ControlPoint, MetadataSnapshot

floats = st.floats(allow_nan=True, allow_infinity=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(max_size=12)
tags = st.dictionaries(words, st.dictionaries(words, words, min_size=1, max_size=3), max_size=3)


@st.composite
def snapshots(draw: st.DrawFn) -> MetadataSnapshot:
    count = draw(st.integers(1, 4))

    def each(values: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(values, min_size=count, max_size=count)))

    bands = st.integers(1, count)
    colour = st.tuples(*[st.integers(0, 255)] * 4)
    point = st.builds(
        ControlPoint, row=finite, col=finite, x=finite, y=finite, z=finite, id=words, info=words
    )
    return MetadataSnapshot(
        width=draw(st.integers(1, 10**6)),
        height=draw(st.integers(1, 10**6)),
        count=count,
        dtypes=each(st.sampled_from(["uint8", "int16", "float32"])),
        crs=draw(st.none() | st.sampled_from(["EPSG:32633", 'LOCAL_CS["x"]'])),
        crs_epoch=draw(st.none() | finite),
        transform=draw(st.none() | st.tuples(*[finite] * 6)),
        gcps=tuple(draw(st.lists(point, max_size=4))),
        gcp_crs=draw(st.none() | st.just("EPSG:4326")),
        rpcs=draw(st.none() | st.dictionaries(words, words, min_size=1, max_size=3)),
        area_or_point=draw(st.sampled_from(["Area", "Point"])),
        nodata=each(st.none() | floats | st.integers(-(2**63), 2**64 - 1)),
        mask_flags=each(st.sampled_from([("all_valid",), (), ("per_dataset", "alpha"), ("nodata",)])),
        colorinterp=each(st.sampled_from(["gray", "undefined", "red", "alpha"])),
        colormaps=draw(st.dictionaries(bands, st.dictionaries(st.integers(0, 255), colour, max_size=3))),
        categories=draw(st.dictionaries(bands, st.lists(words, min_size=1).map(tuple), max_size=2)),
        attribute_tables=draw(st.dictionaries(bands, st.just("<a><b>1</b></a>"), max_size=1)),
        descriptions=each(st.none() | words),
        scales=each(floats),
        offsets=each(floats),
        units=each(st.none() | words),
        tags=draw(tags),
        band_tags=draw(st.dictionaries(bands, tags, max_size=2)),
        has_statistics=draw(st.booleans()),
    )


def small(**fields: Any) -> MetadataSnapshot:
    return MetadataSnapshot(width=4, height=3, count=1, **fields)


@given(snapshots())
def test_json_round_trip_loses_nothing(snapshot: MetadataSnapshot) -> None:
    text = json.dumps(snapshot.to_json(), allow_nan=False)
    restored = MetadataSnapshot.from_json(json.loads(text))
    assert snapshot.diff(restored) == []
    assert restored.to_json() == snapshot.to_json()


@given(snapshots())
def test_no_difference_to_itself(snapshot: MetadataSnapshot) -> None:
    assert snapshot.diff(snapshot) == []


def test_defaults_take_no_room() -> None:
    snapshot = MetadataSnapshot(width=7, height=5, count=3)
    assert snapshot.to_json() == {"width": 7, "height": 5, "count": 3}


def test_a_value_of_all_bands_is_stored_once() -> None:
    snapshot = MetadataSnapshot(
        width=7, height=5, count=224, dtypes=("int16",) * 224, nodata=(-9999.0,) * 224
    )
    assert len(json.dumps(snapshot.to_json())) < 110


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | floats | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from([
        "width", "count", "dtypes", "nodata", "gcps", "transform", "colormaps", "categories", "tags",
        "band_tags", "rpcs", "crs", "scales", "units", "mask_flags", "crs_epoch", "attribute_tables",
    ]),
)  # fmt: skip
def test_damaged_json_ends_in_one_error(value: Any, field: str) -> None:
    data = {"width": 4, "height": 3, "count": 2, field: value}
    with suppress(ContainerError):
        assert isinstance(MetadataSnapshot.from_json(data), MetadataSnapshot)


def test_unknown_fields_are_ignored() -> None:
    data = small().to_json() | {"added_by_a_later_version": [1, 2]}
    assert MetadataSnapshot.from_json(data) == small()


def test_missing_size_is_an_error() -> None:
    with pytest.raises(ContainerError, match="damaged"):
        MetadataSnapshot.from_json({"width": 4, "height": 3})


def test_per_band_fields_must_fit_the_bands() -> None:
    with pytest.raises(UsageError, match="scales"):
        MetadataSnapshot(width=4, height=3, count=2, scales=(1.0,))


@pytest.mark.parametrize(
    ("field", "ours", "theirs"),
    [
        ("transform", (1.0, 0.0, 5e5, 0.0, -1.0, 5e6), (1.0, 0.0, math.nextafter(5e5, 6e5), 0.0, -1.0, 5e6)),
        ("transform", (1.0, 0.0, 5.0, 0.0, -1.0, 5.0), None),
        ("crs", "EPSG:32633", "EPSG:32634"),
        ("crs", "EPSG:32633", None),
        ("crs_epoch", 2015.5, None),
        ("area_or_point", "Point", "Area"),
        ("nodata", (math.nan,), (0.0,)),
        ("scales", (0.1,), (0.1 + 2e-17 + 1e-16,)),
        ("colormaps", {1: {0: (0, 0, 0, 255)}}, {}),
        ("categories", {1: ("a",)}, {1: ("b",)}),
        ("rpcs", {"LINE_OFF": "1"}, {"LINE_OFF": "1.00001"}),
        ("rpcs", {"LINE_OFF": "1"}, {"LINE_OFF": "1", "SAMP_OFF": "1"}),
        ("gcps", (ControlPoint(row=0, col=0, x=1, y=2),), (ControlPoint(row=1, col=1, x=1, y=2),)),
        ("gcps", (ControlPoint(row=0, col=0, x=1, y=2, id="p"),), (ControlPoint(row=0, col=0, x=1, y=2),)),
    ],
)
def test_real_differences_are_found(field: str, ours: Any, theirs: Any) -> None:
    found = small(**{field: ours}).diff(small(**{field: theirs}))
    assert [each.field for each in found] == [field]
    assert field in str(found[0])
    assert small(**{field: ours}).diff(small(**{field: theirs}), ignore=[field]) == []


@pytest.mark.parametrize(
    ("field", "ours", "theirs"),
    [
        ("nodata", (math.nan,), (math.nan,)),
        ("colorinterp", ("undefined",), ("gray",)),
        ("rpcs", {"LINE_OFF": "+0001.50"}, {"LINE_OFF": "1.5"}),
        ("gcps", (ControlPoint(row=0, col=0, x=1, y=2),), (ControlPoint(row=0, col=0, x=1, y=2, id="1"),)),
        ("gcps", (ControlPoint(row=0, col=0, x=1, y=2),), (ControlPoint(row=0, col=0, x=1 + 1e-12, y=2),)),
        ("tags", {"xml:A": {"": "<a  b='1'>\n<c/></a>"}}, {"xml:A": {"": '<a b="1"><c></c></a>'}}),
        ("tags", {"": {"TIFFTAG_XRESOLUTION": "0.393701"}}, {"": {"TIFFTAG_XRESOLUTION": "0.39370099"}}),
    ],
)
def test_layout_is_no_difference(field: str, ours: Any, theirs: Any) -> None:
    assert small(**{field: ours}).diff(small(**{field: theirs})) == []


def test_items_are_compared_one_by_one() -> None:
    ours = small(tags={"": {"A": "1", "B": "2"}, "D": {"x": "y"}}, band_tags={1: {"": {"C": "3"}}})
    theirs = small(tags={"": {"A": "1", "B": "3"}}, band_tags={})
    found = [(each.field, each.band, each.ours, each.theirs) for each in ours.diff(theirs)]
    assert found == [
        ("tags[][B]", None, "2", "3"),
        ("tags[D][x]", None, "y", None),
        ("tags[][C]", 1, "3", None),
    ]


def test_same_crs_is_asked() -> None:
    ours, theirs = small(crs="EPSG:4326"), small(crs='GEOGCRS["WGS 84"]')
    assert len(ours.diff(theirs)) == 1
    assert ours.diff(theirs, same_crs=lambda a, b: True) == []


def test_statistics_go_and_the_rest_stays() -> None:
    statistics = {"STATISTICS_MEAN": "1", "STATISTICS_MAXIMUM": "2"}
    snapshot = MetadataSnapshot(
        width=4,
        height=3,
        count=2,
        tags={"": {**statistics, "A": "1"}, "D": {"STATISTICS_MEAN": "is another domain"}},
        band_tags={1: {"": statistics}, 2: {"": {**statistics, "wavelength": "443"}}},
    )
    assert snapshot.without_statistics() == replace(
        snapshot,
        tags={"": {"A": "1"}, "D": {"STATISTICS_MEAN": "is another domain"}},
        band_tags={2: {"": {"wavelength": "443"}}},
        has_statistics=False,
    )


def test_explicit_mask_is_neither_alpha_nor_nodata() -> None:
    assert small(mask_flags=(("per_dataset",),)).has_explicit_mask
    assert not small(mask_flags=(("per_dataset", "alpha"),)).has_explicit_mask
    assert not small(mask_flags=(("nodata",),)).has_explicit_mask


def test_items_without_a_value_may_go_missing_and_no_others() -> None:
    def of(**items: str) -> MetadataSnapshot:
        return MetadataSnapshot(width=1, height=1, count=1, tags={"": items} if items else {})

    full = of(NITF_FSCAUT="", PLATFORM="A")
    assert full.diff(of(PLATFORM="A")) == []
    assert [each.field for each in full.diff(of(NITF_FSCAUT=""))] == ["tags[][PLATFORM]"]
    assert [each.field for each in full.diff(of(NITF_FSCAUT="B", PLATFORM="A"))] == ["tags[][NITF_FSCAUT]"]
    assert [each.field for each in of(PLATFORM="A").diff(full)] == ["tags[][NITF_FSCAUT]"]
