"""Row bands are bound to the content of a scene and to how it is read: nothing stale is ever taken."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import rasterio
from band_kills import counts
from batch_support import options, run, write_scene

from rsic_geo.batch import scene as batch_scene
from rsic_geo.batch import verify
from rsic_geo.batch.coordinator import WORKSHOP
from rsic_geo.batch.message import SceneJob
from rsic_geo.batch.parts import store_for
from rsic_geo.batch.register import survey
from rsic_geo.batch.source import check_unchanged, look_at
from rsic_geo.codecs.registry import get_entry
from rsic_geo.errors import JobCancelledError, SceneError, SourceChangedError
from rsic_geo.geo.footprint_blob import blob_bounds
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.raster import gdal_config, open_scene
from rsic_geo.targets import Target
from rsic_geo.verbs import compress
from rsic_geo.write import parts as bands_module
from rsic_geo.write.parts import BandStore, help_out
from rsic_geo.write.passes import TilePass
from rsic_geo.write.plan import plan_scene
from rsic_geo.write.reading import Bench, sized_codec


def wanted(target: str) -> EncodeOptions:
    return EncodeOptions(
        target=Target.parse(target),
        model="none",
        tile_size=256,
        execution=Execution(threads=1),
        verify="none",
    )


def mosaic(folder, *members, mask=None):
    """Write members of 512 x 300 px one below the other as a VRT; return its path."""

    def source(name, row):
        return (
            f'<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename>'
            '<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="300" ySize="512"/>'
            f'<DstRect xOff="0" yOff="{row}" xSize="300" ySize="512"/></SimpleSource>'
        )

    band = "".join(source(name, 512 * i) for i, name in enumerate(members))
    masked = f'<MaskBand><VRTRasterBand dataType="Byte">{source(mask, 0)}</VRTRasterBand></MaskBand>'
    path = folder / "mosaic.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="300" rasterYSize="{512 * len(members)}"><SRS>EPSG:32633</SRS>'
        "<GeoTransform>500000,10,0,5000000,0,-10</GeoTransform>"
        f'<VRTRasterBand dataType="Byte" band="1">{band}</VRTRasterBand>{masked if mask else ""}</VRTDataset>'
    )
    return path


def same_pixels(source, product) -> bool:
    with rasterio.open(source) as one, rasterio.open(product) as other:
        return np.array_equal(one.read(), other.read())


def stopped_in_the_proof(source, out, target, monkeypatch, **settings) -> set[str]:
    """Run a batch that stops after rows of the scene were proven; return the folders of bands it leaves."""
    real, seen = verify.compare_window, []

    def compared(original, archive, window, bands):
        seen.append(window.row_off)
        if len(seen) == 5:
            raise JobCancelledError("stopped")
        return real(original, archive, window, bands)

    with monkeypatch.context() as patch:
        patch.setattr(verify, "_WINDOW", 256)
        patch.setattr(verify, "compare_window", compared)
        with pytest.raises(JobCancelledError):
            run([str(source)], out, target, bands_above=0.25, **settings)
    (folder,) = (out / WORKSHOP).glob("*/bands-*")
    assert (folder / "proof.json").exists()
    return {part.name for part in folder.glob("*.part")}


def test_a_changed_member_of_a_mosaic_drops_the_bands(tmp_path, monkeypatch):
    for seed in (0, 1):
        write_scene(tmp_path / f"p{seed}.tif", seed, shape=(512, 300))
    source = mosaic(tmp_path, "p0.tif", "p1.tif")
    target = options("lossless", tile_size=256)
    assert stopped_in_the_proof(source, tmp_path / "out", target, monkeypatch)
    write_scene(tmp_path / "p0.tif", 7, shape=(512, 300))
    assert run([str(source)], tmp_path / "out", target, bands_above=0.25)[0].done == 1
    assert counts(tmp_path / "out")["kept"] == 0
    assert same_pixels(source, tmp_path / "out" / "mosaic.jp2")


def test_a_member_that_changes_meanwhile_is_noticed(tmp_path, monkeypatch):
    write_scene(tmp_path / "p0.tif", 0, shape=(512, 300))
    source = mosaic(tmp_path, "p0.tif")
    real = compress.compress

    def changed(*given):
        report = real(*given)
        write_scene(tmp_path / "p0.tif", 7, shape=(512, 300))
        return report

    monkeypatch.setattr(compress, "compress", changed)
    monkeypatch.setattr(batch_scene, "prove", lambda *_, **__: None)
    _, outcomes = run([str(source)], tmp_path / "out", options(tile_size=256))
    assert outcomes["mosaic.vrt"].error_kind == "changed"


def test_a_changed_option_of_gdal_drops_the_bands(tmp_path, monkeypatch):
    source = write_scene(tmp_path / "scene.tif", shape=(1024, 300))
    target = options("lossless", tile_size=256)
    before = {"config": (("GTIFF_IGNORE_READ_ERRORS", "YES"),)}
    assert stopped_in_the_proof(source, tmp_path / "out", target, monkeypatch, **before)
    assert run([str(source)], tmp_path / "out", target, bands_above=0.25)[0].done == 1
    assert counts(tmp_path / "out")["kept"] == 0


def test_parts_are_known_by_how_the_scene_was_read(tmp_path):
    source = write_scene(tmp_path / "scene.tif", shape=(1024, 300))
    (tmp_path / "scene.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>100</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    kept = []
    for turn, config in enumerate(({"GDAL_PAM_ENABLED": "NO"}, {}, {})):
        store = BandStore(tmp_path / "bands", {})
        with gdal_config(config):
            compress.compress(str(source), str(tmp_path / f"{turn}.jp2"), wanted("lossless"), bands=store)
        kept.append(store.kept)
    assert kept == [0, 0, 1]


def test_what_a_writer_from_before_still_makes_is_not_taken(tmp_path):
    """A worker that outlives its coordinator goes on in its own folder, or in none."""
    source = write_scene(tmp_path / "scene.tif", shape=(1024, 300))
    job = SceneJob(
        fid=1, run="r", source=str(source), product=str(tmp_path / "p.jp2"), report=str(tmp_path / "p.json"),
        workshop=str(tmp_path / "shop"), options=wanted("lossless"), fingerprint="f", bands_above=1,
    )  # fmt: skip
    old = store_for(job, look_at(job.source))
    write_scene(source, 5, shape=(1024, 300))
    new = store_for(job, look_at(job.source))
    assert old.folder != new.folder
    assert not old.folder.exists()
    other = store_for(replace(job, fid=11), look_at(job.source))
    assert store_for(job, look_at(job.source)).folder == new.folder
    assert other.folder.exists()
    with pytest.raises(SceneError):
        compress.compress(job.source, str(tmp_path / "a.jp2"), job.options, bands=old)
    assert not list(new.folder.glob("*.part"))


def test_parts_that_cannot_be_thrown_away_become_no_others(tmp_path, monkeypatch):
    def refuse(_path, ignore_errors=False):
        if not ignore_errors:
            raise PermissionError("no")

    BandStore(tmp_path / "bands", {"key": 1})
    monkeypatch.setattr(bands_module.shutil, "rmtree", refuse)
    for _ in range(2):
        with pytest.raises(PermissionError):
            BandStore(tmp_path / "bands", {"key": 2})


def test_a_helper_of_another_version_makes_nothing(tmp_path, monkeypatch):
    scene = write_scene(tmp_path / "scene.tif", shape=(1024, 300))
    store = BandStore(tmp_path / "bands", {})
    with open_scene(str(scene)) as reader:
        plan = plan_scene(reader, wanted("lossless"))[1]
        bench = Bench(reader=reader, plan=plan, codec=sized_codec(get_entry("jp2"), plan), workers=1)
        todo = TilePass(work="curves", layers=(9.0,))
        opened = {"plan": bands_module.plan_digest(bench.plan), "pass": todo.to_json()}
        (store.folder / "pass.json").write_text(json.dumps(opened))
        monkeypatch.setattr(bands_module, "version", lambda: "0.0.0")
        assert help_out(store.folder, bench) == 0
    assert not list(store.folder.glob("*.part"))


def test_a_source_is_known_by_all_it_is_read_from(tmp_path):
    for seed in range(3):
        write_scene(tmp_path / f"p{seed}.tif", seed, shape=(512, 300))
    inner = mosaic(tmp_path, "p0.tif", mask="p1.tif").rename(tmp_path / "inner.vrt")
    outer = str(mosaic(tmp_path, "inner.vrt", "p2.tif"))
    seen = look_at(outer)
    assert [os.path.basename(name) for name in seen.members] == ["inner.vrt", "p0.tif", "p1.tif", "p2.tif"]
    assert seen.is_known
    assert look_at(outer) == seen
    for seed in range(3):
        write_scene(tmp_path / f"p{seed}.tif", seed + 3, shape=(512, 300))
        with pytest.raises(SourceChangedError):
            check_unchanged(outer, seen)
        before, seen = seen, look_at(outer)
        assert seen.content_key != before.content_key
    (tmp_path / "p2.tif.msk").write_bytes((tmp_path / "p1.tif").read_bytes())
    with pytest.raises(SourceChangedError):
        check_unchanged(outer, seen)
    inner.write_text(inner.read_text().replace("p0.tif", "gone.tif"))
    assert not look_at(outer).is_known
    far = mosaic(tmp_path, "p0.tif")
    far.write_text(far.read_text().replace('relativeToVRT="1">p0', 'relativeToVRT="0">/vsizip/a.zip/p0'))
    assert not look_at(str(far)).is_known
    assert not look_at("/vsizip/a.zip/p0.tif").is_known
    plain = look_at(str(tmp_path / "p0.tif"))
    assert (plain.members, plain.is_known) == ((), True)


def test_a_learned_archive_is_planned_by_its_own_size_not_its_previews(tmp_path, monkeypatch):
    if find_spec("compressai") is None:
        pytest.skip("compressai is not installed (it has no build for Python 3.13)")
    from learned_support import busy_network, weights_of

    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "busy.safetensors").write_bytes(weights_of(busy_network()).content)
    monkeypatch.setenv("RSIC_GEO_WEIGHTS", str(tmp_path / "weights"))
    scene, archive = write_scene(tmp_path / "scene.tif", size=200), tmp_path / "in" / "scene.rsic.tif"
    archive.parent.mkdir()
    how = replace(wanted("psnr=26"), codec="learned:busy")
    compress.compress(str(scene), str(archive), how)
    with rasterio.open(archive) as preview:
        assert preview.width < 200
    seen, plain = survey(str(archive)), survey(str(scene))
    assert [seen[name] for name in ("width", "height", "bands", "dtype")] == [200, 200, 1, "uint8"]
    assert blob_bounds(seen["geom"]) == pytest.approx(blob_bounds(plain["geom"]), abs=1e-6)
    standing, outcomes = run(
        [str(archive)], tmp_path / "out", options("lossless", tile_size=256), bands_above=0.03
    )
    assert standing.done == 1, outcomes
    assert standing.all_pixels == 200 * 200
    assert counts(tmp_path / "out")["made"] > 0
