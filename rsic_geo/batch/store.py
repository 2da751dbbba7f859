"""Products in a store that speaks S3, under the names GDAL has for them (``/vsis3/BUCKET/KEY``).

The store is told as GDAL is: ``AWS_S3_ENDPOINT``, ``AWS_HTTPS``, ``AWS_VIRTUAL_HOSTING``,
``AWS_NO_SIGN_REQUEST``, ``AWS_REGION``, ``AWS_PROFILE`` and keys, by ``--config`` or the environment. Without
these boto3 looks where it always does (profiles, roles of the machine). An object appears when all of its
bytes have arrived, so nothing half is ever seen under a product's name.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace as replace_fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsic_geo.batch.source import is_local, sha256_of
from rsic_geo.errors import (
    MissingDependencyError,
    OutputExistsError,
    RsicGeoError,
    SceneError,
    SceneNotFoundError,
    UsageError,
    VerificationError,
)
from rsic_geo.options import EncodeOptions
from rsic_geo.raster.doors.vsi import gdal_name
from rsic_geo.raster.env import reading_options
from rsic_geo.raster.files import SIDECARS

if TYPE_CHECKING:
    from botocore.client import BaseClient

_UNPROVEN = ".unproven"
"""What names of objects end in, and with a dot before, until they are read back."""
ROOT = "/vsis3/"
OVERVIEWS_ABOVE = 4_000_000
"""Pixels of scenes whose products in a store get a small overview."""
REPORTS = "rsic-batch-reports"
"""Folder in the store where the scenes' reports lie, which a ledger can be made again of."""
_TOLD = (
    "AWS_S3_ENDPOINT", "AWS_HTTPS", "AWS_VIRTUAL_HOSTING", "AWS_NO_SIGN_REQUEST", "AWS_REGION",
    "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "GDAL_HTTP_MAX_RETRY",
)  # fmt: skip
_NO = ("NO", "OFF", "FALSE", "0")
_RETRIES = "5"
"""How often a request is made again before it counts as failed, after pauses that grow (up to 20 s)."""
_SHUT = {
    "AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "NoSuchBucket", "QuotaExceeded",
    "SignatureDoesNotMatch", "XMinioStorageFull",
}  # fmt: skip
SHUT_WORDS = "the store lets nothing be written"
"""What is said of refusals that no scene is to blame for: the next one would meet them, too."""


def is_store(path: str | Path) -> bool:
    """Return whether a name is that of an object in a store."""
    return str(path).startswith(ROOT)


def place_of(folder: str) -> str:
    """Return the folder that is meant by an output: an absolute path, or ``/vsis3/BUCKET/PREFIX``.

    Raises:
        UsageError: it is a place nothing is written to.
    """
    name = gdal_name(folder)
    if is_local(name):
        return os.path.abspath(name)
    place = os.path.normpath(name)
    if not is_store(place) or name.startswith(f"{ROOT}/"):
        raise UsageError(f"{folder}: products go to a folder of this machine or to s3://BUCKET/PREFIX")
    return place


def with_overviews(options: EncodeOptions, product: str, pixels: int) -> EncodeOptions:
    """Return options that say whether a product gets an overview: large ones that are read from afar do.

    Of a file at hand any level is read as fast as an overview, and finer ones faster without one.
    """
    if options.overviews != "auto":
        return options
    is_worth_it = is_store(product) and pixels > OVERVIEWS_ABOVE
    return replace_fields(options, overviews="small" if is_worth_it else "none")


def home_of(folder: str) -> Path:
    """Return the folder of this machine where ledger, reports and unfinished files of an output lie.

    For a store it is one in the current folder that is named for it.
    """
    return Path.cwd() / folder.removeprefix(ROOT).replace("/", "-") if is_store(folder) else Path(folder)


def exists(path: str | Path) -> bool:
    """Return whether a product is there. Raises SceneError where the store cannot tell."""
    return os.path.exists(path) if not is_store(path) else _size(str(path)) is not None


def sizes_in(folder: str) -> Callable[[str], int | None]:
    """Return what tells the bytes of products below a folder, None for what is not there.

    A store is asked once, for all names.

    Raises:
        SceneError: the store cannot be asked.
    """
    if is_store(folder):
        return dict(_listed(f"{folder}/")).get
    return lambda path: os.path.getsize(path) if os.path.isfile(path) else None


def check_bucket(folder: str) -> None:
    """See that there is the bucket of a place. Raises SceneError where there is none, or nobody answers."""
    bucket, _ = _parts(folder)
    try:
        with _explained("look at", folder):
            _client().head_bucket(Bucket=bucket)
    except SceneNotFoundError as error:
        raise SceneError(f"there is no bucket {bucket}: make it first, or give another one") from error


