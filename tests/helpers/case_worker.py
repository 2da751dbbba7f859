"""A process that runs verbs on files nobody trusts: one JSON case per line in, one JSON outcome per line out.

Run by `case_runner`, which survives when this process does not. With the argument "quick" every archive is
enhanced by a network of a millisecond.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
import warnings
import zlib
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from pipeline_support import Smoother

import rsic_geo
from rsic_geo.errors import RsicGeoError
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.scenes.archive import Archive

MOST_MEMORY = 6 << 30
"""Address space (bytes); a file that claims to be huge may not get more."""


def crc_of(path: str, enhance: str = "auto") -> dict[str, Any]:
    """Return checksums of all that a user gets from a scene; and what was warned."""
    with Archive(path, enhance=enhance, execution=Execution(threads=1)) as scene:
        pixels = scene.read()
        window = Window.full(scene.profile.height, scene.profile.width)
        mask = scene.read_mask(window)
        return {
            "pixels": zlib.crc32(np.ascontiguousarray(pixels)),
            "valid": zlib.crc32(np.ascontiguousarray(scene.read_valid(window))),
            "mask": None if mask is None else zlib.crc32(np.ascontiguousarray(mask)),
            "snapshot": zlib.crc32(json.dumps(scene.snapshot.to_json(), sort_keys=True).encode()),
            "warnings": list(scene.warnings),
        }


def compare_with_itself(path: str) -> dict[str, Any]:
    return rsic_geo.compare(path, path).to_json()


def compress(path: str, out: str, target: str) -> dict[str, Any]:
    return rsic_geo.compress(path, out, target=target, model="none", threads=1).to_json()


def decompress(path: str, out: str) -> dict[str, Any]:
    return rsic_geo.decompress(path, out, threads=1).to_json()


def enhance(path: str, out: str) -> dict[str, Any]:
    return rsic_geo.enhance(path, out, threads=1).to_json()


def crash(path: str) -> dict[str, Any]:
    """Die as a library in C would; for the test of the runner."""
    os.abort()


def hang(path: str) -> dict[str, Any]:
    """Never come back; for the test of the runner."""
    while True:
        time.sleep(1)


VERBS = {
    "read": crc_of,
    "info": rsic_geo.info,
    "validate": rsic_geo.validate,
    "compare": compare_with_itself,
    "compress": compress,
    "decompress": decompress,
    "enhance": enhance,
    "crash": crash,
    "hang": hang,
}


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """Run one case; every error is an outcome, told apart by whether we raised it on purpose."""
    try:
        result = VERBS[case["verb"]](*case["args"])
    except RsicGeoError as error:
        return {"error": type(error).__name__, "is_ours": True, "text": str(error)}
    except BaseException as error:
        text = "".join(traceback.format_exception(error))
        return {"error": type(error).__name__, "is_ours": False, "text": text[-3000:]}
    return {"error": None, "result": json.loads(json.dumps(result, default=str))}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    if sys.argv[1:] == ["quick"]:
        sys.modules["rsic_geo.repair.loading"].load_enhancer = lambda *_, **__: Smoother()  # type: ignore[attr-defined]
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        for line in sys.stdin:
            case = json.loads(line)
            started = time.perf_counter()
            found = outcome(case)
            print(json.dumps({**found, "seconds": time.perf_counter() - started}), file=out, flush=True)


if __name__ == "__main__":
    main()
