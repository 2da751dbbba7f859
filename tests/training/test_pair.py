"""Exporting two networks in one file, and judging single bands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from enhance_support import corrected, look, stir

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from training_support import picture  # noqa: E402

from rsic_geo.repair import load_enhancer  # noqa: E402
from rsic_geo.repair.network import LdmSpec, PriorSpec, UNetSpec  # noqa: E402
from rsic_geo.training import export, ldm_validate  # noqa: E402
from rsic_geo.training.ldm_state import LdmState, read_weights  # noqa: E402
from rsic_geo.training.state import TrainState  # noqa: E402
from rsic_geo.training.validate import GREY_JPEG2000, read_images  # noqa: E402

CPU = torch.device("cpu")
SMALL = UNetSpec(widths=(8, 16), blocks=(1, 1), proposals=2)


def trained(path: Path, spec: UNetSpec, seed: int) -> Path:
    state = TrainState.fresh(spec, seed=seed, device=CPU)
    stir(state.average)
    state.save(path)
    return path


@pytest.fixture
def exported(tmp_path) -> dict[str, Path]:
    """Export one network alone, and with another beside it."""
    files = {
        "rgb": trained(tmp_path / "rgb.pt", SMALL, 1),
        "single": trained(tmp_path / "single.pt", SMALL, 2),
    }
    for name, more in (("one", []), ("two", ["--single", str(files["single"])])):
        arguments = ["--name", name, "--summary", "", "--folder", str(tmp_path)]
        assert export.main([str(files["rgb"]), *arguments, *more]) == 0
        files[name] = tmp_path / f"{name}.safetensors"
    assert (
        export.main([str(files["single"]), "--name", "other", "--summary", "", "--folder", str(tmp_path)])
        == 0
    )
    files["other"] = tmp_path / "other.safetensors"
    return files


def test_a_pair_does_what_either_network_did(exported):
    rng = np.random.default_rng(0)
    pair, rgb, single = (load_enhancer(str(exported[name]), "cpu") for name in ("two", "one", "other"))
    for bands, alone in ((3, rgb), (1, single)):
        sight = look(rng.random((bands, 64, 64), np.float32), 0.03)
        wanted = corrected(alone, sight)
        assert np.abs(wanted).max() > 1e-3
        # sums and means in half precision
        np.testing.assert_allclose(corrected(pair, sight), wanted, atol=2e-4)
    card = exported["two"].with_suffix(".md").read_text()
    assert "single bands by the other" in card
    assert "three equal ones" in exported["one"].with_suffix(".md").read_text()


def test_equal_weights_are_equal_files(exported, tmp_path):
    first = exported["two"].read_bytes()
    for _ in range(5):
        arguments = ["--name", "two", "--summary", "", "--folder", str(tmp_path)]
        assert export.main([str(exported["rgb"]), *arguments, "--single", str(exported["single"])]) == 0
        assert exported["two"].read_bytes() == first


def test_a_run_can_begin_with_the_three_bands_of_a_pair(exported):
    ours, theirs = read_weights(exported["two"]), read_weights(exported["one"])
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_networks_that_cannot_stand_beside_each_other_are_refused(exported, tmp_path):
    options = export.ExportOptions(state=exported["rgb"], name="x", summary="", folder=tmp_path)
    narrow = trained(tmp_path / "narrow.pt", replace(SMALL, proposals=1), 3)
    with pytest.raises(ValueError, match="equally many"):
        export.export(replace(options, single=narrow))
    prior = PriorSpec(channels=8, widths=(8, 12), hidden=16, depth=2)
    state = LdmState.fresh(LdmSpec(restorer=SMALL, prior=prior), stage="joint", seed=0, device=CPU)
    state.save(tmp_path / "ldm.pt")
    with pytest.raises(ValueError, match="plain U-Nets"):
        export.export(replace(options, single=tmp_path / "ldm.pt"))


def test_single_bands_are_coded_as_such_and_judged(exported, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(picture(9)).save(folder / "one.png")
    ((_, image),) = read_images(folder, is_grey=True)
    assert (image == image[:, :, :1]).all()
    decoded, size = GREY_JPEG2000.code(image, 1.0)
    assert decoded.shape == image.shape
    assert (decoded == decoded[:, :, :1]).all()
    assert size <= image[:, :, 0].size / 8 + 200
    assert ldm_validate.main([str(exported["two"]), "--grey", "--data", str(folder)]) == 0
    assert "BD-rate over 1 images" in capsys.readouterr().out


def test_exported_weights_are_judged_as_states_are(exported):
    x, sigma = torch.rand(1, 3, 64, 64), torch.full((1, 1, 1, 1), 0.03)
    grey = x[:, :1].expand(-1, 3, -1, -1)

    def change(name: str, pixels: torch.Tensor, *, is_grey: bool) -> torch.Tensor:
        return ldm_validate.open_row(str(exported[name]), CPU, is_grey=is_grey)(
            pixels, sigma, pixels
        ).detach()

    colour = change("rgb", x, is_grey=False)
    torch.testing.assert_close(change("two", x, is_grey=False), colour, atol=2e-4, rtol=0)
    torch.testing.assert_close(change("one", x, is_grey=False), colour, atol=2e-4, rtol=0)
    single = change("single", grey, is_grey=True).view(1, 2, 3, 64, 64).mean(dim=2)
    pair = change("two", grey, is_grey=True).view(1, 2, 3, 64, 64)
    torch.testing.assert_close(pair, single[:, :, None].expand_as(pair), atol=2e-4, rtol=0)
    assert (single - change("rgb", grey, is_grey=True).view(1, 2, 3, 64, 64).mean(dim=2)).abs().max() > 1e-3