def check_open(folder: str, is_ours: Callable[[str], bool]) -> None:
    """See that a store answers, and have it drop what a killed run was sending.

    Args:
        folder: in the store.
        is_ours: whether a name is that of a product of the caller, whom nobody else works for.

    Raises:
        SceneError: it does not answer, or lets nothing be looked at.
    """
    bucket, prefix = _parts(f"{folder}/")
    check_bucket(folder)
    with _explained("write to", folder):
        client = _client()
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
            for upload in page.get("Uploads", ()):
                name = f"{ROOT}{bucket}/{upload['Key']}"
                if any(is_ours(name.removesuffix(suffix)) for suffix in ("", *SIDECARS)):
                    key, number = upload["Key"], upload["UploadId"]
                    client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=number)
        for name, _ in _listed(f"{folder}/"):
            meant = _meant(name)
            if meant is not None and any(is_ours(meant.removesuffix(suffix)) for suffix in ("", *SIDECARS)):
                remove(name)


def send(file: Path, name: str, workshop: Path) -> bool:
    """Put a file under a name nobody has, or whose object has the very same bytes; return whether it is new.

    It is sent under a name of its own, read back and compared, and only then the store copies it to where it
    is looked for.

    Args:
        file: what is sent, large ones in parts.
        name: ``/vsis3/BUCKET/KEY``.
        workshop: folder for the copy that is read back.

    Raises:
        OutputExistsError: the name is another object's.
        VerificationError: the store holds other bytes than were sent.
        SceneError: the store cannot be written.
    """
    wanted, back = sha256_of(file), workshop / f".{file.name}.back"
    is_new = _size(name) is None
    held = _sending(name) if is_new else name
    try:
        if is_new:
            replace(file, held)
        fetch(held, back)
        if sha256_of(back) != wanted:
            if not is_new:
                raise OutputExistsError(f"{name} exists and is another object: move it away")
            raise VerificationError(f"the store holds other bytes of {name} than were sent: is it sound?")
        if is_new:
            _copy(held, name)
        return is_new
    finally:
        if is_new:
            with suppress(RsicGeoError):
                remove(held)
        back.unlink(missing_ok=True)


def send_product(finished: Path, product: str, beside: list[tuple[Path, str]]) -> None:
    """Put what lies beside a verified archive into the store, and then itself; all of it or nothing.

    Args:
        finished: the archive.
        product: its name in the store.
        beside: files and their names there.

    Raises:
        RsicGeoError: as :func:`send`.
    """
    new: list[str] = []
    try:
        for file, name in (*beside, (finished, product)):
            if send(file, name, finished.parent):
                new.append(name)
    except BaseException:
        for name in new:
            with suppress(RsicGeoError):
                remove(name)
        raise


def _sending(name: str) -> str:
    """Return the name an object has until it is proven."""
    folder, _, last = name.rpartition("/")
    return f"{folder}/.{last}{_UNPROVEN}"


def _meant(name: str) -> str | None:
    """Return the name that an object not yet proven is to have; None for any other."""
    folder, _, last = name.rpartition("/")
    if not (last.startswith(".") and last.endswith(_UNPROVEN)):
        return None
    return f"{folder}/{last[1:].removesuffix(_UNPROVEN)}"


def _copy(held: str, name: str) -> None:
    """Have the store copy an object. Raises SceneError where it does not, or not all of it."""
    (bucket, key), (_, source) = _parts(name), _parts(held)
    with _explained("write", name):
        _client().copy({"Bucket": bucket, "Key": source}, bucket, key)
    if _size(name) != _size(held):
        with suppress(RsicGeoError):
            remove(name)
        raise VerificationError(f"the store copied another number of bytes to {name}: is it sound?")


def replace(file: Path, name: str) -> None:
    """Put a file under a name, whatever was there. Raises SceneError if the store cannot be written."""
    bucket, key = _parts(name)
    with _explained("write", name):
        _client().upload_file(str(file), bucket, key)


def fetch(name: str, path: Path, max_rate: float = 0.0) -> None:
    """Copy an object to a file of this machine.

    Args:
        name: ``/vsis3/BUCKET/KEY``.
        path: of the file.
        max_rate: bytes per second at most; 0 = as fast as it goes.

    Raises:
        SceneNotFoundError: there is none.
        SceneError: it cannot be read.
    """
    bucket, key = _parts(name)
    with _explained("read", name):
        from boto3.s3.transfer import TransferConfig

        # One request after the other is what a limit is kept by.
        config = TransferConfig(use_threads=not max_rate, max_bandwidth=round(max_rate) or None)
        _client().download_file(bucket, key, str(path), Config=config)


