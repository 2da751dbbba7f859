"""A stand-in for `rsic`: speaks its protocol, and misbehaves as the name of its input file says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

VERBS = [
    "compress",
    "decompress",
    "enhance",
    "compare",
    "validate",
    "info",
    "models",
    "capabilities",
    "doctor",
]
CAPABILITIES = {
    "schema": "rsic-capabilities/1",
    "rsic_version": "0.1.0",
    "verbs": VERBS,
    "codecs": [
        {"name": "jp2", "dtypes": ["uint8"], "lossless": True, "suffixes": [".jp2"]},
        {
            "name": "strange",
            "dtypes": ["uint8"],
            "lossless": False,
            "suffixes": [".odd.tif", ".odd"],
            "weights": ["a", "b"],
        },
    ],
    "targets": ["lossless", "psnr", "snr", "bpp", "bpppb"],
    "models": ["one", "two"],
    "devices": ["auto", "cpu"],
    "tile_sizes": [512, 1024],
    "output_formats": ["GTiff", "COG"],
    "archive_extensions": [".jp2", ".odd.tif", ".odd"],
}


def install(folder: Path, name: str = "rsic") -> Path:
    """Write the program into ``folder`` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    source = Path(__file__).read_text(encoding="utf-8")
    program.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    program.chmod(0o755)
    return program


def event(kind: str, **entries: object) -> None:
    print(json.dumps({"event": kind, **entries}), file=sys.stderr, flush=True)


def fail(message: str, code: int, kind: str = "") -> int:
    event("error", message=message, exit_code=code, **({"error_kind": kind} if kind else {}))
    return code


def linger(output: Path, is_stubborn: bool) -> int:
    """Work for a minute with a child process and a half-written file, as in the middle of a scene."""
    temporary = output.with_name(f".{output.stem}.{os.getpid():x}.part{output.suffix}")
    temporary.write_bytes(b"half")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (output.parent / "pids").write_text(f"{os.getpid()} {child.pid}")

    def stop(_number: int, _frame: object) -> None:
        if not is_stubborn:
            temporary.unlink()
            sys.exit(fail("interrupted: nothing was written", 130))

    signal.signal(signal.SIGTERM, stop)
    for step in range(600):
        event("progress", fraction=step / 600, message="encoding")
        time.sleep(0.1)
    return 0


def compress(source: Path, output: Path, words: list[str]) -> int:
    name = source.name
    if name.startswith(("slow", "stubborn")):
        return linger(output, name.startswith("stubborn"))
    if name.startswith("refused"):
        return fail(f"{source}: float scenes cannot be stored", 2)
    if name.startswith("error"):
        kind, code, message = source.read_text().splitlines()
        return fail(message, int(code), kind)
    if name.startswith("nomodel"):
        return fail("no weights", 5)
    if name.startswith("crash"):
        print("Traceback (most recent call last):\nZeroDivisionError: oh", file=sys.stderr)
        return 1
    if name.startswith("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("mute"):
        return 0
    if output.exists() and "--overwrite" not in words:
        return fail(f"{output} exists", 2)
    event("progress", fraction=0.5, message="encoding")
    event("progress", fraction="half", message="encoding")
    event("warning", message="nodata is 0")
    event("planet", name="of a newer engine")
    print("libfoo: something", file=sys.stderr)
    output.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    event("progress", fraction=1.0, message="done")
    entries = {
        "verb": "compress",
        "bytes": output.stat().st_size,
        "ratio": 2.0,
        "psnr": "inf",
        "words": words,
    }
    print(json.dumps({**entries, "environment": dict(os.environ)}))
    return 0


def batch(words: list[str]) -> int:
    """A batch whose ledger is a JSON file; scenes that hold the word `failed` fail."""
    verb, first, second = words[1:4]
    ledger = Path(first) if verb == "retry" else Path(second) / "rsic-batch.gpkg"
    if verb == "export":
        Path(second).write_text(json.dumps({"scenes": list(json.loads(Path(first).read_text()).values())}))
        print("{}")
        return 0
    ledger.parent.mkdir(parents=True, exist_ok=True)
    rows = json.loads(ledger.read_text()) if ledger.exists() else {}
    scenes = sorted(Path(first).rglob("*.tif")) if verb == "run" else [Path(name) for name in rows]
    for scene in scenes:
        before = rows.get(str(scene), {}).get("state")
        if before == "done" or (before == "failed" and verb == "run"):
            continue
        is_fine = "failed" not in scene.read_text()
        rows[str(scene)] = {
            "source": str(scene),
            "product": str(ledger.parent / f"{scene.stem}.jp2"),
            "state": "done" if is_fine else "failed",
            "source_bytes": 100 if is_fine else None,
            "product_bytes": 25 if is_fine else None,
            "error": None if is_fine else "cannot be read",
            "error_kind": None if is_fine else "damaged",
            "words": words,
        }
        event("scene", **{key: rows[str(scene)][key] for key in ("source", "state", "error", "error_kind")})
    ledger.write_text(json.dumps(rows))
    states = [row["state"] for row in rows.values()]
    print(json.dumps({"done": states.count("done"), "failed": states.count("failed")}))
    return 3 if "failed" in states else 0


def main(words: list[str]) -> int:
    if words[:1] == ["batch"]:
        return batch(words)
    if words[:1] == ["capabilities"]:
        beside = Path(sys.argv[0]).with_suffix(".capabilities")
        print(beside.read_text() if beside.exists() else json.dumps(CAPABILITIES))
        return 0
    if words[:1] == ["compress"]:
        return compress(Path(words[1]), Path(words[2]), words)
    if words[:1] == ["compare"]:
        is_equal = Path(words[1]).read_bytes() == Path(words[2]).read_bytes()
        print(json.dumps({"pixels_equal": is_equal, "metadata_diff": []}))
        return 0 if is_equal else 4
    return fail(f"no such verb {words[:1]}", 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
