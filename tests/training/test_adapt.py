"""A network fine-tuned on an archive: pictures as they lie, a gain on what was held back, or nothing."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402

import rsic_geo  # noqa: E402
import rsic_geo.weights as weights_package  # noqa: E402
from rsic_geo.cli.entry import main  # noqa: E402
from rsic_geo.progress import Progress  # noqa: E402
from rsic_geo.repair.integer.weights import pack  # noqa: E402
from rsic_geo.repair.network import ResidualUNet, UNetSpec, paired  # noqa: E402
from rsic_geo.training import adapt as adapting  # noqa: E402
from rsic_geo.training.adapt import AdaptOptions, adapt  # noqa: E402
from rsic_geo.training.quantise import golden_of, quantise  # noqa: E402
from rsic_geo.training.rounding import Quantiser  # noqa: E402
from rsic_geo.verbs.pictures import PictureOptions, write_pictures  # noqa: E402

NANO = Path(weights_package.__file__).parent / "rsic-nano.safetensors"


def old_jpeg(rng: np.random.Generator, side: int) -> np.ndarray:
    """Return a scene (3, side, side) that was JPEG once: hard blocks of 8 px that a network can learn."""
    rows, columns = np.mgrid[0:side, 0:side]
    base = 120 + 50 * np.sin(rows / 9) * np.cos(columns / 13) + rng.normal(0, 14, (side, side))
    picture = np.stack([base, 0.9 * base + 10, 0.8 * base + 5], axis=2).clip(0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=40)
    return np.asarray(Image.open(content)).transpose(2, 0, 1)


def write(path: Path, pixels: np.ndarray, **profile) -> Path:
    count, height, width = pixels.shape
    settings = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": pixels.dtype.name,
    }
    if count == 3:
        settings["photometric"] = "RGB"
    with rasterio.open(path, "w", **settings, **profile) as scene:
        scene.write(pixels)
    return path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(5)
    return [write(folder / f"s{number}.tif", old_jpeg(rng, 256)) for number in range(4)]


def in_steps(wanted: AdaptOptions, told) -> adapting.Adapted:
    """Adapt in steps instead of minutes, which a busy machine makes too few."""
    return adapt(replace(wanted, budget_s=None, steps=40), told)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A very small network of integers that knows nothing yet."""
    torch.manual_seed(4)
    unet = ResidualUNet(UNetSpec(widths=(8, 8), blocks=(1, 1), proposals=2, plain=True)).eval()
    with torch.no_grad():
        unet.tail.weight.normal_(0, 0.02)
    unet.requires_grad_(False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Quantiser, "search", lambda *_: 0.0)
        made = quantise(
            paired(unet), torch.rand(2, 3, 128, 128), torch.full((2, 1, 2, 2), 0.03), lambda _: None
        )
    metadata = {"licence": "none", "name": "small", "unet": json.dumps(unet.spec.to_json())}
    path = tmp_path_factory.mktemp("base") / "small.safetensors"
    path.write_bytes(pack(made, golden_of(made), metadata))
    return path


@pytest.fixture(scope="module")
def adapted(scenes, base, tmp_path_factory):
    """Weights made in a few seconds by the command line."""
    out = tmp_path_factory.mktemp("weights") / "my-drone.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapting, "LEGS", 1)
        patch.setattr("rsic_geo.cli.commands.adapt.LEAST_HELD", 1)
        few = {**PictureOptions.__init__.__kwdefaults__, "train": 12, "held": 2}
        patch.setattr(PictureOptions.__init__, "__kwdefaults__", few)
        patch.setattr(adapting, "CROPS", 2)
        patch.setattr(Quantiser, "search", lambda *_: 0.0)  # takes a minute, has tests of its own
        patch.setattr(adapting, "_POOL", 32)
        patch.setattr(adapting, "_BATCH", 4)
        patch.setattr(adapting, "adapt", in_steps)
        assert main(["adapt", *map(str, scenes), str(out), "--base", str(base), "-q"]) == 0
    return out