def remove(name: str) -> None:
    """Remove an object. Raises SceneError if the store does not."""
    bucket, key = _parts(name)
    with _explained("remove", name):
        _client().delete_object(Bucket=bucket, Key=key)


@contextmanager
def brought(path: str, home: Path, max_rate: float = 0.0) -> Iterator[str]:
    """Yield where a product can be read as a file with all that lies beside it: itself, or a copy of it.

    Args:
        path: of the product.
        home: folder of its ledger, below which copies lie while they are needed, if it can be written:
            weights are looked for above them.
        max_rate: bytes per second read of a store at most; 0 = as fast as it goes.

    Raises:
        SceneNotFoundError: there is none in the store.
        SceneError: the store cannot be read.
    """
    if not is_store(path):
        yield path
        return
    above = home if os.access(home, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=".rsic-", dir=above) as folder:
        copy = Path(folder) / Path(path).name
        fetch(path, copy, max_rate)
        for name, _ in _listed(path):
            if (suffix := name.removeprefix(path)) in SIDECARS:
                fetch(name, Path(f"{copy}{suffix}"), max_rate)
        yield str(copy)


def fetch_reports(folder: str, reports: Path) -> None:
    """Bring the reports of a store's scenes here; those that are here already stay.

    Raises:
        SceneError: the store cannot be read.
    """
    above = f"{folder}/{REPORTS}/"
    for name, _ in _listed(above):
        place = reports / name.removeprefix(above)
        if os.path.commonpath([reports, os.path.normpath(place)]) == str(reports) and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            fetch(name, place)


def _listed(start: str) -> Iterator[tuple[str, int]]:
    """Yield names that begin so, and the bytes of their objects."""
    bucket, prefix = _parts(start)
    with _explained("list", start):
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                yield f"{ROOT}{bucket}/{entry['Key']}", entry["Size"]


def _size(name: str) -> int | None:
    bucket, key = _parts(name)
    try:
        with _explained("look at", name):
            return int(_client().head_object(Bucket=bucket, Key=key)["ContentLength"])
    except SceneNotFoundError:
        return None


def _parts(name: str) -> tuple[str, str]:
    bucket, _, key = name.removeprefix(ROOT).partition("/")
    return bucket, key


def _client() -> BaseClient:
    asked = {key: str(value) for key, value in reading_options().items()}
    return _made(tuple((key, asked.get(key) or os.environ.get(key, "")) for key in _TOLD))


@lru_cache(maxsize=4)
def _made(told: tuple[tuple[str, str], ...]) -> BaseClient:
    """Return the client of a store; one for each way it is told, as making it takes a while."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    says = dict(told)
    tries = 1 + int(says["GDAL_HTTP_MAX_RETRY"] or _RETRIES)
    endpoint = says["AWS_S3_ENDPOINT"]
    if endpoint and "://" not in endpoint:
        endpoint = f"{'http' if says['AWS_HTTPS'].upper() in _NO else 'https'}://{endpoint}"
    style = "path" if says["AWS_VIRTUAL_HOSTING"].upper() in _NO else "auto"
    is_open = says["AWS_NO_SIGN_REQUEST"].upper() not in ("", *_NO)
    session = boto3.Session(
        says["AWS_ACCESS_KEY_ID"] or None,
        says["AWS_SECRET_ACCESS_KEY"] or None,
        says["AWS_SESSION_TOKEN"] or None,
        says["AWS_REGION"] or says["AWS_DEFAULT_REGION"] or None,
        profile_name=says["AWS_PROFILE"] or None,
    )
    return session.client(
        "s3",
        endpoint_url=endpoint or None,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": tries},
            s3={"addressing_style": style},
            **({"signature_version": UNSIGNED} if is_open else {}),
        ),
    )


@contextmanager
def _explained(action: str, name: str) -> Iterator[None]:
    """Turn what the library raises into errors of ours of one line."""
    try:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise MissingDependencyError(
            "products in a store need boto3: pip install 'rsic-geo[s3]', or write to a local folder"
        ) from error
    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        found = (each for each in (error, error.__context__) if isinstance(each, ClientError))
        cause: Any = next(found, None)
        code = "" if cause is None else str(cause.response.get("Error", {}).get("Code", ""))
        words = " ".join(str(error).split())
        if code in ("404", "NoSuchKey"):
            raise SceneNotFoundError(f"there is no {name}") from error
        if code in _SHUT or code == "403":
            raise SceneError(f"cannot {action} {name}: {SHUT_WORDS} ({words})") from error
        raise SceneError(f"cannot {action} {name}: {words}; run again when the store answers") from error
