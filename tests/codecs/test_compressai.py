"""Networks of CompressAI as codecs: its own forward pass as an oracle, refusals, archives, their weights."""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import rasterio

torch = pytest.importorskip("torch")
if find_spec("compressai") is None or find_spec("scipy") is None:
    pytest.skip("needs compressai and scipy", allow_module_level=True)

import safetensors.torch  # noqa: E402
from learned_support import COMPRESSAI, pyramid, write_checkpoint  # noqa: E402
from pipeline_support import write_scene  # noqa: E402

import rsic_geo  # noqa: E402
from rsic_geo.batch.run import asked_text, with_weights_in  # noqa: E402
from rsic_geo.cli.entry import main  # noqa: E402
from rsic_geo.codecs import compressai_network, compressai_tile  # noqa: E402
from rsic_geo.codecs.compressai_network import TABLES, CompressaiNetwork, CompressaiSpec  # noqa: E402
from rsic_geo.codecs.compressai_tile import CompressaiCodec  # noqa: E402
from rsic_geo.devices import one_thread  # noqa: E402
from rsic_geo.errors import (  # noqa: E402
    BitstreamError,
    ChecksumError,
    TargetNotReachedError,
    UsageError,
    WeightsError,
    WeightsNotFoundError,
)
from rsic_geo.options import EncodeOptions  # noqa: E402


