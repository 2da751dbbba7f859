"""From float weights to integers, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from enhance_support import corrected, look  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from training_support import write_pack  # noqa: E402

from rsic_geo.repair import load_enhancer  # noqa: E402
from rsic_geo.repair.integer.enhancer import IntegerEnhancer  # noqa: E402
from rsic_geo.training import export, ldm_validate, quantise  # noqa: E402
from rsic_geo.training.data import find_packs  # noqa: E402
from rsic_geo.training.ldm_state import read_weights  # noqa: E402
from rsic_geo.training.rounding import float_again  # noqa: E402
from rsic_geo.training.state import TrainState  # noqa: E402
from rsic_geo.training.teacher import Teacher  # noqa: E402
from rsic_geo.weights import store  # noqa: E402

CPU = torch.device("cpu")
SHIPPED = Path(store.__file__).parent / "rsic-nano.safetensors"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Return a folder with a network made integers, its float weights beside it, and the float network."""
    folder = tmp_path_factory.mktemp("shipped")
    network = float_again(SHIPPED)
    state = TrainState.fresh(network.spec, seed=3, device=CPU)
    state.average.load_state_dict(network.state_dict())
    state.save(folder / "state.pt")
    arguments = ["--name", "net", "--summary", "a test", "--folder", str(folder)]
    assert export.main([str(folder / "state.pt"), *arguments]) == 0
    (folder / "float.safetensors").write_bytes((folder / "net.safetensors").read_bytes())
    (folder / "measured.txt").write_text("98 %")
    (folder / "packs").mkdir()
    words = [str(folder / "float.safetensors"), "--data", str(write_pack(folder / "packs")), "--crops", "8"]
    words += ["--folder", str(folder), "--measured", str(folder / "measured.txt")]
    assert quantise.main(words) == 0
    return folder, quantise.read_float(folder / "float.safetensors")[0].rgb


def crops(folder):
    """Return a crop (1, 3, 128, 128) of the pictures, and its distortion."""
    x, sigma = quantise.calibration(find_packs(folder / "packs"), 8)
    return x[7:], sigma[7:]


def test_integers_do_what_the_floats_did(shipped):
    folder, _ = shipped
    whole, real = (load_enhancer(str(folder / f"{name}.safetensors"), "cpu") for name in ("net", "float"))
    assert isinstance(whole, IntegerEnhancer)
    x, sigma = crops(folder)
    for bands in (3, 1):
        sight = look(x[0, :bands].numpy(), float(sigma[0, 0, 0, 0]))
        wanted = corrected(real, sight)
        error = np.square(corrected(whole, sight) - wanted).mean()
        assert error < 0.04 * np.square(wanted).mean()


def test_the_card_and_the_manifest_tell_of_the_file(shipped):
    folder, _ = shipped
    (row,) = export.list_rows(folder)
    card = (folder / "net.md").read_text()
    assert row["sha256"] in card
    assert row["summary"] == "a test"
    assert "integers of 8 bits" in card
    assert "98 %" in card
    with pytest.raises(ValueError, match="no row"):
        quantise.ship([], {"name": "other", "licence": ""}, folder, "")


def test_integers_can_be_floats_again(shipped):
    """For teachers, and to begin training with."""
    folder, real = shipped
    again = float_again(folder / "net.safetensors")
    assert again.spec == real.spec
    x, sigma = crops(folder)
    with torch.inference_mode():
        wanted, found = real(x, sigma), again(x, sigma)
    assert (found - wanted).square().mean() < 0.04 * wanted.square().mean()
    teacher = Teacher.read(folder / "net.safetensors", device=CPU, dtype=torch.float32)
    assert torch.isfinite(teacher.correct(x, x, sigma)).all()
    names = {name.removeprefix("network.restorer.") for name in read_weights(folder / "net.safetensors")}
    assert names == set(real.state_dict())


def test_the_validator_reads_integers(shipped):
    folder, real = shipped
    x, sigma = crops(folder)
    predict = ldm_validate.open_row(str(folder / "net.safetensors"), CPU)
    with torch.inference_mode():
        wanted = real(x, sigma)
    assert (predict(x, sigma, x) - wanted).square().mean() < 0.04 * wanted.square().mean()
    grey = ldm_validate.open_row(str(folder / "net.safetensors"), CPU, is_grey=True)
    assert grey(x, sigma, x).shape == wanted.shape


def test_only_u_nets_become_integers(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "one.safetensors", {"format": "rsic-ldm-1", "spec": "{}"})
    with pytest.raises((ValueError, KeyError, TypeError)):
        quantise.read_float(tmp_path / "one.safetensors")
