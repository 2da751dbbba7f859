"""Every command of the queue runs as it stands, but for its size: a lent GPU must not find a typing error."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from support import REPOSITORY  # noqa: E402
from training_support import picture, write_pack  # noqa: E402

from rsic_geo.devices import one_thread  # noqa: E402

NOTE = """#!{python}
import json, os, sys
with open(os.environ["NOTED"], "a") as out:
    print(json.dumps(sys.argv[1:]), file=out)
"""
"""Stands in for python3: notes what it was asked for."""
SMALL = {
    "--budget": ["--steps", "1"],
    "--batch": ["--batch", "4"],
    "--crop": ["--crop", "64"],
    "--pool": ["--pool", "4"],
    "--workers": ["--workers", "0"],
    "--every": ["--every", "1"],
    "--seconds": ["--seconds", "0.01"],
    "--channels": ["--channels", "8"],
    "--latents": ["--latents", "20"],
}
"""What is put in place of an option and its value."""
HANDED_ON = {"plain": "plain", "s1": "s1", "joint": "joint", "codec": "codec", "codec-base": "codec-base"}
"""Folders of $OUT whose states later rows find in the folder of data, and under which name."""


def rows() -> list[str]:
    """Return the blocks of shell commands under numbered headings."""
    text = (REPOSITORY / "rsic_geo" / "training" / "QUEUE.md").read_text()
    sections = re.split(r"^#+ ", text, flags=re.MULTILINE)
    numbered = [section for section in sections if re.match(r"\d+\. ", section)]
    return [block for section in numbered for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


def commands(block: str, folder: Path) -> list[list[str]]:
    """Return the arguments bash gives to every python3 of a block."""
    stand_in, noted = folder / "bin" / "python3", folder / "noted"
    stand_in.parent.mkdir(exist_ok=True)
    stand_in.write_text(NOTE.format(python=sys.executable))
    stand_in.chmod(0o755)
    noted.write_text("")
    environment = {**os.environ, "PATH": f"{stand_in.parent}:{os.environ['PATH']}", "NOTED": str(noted)}
    environment["OUT"] = str(folder / "out")
    subprocess.run(["bash", "-euc", block], check=True, env=environment, cwd=folder)
    return [json.loads(line) for line in noted.read_text().splitlines()]


def shrunk(words: list[str]) -> list[str]:
    """Return arguments that ask for as little as possible of the same; on a CPU, where a device is named."""
    out: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in SMALL:
            next(rest)
            out += SMALL[word]
        elif word == "cuda" and out[-1] == "--device":
            out.append("cpu")
        elif word != "cuda" and not (word.isdecimal() and out[-2:] == ["--threads", "1"]):
            out.append(word)  # neither a second device nor more threads
    return out


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder that looks like the checkout on the lent machine."""
    folder = tmp_path_factory.mktemp("lent")
    (folder / "rsic_geo").symlink_to(REPOSITORY / "rsic_geo")
    (folder / "gpu-data" / "val").mkdir(parents=True)
    write_pack(folder / "gpu-data")
    Image.fromarray(picture(9)).save(folder / "gpu-data" / "val" / "neon_teak_TEAK_044.png")
    return folder


def test_the_queue_has_its_rows():
    assert len(rows()) >= 9
    assert all("python3 -m rsic_geo." in block for block in rows())


@pytest.mark.slow
def test_every_row_runs_after_those_before_it(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    for block in rows():
        for words in commands(block, place):
            assert words[0] == "-m"
            module = importlib.import_module(words[1])
            with one_thread():  # batches are too small to be shared out
                assert module.main(shrunk(words[2:])) == 0, words
        for state in (place / "out").glob("*/state.pt"):
            if state.parent.name in HANDED_ON:
                shutil.copy(state, place / "gpu-data" / f"{HANDED_ON[state.parent.name]}.pt")
        said = capsys.readouterr().out
        assert said.strip()
        assert not re.search(r"\bnan\b", said)
