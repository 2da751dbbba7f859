"""Counting what filters are made of."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")  # for writing the pack

from pipeline_support import Smoother
from training_support import picture, write_pack

from rsic_geo.container.filters import KINDS, FilterTaps, column_count
from rsic_geo.evaluation import filters


def test_shares_are_those_of_known_coefficients():
    differences = np.zeros((3, 3, column_count(3, 1)), np.int16)
    differences[0, 0, 0] = 1  # own proposal, one digit
    differences[0, 1, 1] = -6  # three digits
    differences[1, 0, 1] = 2  # of a class: first proposal of another band
    taps = FilterTaps(bands=3, reach=1, edges=(9,), differences=differences)
    found = filters.shares([taps] * 50, of_class=False)
    assert found.shape == (KINDS, 1 + filters.LENGTHS)
    assert found[0] == pytest.approx([101 / 154, 51 / 103, 51 / 53, 1 / 53, 1 / 3, 1 / 3, 1 / 3])
    assert found[2, 0] < 0.01
    added = filters.shares([taps] * 50, of_class=True)
    assert added[2, 0] == pytest.approx(51 / 604)
    assert added[0, 0] < 0.01


def test_a_trial_saves_more_than_it_costs():
    trial = filters.try_image(picture(1, 300, 340).transpose(2, 0, 1).copy(), 0.5, Smoother())
    assert trial.taps is not None
    assert trial.saved > trial.cost > 0


def test_the_command_prints_every_kind_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(filters, "load_enhancer", lambda *_, **__: Smoother())
    monkeypatch.setattr(filters, "_SIDES", (160,))
    folder = write_pack(tmp_path)
    assert filters.main([*map(str, folder.glob("*.tar")), "--images", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "of 3 images have a filter" in lines[0]
    assert len(lines) in (3, 3 + 2 * KINDS)