def test_pictures_are_windows_of_the_scene_where_the_wavelet_has_them(scenes, tmp_path):
    found = write_pictures([str(scenes[0])], tmp_path, PictureOptions(train=6, held=3), Progress())
    assert not found.apart  # one scene: the last quarter of its rows is held
    with rasterio.open(scenes[0]) as scene:
        pixels = scene.read()
    with tarfile.open(tmp_path / "train" / "pictures.tar") as tar:
        taken = [np.asarray(Image.open(tar.extractfile(one))) for one in tar.getmembers()]
    assert len(taken) == found.train == 6
    places = [
        (row, col)
        for row in range(0, 192, 32)
        for col in range(0, 256, 32)
        for one in taken
        if np.array_equal(
            pixels[:, row : row + one.shape[0], col : col + one.shape[1]].transpose(1, 2, 0), one
        )
    ]
    assert len(places) >= len({one.tobytes() for one in taken})


def test_bands_by_themselves_are_grey_scaled_over_the_range_and_holes_are_left_out(tmp_path):
    pixels = np.random.default_rng(1).integers(2000, 4000, (1, 512, 1024), dtype=np.uint16)
    pixels[:, :, 512:] = 0
    path = write(tmp_path / "pan.tif", pixels, nodata=0)
    (tmp_path / "pictures").mkdir()
    found = write_pictures([str(path)], tmp_path / "pictures", PictureOptions(train=4, held=2), Progress())
    assert found.train == 4
    assert found.held == 2
    assert not list((tmp_path / "pictures" / "held" / "colour").iterdir())
    for place in (tmp_path / "pictures" / "held" / "grey").iterdir():
        shown = np.asarray(Image.open(place)).astype(int)
        assert (shown[..., 0] == shown[..., 1]).all()
        # 2000 to 4000 spread over all of 0 to 255: a hole of zeros would press them together.
        assert np.percentile(shown, 2) < 30
        assert np.percentile(shown, 98) > 220


def test_few_pictures_are_one_clear_line(tmp_path, capsys):
    path = write(tmp_path / "small.tif", np.full((3, 64, 64), 9, np.uint8))
    assert main(["adapt", str(path), str(tmp_path / "x.safetensors"), "--budget", "1s"]) == 2
    assert "too few" in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Big Name.safetensors", "lower-case"),
        ("x.pt", "lower-case"),
        ("rsic-nano.safetensors", "ships with rsic"),
    ],
)
def test_names_archives_could_not_hold_are_refused(scenes, tmp_path, capsys, name, said):
    assert main(["adapt", str(scenes[0]), str(tmp_path / name)]) == 2
    assert said in capsys.readouterr().err


def test_what_is_written_gained_on_what_was_held_back(adapted):
    card = adapted.with_suffix(".md").read_text()
    assert "fine-tuned on 12 pictures of 4 scenes (whole scenes held back)" in card
    assert "bytes at equal error there, against `small` | -" in card


def test_nothing_is_written_where_nothing_is_gained(scenes, base, tmp_path, monkeypatch):
    write_pictures([str(path) for path in scenes], tmp_path, PictureOptions(train=2, held=1), Progress())
    monkeypatch.setattr(adapting, "compare", lambda *_: (-0.3, -1.0))
    monkeypatch.setattr(adapting, "_POOL", 16)
    found = adapt(
        AdaptOptions(
            base=base, data=tmp_path / "train", held=tmp_path / "held", out=tmp_path / "x.safetensors",
            work=tmp_path / "work", steps=1,
        ),
        lambda _fraction, _text: None,
    )  # fmt: skip
    assert found.sha256 is None
    assert not (tmp_path / "x.safetensors").exists()


