"""Networks of integers: one set of bytes from every engine, on windows of every size, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import safetensors.numpy
from pipeline_support import crop
from rasterio.windows import Window

import rsic_geo
from rsic_geo.errors import MissingDependencyError, UsageError, WeightsError
from rsic_geo.repair import load_enhancer
from rsic_geo.repair.integer import engines
from rsic_geo.repair.integer.ends import fold, unfold
from rsic_geo.repair.integer.engines import Golden, NumpyEngine, OnnxEngine, TorchEngine, choose_engine, judge
from rsic_geo.repair.integer.graph import TABLE, ZERO, Add, Convolution, IntegerNetwork, Shuffle
from rsic_geo.repair.integer.weights import INTEGER_FORMAT, pack, unpack
from rsic_geo.repair.units import FINE, STEPS
from rsic_geo.scenes.archive import Archive
from rsic_geo.weights import default_name, list_weights, open_weights

SHIPPED = [
    row.name for row in list_weights() if open_weights(row.name).metadata.get("format") == INTEGER_FORMAT
]


def random_network(seed: int, *, extreme: bool = False, bands: int = 3) -> IntegerNetwork:
    """Return a U-Net of random integers, with every kind of step there is."""
    rng = np.random.default_rng(seed)

    def conv(of: str, to: str, shape: tuple[int, int, int], zero: int = 0, stride: int = 1) -> Convolution:
        outputs, inputs, side = shape
        size = (outputs, inputs, side, side)
        weight = rng.choice([-64, 64], size) if extreme else rng.integers(-64, 65, size)
        bias = rng.integers(-(1 << 14), 1 << 14, outputs)
        shift = rng.integers(0, 3 if extreme else 13, outputs)
        return Convolution(
            of=of, to=to, zero=zero, stride=stride, weight=weight.astype(np.int8),
            bias=bias.astype(np.int32), shift=shift.astype(np.int8),
        )  # fmt: skip

    levels = np.arange(TABLE)
    network = IntegerNetwork(
        bands=bands,
        finer=(0, 3),
        mean_cell=32,
        steps=(
            conv("x", "head", (16, 4 * bands + 1, 3)),
            conv("head", "side", (16, 16, 3), ZERO),
            Add(of=("head", "side"), to="kept"),
            conv("kept", "half", (24, 16, 2), stride=2),
            conv("half", "mid", (24, 24, 3)),
            conv("mid", "wide", (64, 24, 1), ZERO),
            Shuffle(of="wide", to="grown"),
            Add(of=("grown", "head"), to="joined"),
            conv("joined", "y", (8 * bands, 16, 3), ZERO),
        ),
        gain=(20_000 - 9 * levels).astype(np.int32),
        told=(levels // 8).astype(np.uint8),
        scale=(levels * 20).astype(np.int32),
    )
    network.check()
    return network


def windows(channels: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, 256, (channels, 24, 40)).astype(np.uint8),
        rng.choice(np.array([0, 255], np.uint8), (channels, 36, 20)),
        np.full((channels, 16, 16), 255, np.uint8),
    ]


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_every_engine_gives_the_bytes_of_the_reference(seed, extreme):
    pytest.importorskip("torch")
    network = random_network(seed, extreme=extreme, bands=3 if seed % 2 else 1)
    reference = NumpyEngine(network, np.int64)
    others = [make(network) for make in (NumpyEngine, OnnxEngine, TorchEngine)]
    for x in windows(network.channels, seed):
        wanted = reference.run(x)
        assert len(np.unique(wanted)) > 1 or extreme
        for engine in others:
            np.testing.assert_array_equal(engine.run(x), wanted, err_msg=engine.name)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_are_admitted_by_every_engine(name):
    pytest.importorskip("torch")
    weights = open_weights(name)
    networks, golden = unpack(weights.content, weights.spec, name)
    assert golden.digest(networks, lambda one: NumpyEngine(one, np.int64)) == golden.sha256
    verdicts = [verdict for verdict, _ in judge(networks, golden)]
    assert [verdict.is_admitted for verdict in verdicts] == [True] * 3, verdicts
    assert len(np.unique(golden.window)) == 256


def test_the_default_network_is_one_of_integers():
    assert default_name() in SHIPPED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: replace(one, weight=np.full_like(one.weight, 65)), "sums"),
        (lambda one: replace(one, bias=np.full_like(one.bias, 1 << 24)), "sums"),
        (lambda one: replace(one, shift=np.full_like(one.shift, -1)), "shifts"),
        (lambda one: replace(one, weight=one.weight[:, :5]), "do not fit"),
        (lambda one: replace(one, stride=3), "do not fit"),
        (lambda one: replace(one, zero=7), "do not fit"),
    ],
)
def test_networks_that_might_not_be_exact_are_refused(change, words):
    network = random_network(1)
    broken = replace(network, steps=(change(network.steps[0]), *network.steps[1:]))
    with pytest.raises(ValueError, match=words):
        broken.check()
    golden = Golden(window=windows(13, 0)[0], sha256="0")
    content = pack([broken, random_network(2, bands=1)], golden, {})
    spec = json.loads(
        json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["spec"]
    )
    with pytest.raises(WeightsError, match=words) as caught:
        unpack(content, spec, "broken")
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("beyond", [0, 3, 7])
def test_nothing_beyond_its_reach_is_seen(beyond):
    network = random_network(3)
    reach = network.reach(beyond)
    x = np.random.default_rng(1).integers(0, 256, (13, 64, 64)).astype(np.uint8)  # squares of 2 px
    core, first = slice((64 - beyond + 1) // 2, None), (64 - reach) // 2  # a core from 64 px on
    engine = NumpyEngine(network)
    whole = engine.run(x)[:, :, core]
    other = x.copy()
    other[:, :, :first] ^= 255
    np.testing.assert_array_equal(engine.run(other)[:, :, core], whole)
    other[:, :, first : first + 4] ^= 255
    assert not np.array_equal(engine.run(other)[:, :, core], whole)


def test_the_ends_do_what_the_float_network_does():
    torch = pytest.importorskip("torch")
    from rsic_geo.repair.network import ResidualUNet, UNetSpec
    from rsic_geo.training.rounding import end_tables

    gain, told, scale = end_tables(-5, -4)
    network = replace(random_network(0), gain=gain, told=told, scale=scale)
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, STEPS + 1, (3, 128, 192)).astype(np.int16)
    index = np.full((64, 96), 8 * 150, np.intp)
    sigma = 2 ** (150 / 16 - 15.9)
    unet = ResidualUNet(UNetSpec(widths=(8,), blocks=(1,)))
    x = torch.from_numpy(pixels.astype(np.float32) / STEPS)[None]
    folded, _ = unet.fold(x, torch.full((1, 1, 2, 3), sigma))
    wanted = np.clip(np.rint(folded[0].numpy() * 32) + 128, 0, 255)
    found = fold(network, pixels, (slice(0, 128), slice(0, 192)), index)
    assert np.abs(found - wanted).max() <= 1
    assert (found == wanted).mean() > 0.97
    part = fold(network, pixels, (slice(40, 120), slice(32, 192)), index[20:60, 16:])
    np.testing.assert_array_equal(part, found[:, 20:60, 16:])
    y = rng.integers(0, 256, (24, 64, 96)).astype(np.uint8)
    proposed = torch.from_numpy((y.astype(np.float32) - 128) / 16 * sigma)
    proposed[12:] /= 8  # the second proposal's steps are finer
    wanted = torch.nn.functional.pixel_shuffle(proposed, 2).numpy()
    np.testing.assert_allclose(unfold(network, y, index) / FINE, wanted, atol=0.6 / FINE + 2e-5)


class Crooked(NumpyEngine):
    name = "crooked"

    def run(self, x):
        return super().run(x) ^ (x[:1] == 255)


def test_an_engine_that_fails_its_golden_window_is_passed_over(monkeypatch):
    weights = open_weights(default_name())
    networks, golden = unpack(weights.content, weights.spec, weights.name)
    kinds = [("crooked", Crooked), ("numpy", NumpyEngine)]
    monkeypatch.setattr(engines, "engine_kinds", lambda device: iter(kinds))
    assert choose_engine(networks, golden) is NumpyEngine
    del kinds[1]
    with pytest.raises(WeightsError, match="golden window") as caught:
        choose_engine(networks, golden)
    assert caught.value.exit_code == 5
    kinds.append(("missing", lambda network: exec("import no_such_engine")))
    with pytest.raises(MissingDependencyError, match="--enhance off"):
        choose_engine(networks, golden)


@pytest.fixture(scope="module")
def archive(tmp_path_factory, sample_data):
    folder = tmp_path_factory.mktemp("exact")
    source = crop(sample_data / "fields_rgb_utm.tif", folder / "s.tif", Window(100, 150, 400, 330))
    rsic_geo.compress(source, folder / "a.jp2", target="psnr=33")
    return folder / "a.jp2"


def test_pixels_are_the_same_bytes_whatever_engine_windows_and_threads_are(archive, tmp_path, monkeypatch):
    rsic_geo.decompress(archive, tmp_path / "whole.tif", threads=1)
    with rasterio.open(tmp_path / "whole.tif") as scene:
        whole = scene.read()
    for size, threads in ((64, 2), (192, 1), (320, 3)):
        rsic_geo.decompress(archive, tmp_path / "b.tif", window_size=size, threads=threads, overwrite=True)
        with rasterio.open(tmp_path / "b.tif") as scene:
            np.testing.assert_array_equal(scene.read(), whole)
    with Archive(archive) as scene:
        for row, col, height, width in ((0, 0, 9, 9), (37, 101, 64, 200), (300, 299, 30, 101)):
            part = scene.read(rsic_geo.Window(row_off=row, col_off=col, height=height, width=width))
            np.testing.assert_array_equal(part, whole[:, row : row + height, col : col + width])
    for kind in (NumpyEngine, TorchEngine):
        monkeypatch.setattr(engines, "engine_kinds", lambda device, kind=kind: iter([(kind.__name__, kind)]))
        with rsic_geo.open(archive) as scene:
            np.testing.assert_array_equal(scene.read(), whole)


def test_without_an_engine_one_line_says_so_and_the_codec_alone_is_read(archive, tmp_path):
    code = (
        "import sys; from rsic_geo.repair.integer import engines; from rsic_geo.cli import main; "
        "engines.engine_kinds = lambda device: iter([]); sys.exit(main())"
    )
    words = [sys.executable, "-c", code, "decompress", str(archive), str(tmp_path / "b.tif")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert len(done.stderr.splitlines()) == 1
    assert "--enhance off" in done.stderr
    assert subprocess.run([*words, "--enhance", "off", "-q"], check=False).returncode == 0


def test_damaged_weights_are_refused(tmp_path):
    weights = open_weights(default_name())
    tensors = safetensors.numpy.load(weights.content)
    for name, value in (("rgb.gain", np.zeros(3, np.int32)), ("golden", np.zeros((2, 8, 8), np.uint8))):
        path = tmp_path / "damaged.safetensors"
        path.write_bytes(safetensors.numpy.save({**tensors, name: value}, weights.metadata))
        with pytest.raises(WeightsError, match="do not fit"):
            load_enhancer(str(path))
    tensors["rgb.head.weight"] = -tensors["rgb.head.weight"]
    path.write_bytes(safetensors.numpy.save(tensors, weights.metadata))
    with pytest.raises(WeightsError, match="golden window"):
        load_enhancer(str(path))


def test_a_graphics_card_is_asked_for_by_name():
    with pytest.raises(UsageError):
        load_enhancer(default_name(), "cuda:99")