def blocks(bands: int, height: int, width: int, seed: int = 3) -> np.ndarray:
    """Return squares of 16 px, each of one colour, (bands, height, width) float32 in 0..1."""
    squares = np.random.default_rng(seed).uniform(0.1, 0.9, (bands, -(-height // 16), -(-width // 16)))
    return np.kron(squares, np.ones((1, 16, 16)))[:, :height, :width].astype(np.float32)


@pytest.fixture(autouse=True, scope="module")
def alone():
    """Compute with one thread: tiles are small, and other tests run beside these."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write_checkpoint(
        tmp_path_factory.mktemp("net") / "pyramid.safetensors", pyramid(COMPRESSAI["elic"])
    )


@pytest.fixture(scope="module")
def codec(checkpoint) -> CompressaiCodec:
    return CompressaiCodec(str(checkpoint), device="cpu")


# -- networks


@pytest.mark.parametrize("arch", COMPRESSAI)
def test_at_a_step_of_one_it_is_what_compressai_makes_of_it(arch):
    """Pixels and likelihoods are those of CompressAI's own forward pass, which walks through no parts."""
    torch.manual_seed(1)
    network = CompressaiNetwork(COMPRESSAI[arch]).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.mul_(1.5)
    x = torch.rand(2, 3, 64, 128)
    theirs = network.model(x)
    ours = network(x, torch.tensor([128, 128]), hard=True)
    torch.testing.assert_close(ours.pixels, theirs["x_hat"])
    bits = sum(-part.log2().flatten(1).sum(dim=1) for part in theirs["likelihoods"].values())
    torch.testing.assert_close(ours.bits, bits, rtol=1e-3, atol=1.0)
    assert float(bits.min()) > 100
    assert CompressaiSpec.of(network.tensors()) == COMPRESSAI[arch]


@pytest.mark.parametrize("arch", COMPRESSAI)
def test_a_tile_takes_the_bytes_its_distributions_promise(arch, tmp_path):
    network = pyramid(COMPRESSAI[arch])
    codec = CompressaiCodec(str(write_checkpoint(tmp_path / "n.safetensors", network)), device="cpu")
    image = blocks(3, 128, 192)
    sizes = []
    for level in (0, 255):
        tile = codec.encode_tile(image, level / 255)
        expected = network(torch.from_numpy(image)[None], torch.tensor([level]), hard=True)
        assert len(tile.payload) == pytest.approx(float(expected.bits) / 8, rel=0.04, abs=24)
        assert np.abs(tile.reconstruction - expected.pixels[0].numpy()).mean() < 0.003
        np.testing.assert_array_equal(codec.decode_tile(tile.payload, image.shape), tile.reconstruction)
        sizes.append(len(tile.payload))
    assert sizes == sorted(sizes)


def test_noise_stands_for_rounding_and_the_encoder_may_rest():
    torch.manual_seed(2)
    network = CompressaiNetwork(COMPRESSAI["mean-scale"])
    x = torch.rand(2, 3, 70, 90)
    for held in (False, True):
        network.zero_grad(set_to_none=True)
        coded = network(x, torch.tensor([10, 200]), hard=held, held=held)
        assert coded.pixels.shape == x.shape
        (coded.bits.sum() + coded.pixels.square().sum()).backward()
        moved = {name.split(".")[1] for name, p in network.named_parameters() if p.grad is not None}
        assert ("g_a" in moved) is not held
        assert {"g_s", "h_s", "entropy_bottleneck"} <= moved


# -- refusals


def test_any_flip_of_a_bit_is_refused(codec):
    image = blocks(3, 70, 100)
    payload = codec.encode_tile(image, 0.7).payload
    for at in np.random.default_rng(5).integers(0, 8 * len(payload), 30):
        broken = bytearray(payload)
        broken[at // 8] ^= 1 << (at % 8)
        with pytest.raises((ChecksumError, BitstreamError)):
            codec.decode_tile(bytes(broken), image.shape)
    for cut in (0, 3, 5, len(payload) // 2):
        with pytest.raises((ChecksumError, BitstreamError)):
            codec.decode_tile(payload[:cut], image.shape)


def test_a_machine_that_computes_otherwise_refuses_and_one_a_hair_apart_does_not(codec, checkpoint):
    """Its float64 arithmetic is what weights of it are; a hair is what orders of sums make."""
    image = blocks(3, 128, 128)
    tile = codec.encode_tile(image, 0.8)
    for scale, is_refused in ((1e-13, False), (1e-2, True)):
        other = CompressaiCodec(str(checkpoint), device="cpu")
        torch.manual_seed(7)
        for parameter in other._expects.parameters():
            parameter.mul_(1 + scale * torch.randn_like(parameter))
        if is_refused:
            with pytest.raises(ChecksumError, match="floating point"):
                other.decode_tile(tile.payload, image.shape)
        else:
            np.testing.assert_array_equal(other.decode_tile(tile.payload, image.shape), tile.reconstruction)


def test_weights_that_are_none_of_these_are_refused(checkpoint, tmp_path):
    tensors = safetensors.torch.load_file(checkpoint)

    def refused(changed, words):
        path = tmp_path / "n.safetensors"
        safetensors.torch.save_file(changed, str(path))
        with pytest.raises(WeightsError, match=words):
            CompressaiCodec(str(path), device="cpu")

    refused({k: v for k, v in tensors.items() if k not in TABLES}, "codec-export")
    refused({k: v for k, v in tensors.items() if k != "g_s.1.weight"}, "g_s.1.weight")
    refused(tensors | {"g_a.0.bias": torch.full_like(tensors["g_a.0.bias"], torch.nan)}, "not finite")
    refused({"some.weight": torch.zeros(3)}, "g_a.0.weight")
    refused(tensors | {TABLES[0]: tensors[TABLES[0]][:9].clone()}, "tables of another")


# -- archives


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Return a hyperprior, which codes in a few milliseconds."""
    path = tmp_path_factory.mktemp("small") / "pyramid.safetensors"
    return write_checkpoint(path, pyramid(COMPRESSAI["mean-scale"]))


@pytest.fixture
def scene(tmp_path) -> Path:
    return write_scene(tmp_path / "s.tif", np.round(blocks(3, 144, 200) * 255).astype(np.uint8))


def archived(scene: Path, checkpoint: Path, target: str = "psnr=36", **options) -> Path:
    out = scene.parent / "a.rsic.tif"
    options = {"codec": f"compressai:{checkpoint}", "model": "none", "tile_size": 256} | options
    options["target"] = target
    report = rsic_geo.compress(scene, out, **options).to_json()
    assert report["verified"]
    return out


def test_windows_are_slices_and_targets_are_met(tmp_path, small):
    scene = write_scene(tmp_path / "s.tif", np.round(blocks(3, 300, 410) * 255).astype(np.uint8))
    archive = archived(scene, small)
    with rasterio.open(scene) as source, rsic_geo.open(archive) as opened:
        original, whole = source.read(), opened.read()
        window = opened.read(window=((200, 277), (240, 339)))
    assert rsic_geo.info(archive)["codec"]["tiles_compressai"] == 4
    np.testing.assert_array_equal(window, whole[:, 200:277, 240:339])
    error = np.square(original.astype(float) - whole).mean()
    assert 10 * np.log10(255**2 / error) >= 36
    assert rsic_geo.validate(archive)["valid"]


def test_an_archive_from_another_machine_is_refused_in_one_line(scene, small, tmp_path, monkeypatch, capsys):
    archive = archived(scene, small)
    monkeypatch.setattr(compressai_tile, "_steady", lambda means: means + 2.0**-8)
    assert main(["decompress", str(archive), str(tmp_path / "o.tif")]) == 1
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert "tile 0" in said
    assert "floating point" in said
    assert not (tmp_path / "o.tif").exists()


def test_sixteen_bits_and_single_bands(tmp_path, small):
    deep = np.round(blocks(1, 128, 200) * 4000).astype(np.uint16)
    scene = write_scene(tmp_path / "s.tif", deep)
    archive = archived(scene, small)
    with rsic_geo.open(archive) as opened:
        back = opened.read()
    assert back.dtype == np.uint16
    assert rsic_geo.info(archive)["codec"]["tiles_compressai"] == 1
    assert np.abs(back.astype(int) - deep).max() < 400


def test_weights_go_with_archives_and_their_lack_is_said_in_one_line(scene, small, tmp_path, capsys):
    archive = archived(scene, small, "bpp=1")
    assert archive.stat().st_size <= 144 * 200 / 8 * 1.02
    beside = tmp_path / "rsic-weights" / "pyramid.safetensors"
    assert beside.read_bytes() == small.read_bytes()
    archived(scene, small, "bpp=1", codec="compressai:pyramid", overwrite=True)
    write_checkpoint(beside, pyramid(COMPRESSAI["mean-scale"], seed=5))
    assert main(["decompress", str(archive), str(tmp_path / "o.tif")]) == 5
    with pytest.raises(UsageError, match="give yours another"):
        archived(scene, small, "bpp=1", overwrite=True)
    beside.unlink()
    capsys.readouterr()
    assert main(["decompress", str(archive), str(tmp_path / "o.tif")]) == 5
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert "pyramid" in said
    assert main(["info", str(archive)]) == 0
    assert not (tmp_path / "o.tif").exists()


def test_what_lies_in_memory_says_what_its_readers_need(scene, small, tmp_path):
    out = io.BytesIO()
    options = {"codec": f"compressai:{small}", "model": "none", "tile_size": 256, "target": "bpp=1"}
    report = rsic_geo.compress(scene, out, **options).to_json()
    assert any("readers need pyramid.safetensors" in each for each in report["warnings"])
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]
    with pytest.raises(WeightsNotFoundError):
        rsic_geo.decompress(out.getvalue(), tmp_path / "b.tif")


def test_what_fails_leaves_nothing(scene, small, tmp_path):
    with pytest.raises(TargetNotReachedError):
        archived(scene, small, "bpp=0.001")
    with pytest.raises(UsageError, match="no network of CompressAI is shipped"):
        rsic_geo.compress(scene, tmp_path / "a.rsic.tif", codec="compressai", target="psnr=30")
    with pytest.raises(WeightsError, match="no network of CompressAI that this codec knows"):
        archived(scene, Path(rsic_geo.__file__).parent / "weights" / "rsic-codec-tiny.safetensors")
    with pytest.raises(WeightsNotFoundError):
        rsic_geo.compress(scene, tmp_path / "a.rsic.tif", codec="compressai:nobody", target="psnr=30")
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_a_batch_keeps_the_weights_once_and_names_them(small, tmp_path):
    asked = EncodeOptions(codec=f"compressai:{small}")
    named = with_weights_in(str(tmp_path), asked)
    assert named == replace(asked, codec="compressai:pyramid")
    assert (tmp_path / "rsic-weights" / "pyramid.safetensors").is_file()
    other = asked_text(replace(named, model="none"), str(tmp_path))
    assert hashlib.sha256(small.read_bytes()).hexdigest() in other


def test_whether_it_is_installed_may_be_asked_while_another_thread_loads_it():
    """Archives that are opened side by side load their networks so."""
    wrong = []

    def ask():
        for _ in range(3000):
            try:
                assert find_spec("compressai") is not None
            except Exception as error:  # noqa: BLE001 - in a thread nobody would see it
                wrong.append(error)
                return

    threads = [Thread(target=ask), Thread(target=ask)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        with compressai_network._compressai():
            time.sleep(0.0005)
    assert not wrong
