"""One scene, its archive, and both as other programs read them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rasterio
from pipeline_support import painted, write_scene
from view_support import NAME, WORDS, Pair

import rsic_geo
from rsic_geo.cli import main
from rsic_geo.options import Execution
from rsic_geo.view.scene import SceneView
from rsic_geo.view.server import Serving
from rsic_geo.view.site import SceneSite


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return a scene of 600 x 420 px (columns, rows) whose corner holds no data."""
    folder = tmp_path_factory.mktemp("view")
    pixels = painted((3, 420, 600))
    pixels[:, :120, :160] = 0
    source = write_scene(folder / f"{NAME}.tif", pixels, nodata=0)
    with rasterio.open(source, "r+") as scene:
        scene.set_band_description(1, WORDS)
    archive = folder / f"{NAME}.jp2"
    rsic_geo.compress(source, archive, bpp=1, effort="fast")
    read = {}
    for name, enhance in (("codec", "off"), ("repaired", "auto")):
        rsic_geo.decompress(archive, folder / f"{name}.tif", enhance=enhance)
        with rasterio.open(folder / f"{name}.tif") as scene:
            read[name], valid = scene.read(), scene.dataset_mask() > 0
    assert (read["codec"] != read["repaired"]).any()
    return Pair(source, archive, pixels, read["codec"], read["repaired"], valid)


@pytest.fixture(scope="session")
def view(pair: Pair) -> Iterator[SceneView]:
    made = SceneView(str(pair.archive), str(pair.source), Execution())
    yield made
    made.close()


@pytest.fixture(scope="session")
def serving(view: SceneView) -> Iterator[Serving]:
    with Serving(SceneSite(view)) as found:
        yield found


@pytest.fixture(scope="session")
def exported(pair, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    assert (
        main(
            ["view", str(pair.archive), str(pair.source), "--export", str(path), "--export-size", "2.5", "-q"]
        )
        == 0
    )
    return path
