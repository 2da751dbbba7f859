"""An archive as a BagIt bag (RFC 8493), which libraries and ``sha256sum -c`` check without rsic.

RFC 8493 wants ``%`` in names escaped in manifests, which neither ``sha256sum`` nor the bagit library undoes.
A bag with such names is one of BagIt 0.97, where they stand as they are.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from rsic_geo.batch.confined import inside
from rsic_geo.batch.ledger.file import Ledger, RunRecord
from rsic_geo.batch.preserve.rebuild import asked_path, reports_of
from rsic_geo.batch.publish import whole_folder
from rsic_geo.batch.source import sha256_of
from rsic_geo.errors import UsageError, VerificationError
from rsic_geo.raster.files import sidecars_of
from rsic_geo.version import version
from rsic_geo.weights import WEIGHTS_FOLDER


def write_bag(ledger: Ledger, record: RunRecord, folder: Path) -> int:
    """Write a bag of the products that are done, what lies beside them, their reports and the ledger.

    Products are hard links where the file system has them; what programs may write to in place is copied.

    Args:
        ledger: open ledger.
        record: the run.
        folder: empty or missing.

    Returns:
        Number of scenes.

    Raises:
        VerificationError: a product is not what was verified.
        UsageError: a name would be read as another one.
        LedgerError: the ledger leads outside of its folders.
        OSError: the bag cannot be written.
    """
    count, size, files, lines, is_plain = 0, 0, 0, [], True
    with whole_folder(folder) as unfinished:
        for source, name, digest in _payload(ledger, record):
            count += digest is not None
            is_plain &= "%" not in name
            if re.search("%0[AaDd]", name):
                raise UsageError(f"{source}: in a bag %0A and %0D are read as ends of lines: rename it")
            target = unfinished / "data" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _place(source, target, is_fixed=digest is not None)
            found = sha256_of(target)
            if digest is not None and found != digest:
                raise VerificationError(
                    f"{source} changed since it was verified: see `rsic batch verify`; no bag was written"
                )
            lines.append(f"{found}  data/{_escaped(name)}\n")
            size, files = size + target.stat().st_size, files + 1
        edition = "1.0" if is_plain else "0.97"
        texts = {
            "bagit.txt": f"BagIt-Version: {edition}\nTag-File-Character-Encoding: UTF-8\n",
            "bag-info.txt": f"Bag-Software-Agent: rsic_geo {version()}\nPayload-Oxum: {size}.{files}\n"
            f"External-Identifier: {record.name}\n",
            "manifest-sha256.txt": "".join(lines),
        }
        (unfinished / "data").mkdir(exist_ok=True)
        for name, text in texts.items():
            (unfinished / name).write_text(text, encoding="utf-8")
        tags = "".join(f"{sha256_of(unfinished / name)}  {name}\n" for name in texts)
        (unfinished / "tagmanifest-sha256.txt").write_text(tags, encoding="utf-8")
    return count


def _payload(ledger: Ledger, record: RunRecord) -> Iterator[tuple[Path, str, str | None]]:
    """Yield files, their names in the bag, and the digest products must have. Raises LedgerError."""
    reports = Path(reports_of(ledger.path))
    for scene in ledger.scenes(record.name, "done"):
        product = Path(inside(scene["product"], record.folder, "the product"))
        yield product, _name(product, record.folder), scene["product_sha256"]
        for sidecar, _ in sidecars_of(product):
            yield sidecar, _name(sidecar, record.folder), None
        report = Path(inside(scene["report"], reports, "the report"))
        if report.is_file():
            yield report, f"{reports.name}/{_name(report, reports)}", None
    for weights in sorted(Path(record.folder).glob(f"{WEIGHTS_FOLDER}/*.safetensors")):
        yield weights, _name(weights, record.folder), None
    asked = asked_path(str(reports), record.name)
    if asked.is_file():
        yield asked, f"{reports.name}/{asked.name}", None
    yield ledger.path, ledger.path.name, None


def _name(path: Path, folder: str | Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _place(source: Path, target: Path, *, is_fixed: bool) -> None:
    try:
        if is_fixed:
            os.link(source, target)
            return
    except OSError:  # another file system, or one without links
        pass
    shutil.copy2(source, target)


def _escaped(name: str) -> str:
    """Return a name as manifests write it (RFC 8493, 2.1.3, but for ``%``)."""
    return name.replace("\n", "%0A").replace("\r", "%0D")
