"""Means of runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from rsic_geo.codecs.learned_network import CodecSpec  # noqa: E402
from rsic_geo.repair.network import UNetSpec  # noqa: E402
from rsic_geo.training import soup  # noqa: E402
from rsic_geo.training.codec_state import CodecState  # noqa: E402
from rsic_geo.training.state import TrainState, read_payload  # noqa: E402

SMALL = UNetSpec(widths=(8, 16), blocks=(1, 1))
CPU = torch.device("cpu")


def saved(path, spec: UNetSpec, seed: int):
    state = TrainState.fresh(spec, seed=seed, device=CPU)
    for value in state.average.parameters():
        torch.nn.init.normal_(value)
    state.save(path)
    return path


def test_the_mean_is_that_of_all_weights_and_can_be_gone_on_from(tmp_path):
    paths = [saved(tmp_path / f"{seed}.pt", SMALL, seed) for seed in range(3)]
    assert soup.main([str(tmp_path / "out.pt"), *map(str, paths)]) == 0
    mean = TrainState.load(tmp_path / "out.pt", device=CPU).average.state_dict()
    states = [TrainState.load(path, device=CPU).average.state_dict() for path in paths]
    for name, value in mean.items():
        torch.testing.assert_close(value, torch.stack([state[name] for state in states]).mean(dim=0))


def test_what_only_one_proposes_is_its_own(tmp_path):
    plain, wide = saved(tmp_path / "a.pt", SMALL, 1), saved(tmp_path / "b.pt", replace(SMALL, proposals=2), 2)
    payloads = [read_payload(path) for path in (wide, plain)]
    mean = soup.mixed(payloads)
    assert UNetSpec.from_json(mean["spec"]).proposals == 2
    tails = [payload["average"]["tail.weight"] for payload in payloads]
    torch.testing.assert_close(mean["average"]["tail.weight"][:12], (tails[0][:12] + tails[1]) / 2)
    torch.testing.assert_close(mean["average"]["tail.weight"][12:], tails[0][12:])


def test_codecs_have_a_mean_too(tmp_path):
    spec, paths = CodecSpec(hidden=(8, 8, 8, 8), hyper=8, analysis=8, synthesis=8, post=8, post_blocks=1), []
    for seed in range(2):
        state = CodecState.fresh(spec, seed=seed, device=CPU)
        for value in state.average.parameters():
            value.add_(torch.randn_like(value))
        paths.append(tmp_path / f"{seed}.pt")
        state.save(paths[-1])
    assert soup.main([str(tmp_path / "out.pt"), *map(str, paths)]) == 0
    mean, one, two = (
        CodecState.load(path, device=CPU).average.state_dict() for path in (tmp_path / "out.pt", *paths)
    )
    for name, value in mean.items():
        torch.testing.assert_close(value, (one[name] + two[name]) / 2)
    assert mean["entropy.tail_share"].dim() == 0


def test_other_networks_and_single_states_are_refused(tmp_path):
    one = read_payload(saved(tmp_path / "a.pt", SMALL, 1))
    other = read_payload(saved(tmp_path / "b.pt", UNetSpec(widths=(8, 24), blocks=(1, 1)), 1))
    with pytest.raises(ValueError, match="different networks"):
        soup.mixed([one, other])
    with pytest.raises(ValueError, match="two states"):
        soup.mixed([one])
