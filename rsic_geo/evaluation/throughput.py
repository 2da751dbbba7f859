"""How much faster a batch is with more jobs: ``python -m rsic_geo.evaluation.throughput SCENE --jobs 1 2``.

Crops of a scene, or the scenes of a folder, are archived by ``rsic batch run`` once for each number of jobs,
with one codec thread per job and no network. What starting up takes is what a batch of as many tiny scenes as
jobs takes. Run it on a machine that does nothing else. With ``--coding`` one process codes and proves the
scenes, too, without a batch around it: what the batch takes is told in parts of that, start-up included.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rsic_geo.batch.inputs import Selection, discover
from rsic_geo.batch.verify import Promise, prove
from rsic_geo.errors import UsageError, VerificationError
from rsic_geo.evaluation.measured import Measured, best_of, run_measured
from rsic_geo.geo.part import Part
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.progress import Progress
from rsic_geo.raster import SceneWriter, open_scene
from rsic_geo.scenes.verdict import BandFacts
from rsic_geo.targets import Target
from rsic_geo.verbs.compress import compress


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What one number of jobs took."""

    jobs: int
    scenes: int
    megapixels: float
    whole: Measured
    """The whole command."""
    start: Measured
    """The same command on as many tiny scenes as jobs."""

    @property
    def seconds(self) -> float:
        """Seconds without starting up."""
        return self.whole.seconds - self.start.seconds


def write_crops(scene: str, count: int, side: int, folder: Path) -> float:
    """Write square crops of a scene at fixed random places, overlapping where need be; return megapixels.

    Raises:
        UsageError: if the scene is smaller than a crop.
    """
    generator = random.Random(1)
    with open_scene(scene) as reader:
        profile, snapshot = reader.profile, reader.metadata()
        if min(profile.height, profile.width) < side:
            raise UsageError(f"{scene} is smaller than {side} px: give --side")
        for number in range(count):
            window = Window(
                row_off=generator.randint(0, profile.height - side),
                col_off=generator.randint(0, profile.width - side),
                height=side,
                width=side,
            )
            part = Part(window=window)
            place = folder / f"crop{number:04d}.tif"
            with SceneWriter(place, part.of_profile(profile), part.of_snapshot(snapshot)) as writer:
                writer.write(Window.full(side, side), reader.read(window))
                writer.commit(accept_loss=True)
    return count * side * side / 1e6


def archive(scenes: Path, jobs: int, target: str, more: list[str]) -> Measured:
    """Archive the scenes of a folder by ``rsic batch run``; what it writes is removed.

    Raises:
        RsicGeoError: if a scene fails.
    """
    words = ["--jobs", str(jobs), "--target", target, "--model", "none", "--progress", "none", *more]
    with tempfile.TemporaryDirectory(prefix="rsic-throughput-") as out:
        return run_measured([sys.executable, "-m", "rsic_geo", "batch", "run", str(scenes), out, *words])


def megapixels_of(paths: list[str]) -> float:
    """Return the megapixels of all scenes together."""
    pixels = 0
    for path in paths:
        with open_scene(path) as reader:
            pixels += reader.profile.height * reader.profile.width
    return pixels / 1e6


def measure(scenes: Path, jobs: list[int], target: str, repeats: int, more: list[str]) -> list[Throughput]:
    """Archive the scenes with every number of jobs, in turn, and keep the best of the repeats."""
    paths = [source.path for source in discover([str(scenes)], Selection())]
    if not paths:
        raise UsageError(f"no scenes found in {scenes}")
    megapixels = megapixels_of(paths)
    whole: dict[int, list[Measured]] = {number: [] for number in jobs}
    start: dict[int, list[Measured]] = {number: [] for number in jobs}
    with tempfile.TemporaryDirectory(prefix="rsic-throughput-") as name:
        for number in jobs:
            (Path(name) / str(number)).mkdir()
            write_crops(paths[0], max(1, number), 16, Path(name) / str(number))
        for _ in range(repeats):
            for number in jobs:
                start[number].append(archive(Path(name) / str(number), number, target, more))
                whole[number].append(archive(scenes, number, target, more))
    return [
        Throughput(
            jobs=number,
            scenes=len(paths),
            megapixels=megapixels,
            whole=best_of(whole[number]),
            start=best_of(start[number]),
        )
        for number in jobs
    ]


def coding(scenes: Path, target: str, threads: int) -> tuple[float, float]:
    """Return the seconds, and processor seconds, that coding and proving scenes takes in a warm process."""
    execution = Execution(threads=threads)
    wanted = EncodeOptions(
        target=Target.parse(target), codec="jp2", model="none", verify="later", execution=execution
    )
    paths = [source.path for source in discover([str(scenes)], Selection())]
    began, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="rsic-throughput-") as out:
        for number, path in enumerate((paths[0], *paths)):
            if number == 1:  # the first time is for what is imported and made then
                began, cpu = time.perf_counter(), time.process_time()
            product = os.path.join(out, f"{number}.jp2")
            report = compress(path, product, wanted)
            promise = Promise(
                target=wanted.target,
                lossless=bool(report.details["lossless"]),
                facts=tuple(map(BandFacts.from_json, report.details["signals"])),
                bounds=tuple(report.details["bounds"]),
            )
            if prove(path, product, promise, execution, Progress()).problems:
                raise VerificationError(f"{path} is not proven")
    return time.perf_counter() - began, time.process_time() - cpu


def table(rows: list[Throughput]) -> str:
    """Return the rows as text; ratios are to the first one."""
    first = rows[0]
    lines = [f"{first.scenes} scenes, {first.megapixels:.0f} Mpx; best of the repeats"]
    for row in rows:
        whole, rest = first.whole.seconds / row.whole.seconds, first.seconds / row.seconds
        lines.append(
            f"--jobs {row.jobs}: {row.whole.seconds:.2f} s with start-up, {whole:.2f} x; {row.seconds:.2f} s "
            f"without ({row.start.seconds:.2f} s), {rest:.2f} x; "
            f"{row.megapixels / row.whole.seconds:.2f} Mpx/s"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", help="scene to crop, or folder of scenes")
    parser.add_argument("--jobs", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--target", default="psnr=38")
    parser.add_argument(
        "--threads", default="1", help="codec threads of each job; 0 = cores divided among jobs"
    )
    parser.add_argument("--scenes", type=int, default=24, help="crops")
    parser.add_argument("--side", type=int, default=2048, help="of a crop (px)")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--coding", action="store_true", help="also coding and proving without a batch")
    asked = parser.parse_args()
    more = ["--threads", asked.threads]
    with tempfile.TemporaryDirectory(prefix="rsic-throughput-") as name:
        scenes = Path(asked.scene)
        if not scenes.is_dir():
            scenes = Path(name)
            write_crops(asked.scene, asked.scenes, asked.side, scenes)
        print(f"target {asked.target}, threads of each job: {asked.threads}")
        rows = measure(scenes, asked.jobs, asked.target, asked.repeats, more)
        print(table(rows))
        for _ in range(asked.repeats if asked.coding else 0):
            wall, cpu = coding(scenes, asked.target, int(asked.threads))
            parts = ", ".join(
                f"--jobs {row.jobs} {row.jobs * row.whole.seconds / wall:.2f} x "
                f"({row.whole.cpu_seconds / cpu:.2f} x of processors)"
                for row in rows
            )
            print(f"coding and proving alone: {wall:.2f} s; of that, in processes' seconds: {parts}")


if __name__ == "__main__":
    main()
