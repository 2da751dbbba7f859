"""Calling an engine that works, fails, crashes, hangs and refuses to die."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from qgis_plugin.engine import command, process
from qgis_plugin.engine.errors import EngineCancelledError, EngineError, EngineMissingError
from qgis_plugin.engine.locate import Engine
from qgis_plugin.engine.session import Monitor, Session


class Recorder(Monitor):
    """Remembers what it is told, and stops after a number of progress lines."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.fractions: list[float] = []
        self.texts: list[tuple[str, str]] = []
        self._stop_after = stop_after

    def progress(self, fraction):
        self.fractions.append(fraction)

    def stage(self, text):
        self.texts.append(("stage", text))

    def warning(self, text):
        self.texts.append(("warning", text))

    def console(self, text):
        self.texts.append(("console", text))

    def is_cancelled(self):
        return len(self.fractions) >= self._stop_after


def _compress(session: Session, source: Path, monitor: Monitor | None = None):
    source.write_bytes(b"0123456789")
    output = source.with_suffix(".jp2")
    words = command.compress(command.Job(str(source), str(output)), command.Compression())
    return session.call(words, monitor or Recorder(), outputs=[str(output)])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(OSError):  # it went, and was waited for, between the two questions
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _left(pids: Path) -> list[int]:
    """Return which of the processes listed live on; killed ones may take a while to go."""
    numbers = [int(pid) for pid in pids.read_text().split()]
    deadline = time.monotonic() + 30  # they would sleep for a minute
    while (alive := [pid for pid in numbers if _is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def test_a_run_tells_everything_and_returns_the_result(session, tmp_path):
    monitor = Recorder()
    result = _compress(session, tmp_path / "ä b'c.tif", monitor)
    assert result["ratio"] == 2.0
    assert monitor.fractions == [0.5, 1.0]
    kinds = [kind for kind, _ in monitor.texts]
    assert kinds == ["stage", "warning", "console", "stage"]
    assert ("warning", "nodata is 0") in monitor.texts
    assert not any("--" in text for _, text in monitor.texts), "no words of a command line"
    assert result["words"][1] == str(tmp_path / "ä b'c.tif")


def test_the_engine_sees_a_clean_environment(session, tmp_path):
    seen = _compress(session, tmp_path / "a.tif")["environment"]
    assert not {"PYTHONPATH", "PYTHONHOME", "PROJ_LIB"} & seen.keys()
    assert seen["RSIC_EXTRA"] == "yes"


def test_a_refusal_is_the_engines_own_line(session, tmp_path):
    with pytest.raises(EngineError, match="float scenes cannot be stored") as caught:
        _compress(session, tmp_path / "refused.tif")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("crash.tif", "exit code 1: ZeroDivisionError: oh"),
        ("killed.tif", r"signal 9 \(out of memory\?\)"),
        ("mute.tif", "printed no result"),
    ],
)
def test_a_broken_engine_is_one_sentence(session, tmp_path, name, message):
    with pytest.raises(EngineError, match=message) as caught:
        _compress(session, tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_exit_code_may_be_an_answer(session, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    words = command.compare(str(tmp_path / "a"), str(tmp_path / "b"))
    result, code = session.call_for_verdict(words, Monitor(), (0, 4))
    assert (result["pixels_equal"], code) == (False, 4)


@pytest.mark.parametrize("name", ["slow.tif", "stubborn.tif"])
def test_cancelling_ends_the_whole_tree_and_leaves_no_half_file(session, tmp_path, name, monkeypatch):
    monkeypatch.setattr(process, "PATIENCE", 3.0 if name == "slow.tif" else 0.5)
    other = tmp_path / ".another.12ab.part.jp2"
    other.write_bytes(b"somebody else's")
    started = time.monotonic()
    with pytest.raises(EngineCancelledError):
        _compress(session, tmp_path / name, Recorder(stop_after=3))
    assert time.monotonic() - started < 50  # by itself it ends after a minute
    assert not _left(tmp_path / "pids")
    assert {path.name for path in tmp_path.iterdir()} == {"fake engine", name, "pids", other.name}


def test_an_exception_of_the_listener_leaves_no_process(session, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "PATIENCE", 2.0)

    class Broken(Recorder):
        def progress(self, fraction):
            raise RuntimeError("the dialog is gone")

    with pytest.raises(RuntimeError, match="the dialog is gone"):
        _compress(session, tmp_path / "slow.tif", Broken())
    assert not _left(tmp_path / "pids")


def test_a_program_that_cannot_be_started_is_named(tmp_path):
    with pytest.raises(EngineMissingError, match=r"cannot be started.*Settings > Options > RSIC"):
        Session(Engine((str(tmp_path / "gone"),), "settings")).call(["info"], Monitor())
    no_program = tmp_path / "rsic"
    no_program.write_text("no program")
    with pytest.raises(EngineMissingError, match="cannot be started"):
        Session(Engine((str(no_program),), "settings")).call(["info"], Monitor())


def test_capabilities_come_from_the_engine(session):
    assert session.capabilities(Monitor()).models == ("one", "two")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("print('hello')", "not the rsic engine"),
        ("import sys; sys.exit('no module named rsic_geo')", "no module named rsic_geo"),
        ("import time; time.sleep(60)", "does not answer"),
    ],
)
def test_another_program_of_this_name_is_found_out(tmp_path, script, message, monkeypatch):
    import sys

    is_mute = "sleep" in script
    if is_mute:
        monkeypatch.setattr(process, "PATIENCE", 1.0)
    program = tmp_path / "rsic"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(EngineMissingError, match=message):
        Session(Engine((str(program),), "PATH")).capabilities(Monitor(), timeout=2.0 if is_mute else 60.0)


def test_a_program_that_writes_without_end_is_none(tmp_path, monkeypatch):
    import sys

    monkeypatch.setattr(process, "_LONGEST_RESULT", 10_000)
    program = tmp_path / "rsic"
    program.write_text(f"#!{sys.executable}\nprint('x' * 100000)\n")
    program.chmod(0o755)
    with pytest.raises(EngineMissingError, match="is not the rsic engine"):
        Session(Engine((str(program),), "PATH")).call(["info"], Monitor())