def test_a_batch_keeps_the_weights_once_and_its_archive_reads_wherever_it_goes(adapted, scenes, tmp_path):
    out = tmp_path / "archive"
    words = [
        "batch",
        "run",
        *map(str, scenes[:2]),
        str(out),
        "--target",
        "psnr=33",
        "--model",
        str(adapted),
        "-j0",
    ]
    assert main(words) == 0
    kept = out / "rsic-weights" / "my-drone.safetensors"
    assert kept.read_bytes() == adapted.read_bytes()
    moved = tmp_path / "deep" / "elsewhere"
    moved.parent.mkdir()
    out.rename(moved)
    info = rsic_geo.info(moved / "s0.jp2")
    assert "my-drone" in json.dumps(info, default=str)
    back = rsic_geo.decompress(moved / "s0.jp2", tmp_path / "back.tif")
    assert back
    with rasterio.open(scenes[0]) as one, rasterio.open(tmp_path / "back.tif") as other:
        error = np.square(one.read().astype(float) - other.read()).mean()
    assert 10 * np.log10(255**2 / error) >= 33
    (moved / "rsic-weights" / "my-drone.safetensors").unlink()
    assert main(["decompress", str(moved / "s0.jp2"), str(tmp_path / "again.tif")]) == 5
    assert main(["decompress", str(moved / "s0.jp2"), str(tmp_path / "again.tif"), "--enhance", "off"]) == 0


def test_a_single_archive_keeps_its_weights_beside_it_sealed_or_not(adapted, scenes, tmp_path, capsys):
    words = ["compress", str(scenes[3]), str(tmp_path / "a.jp2"), "--target", "psnr=33", "--seal"]
    assert main([*words, "--model", str(adapted)]) == 0
    assert "its weights were put into the folder rsic-weights" in capsys.readouterr().err
    assert (tmp_path / "rsic-weights" / adapted.name).read_bytes() == adapted.read_bytes()
    assert main(["decompress", str(tmp_path / "a.jp2"), str(tmp_path / "a.tif"), "-q"]) == 0
    assert rsic_geo.info(tmp_path / "a.jp2")["sealed"] is True


def test_nothing_is_put_beside_an_archive_that_is_to_lie_alone(adapted, scenes, tmp_path, capsys):
    words = ["compress", str(scenes[3]), str(tmp_path / "a.jp2"), "--target", "psnr=33"]
    assert main([*words, "--sidecar", "never", "--model", str(adapted)]) == 0
    assert "readers need my-drone.safetensors" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.jp2"]


def test_nothing_is_beside_an_archive_in_memory(adapted, scenes):
    report = rsic_geo.compress(scenes[3], "/vsimem/adapted/a.jp2", psnr=33, model=str(adapted))
    assert any("readers need my-drone.safetensors" in text for text in report.warnings)
    assert not any("were put" in text for text in report.warnings)


def test_weights_are_part_of_what_is_verified_and_migrated(adapted, scenes, tmp_path, capsys):
    out = tmp_path / "archive"
    words = ["batch", "run", *map(str, scenes[:2]), str(out), "--target", "psnr=33", "-j0", "-q"]
    assert main([*words, "--model", str(adapted)]) == 0
    assert main(["batch", "verify", str(out)]) == 0
    assert main(["batch", "migrate", str(out), str(tmp_path / "new"), "--tile-size", "256", "-j0", "-q"]) == 0
    assert main(["batch", "verify", str(tmp_path / "new")]) == 0
    for content in (NANO.read_bytes(), None):
        kept = out / "rsic-weights" / adapted.name
        kept.unlink()
        if content:
            kept.write_bytes(content)
        assert main(["batch", "verify", str(out)]) == 4
        assert "my-drone.safetensors" in capsys.readouterr().err
        kept.touch()


def test_other_weights_of_the_name_are_not_replaced(adapted, scenes, tmp_path, capsys):
    (tmp_path / "out" / "rsic-weights").mkdir(parents=True)
    (tmp_path / "out" / "rsic-weights" / adapted.name).write_bytes(NANO.read_bytes())
    words = [
        "batch",
        "run",
        str(scenes[0]),
        str(tmp_path / "out"),
        "--target",
        "psnr=33",
        "--model",
        str(adapted),
    ]
    assert main(words) == 2
    assert "other weights" in capsys.readouterr().err
