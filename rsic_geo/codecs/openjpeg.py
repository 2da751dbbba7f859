"""OpenJPEG through the library bindings of glymur: one tile in memory to a codestream in memory and back.

glymur's own ``Jp2k`` class works on files, knows no signed samples, reports warnings through a process-wide
list and forbids tiles larger than the image, which edge tiles need to keep all resolutions. Its bindings have
none of these limits, so they are driven directly, with a stream in memory and messages kept per call.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import re
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from rsic_geo.errors import BitstreamError, CodecError, MissingDependencyError

_Foreign: TypeAlias = Any
"""What glymur hands out: it carries no types."""

_MESSAGE = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)
_TRANSFER = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_SKIP = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_SEEK = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p)
_FAILED = ctypes.c_size_t(-1).value or 0
PROGRESSIONS = {"LRCP": 0, "RLCP": 1, "RPCL": 2, "PCRL": 3, "CPRL": 4}
_CHUNK_BYTES = 1 << 16
_ALIAS = "_rsic_geo_glymur"
_BINDINGS = f"{_ALIAS}.lib.openjp2"
_LOADING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """What OpenJPEG is told about one tile."""

    is_reversible: bool
    """Wavelet 5/3 (and reversible colour transform) instead of 9/7."""
    use_mct: bool
    rate: float
    """Compression ratio against the raw samples; 0 keeps everything."""
    decibels: tuple[float, ...]
    """PSNR of each layer against the precision's largest value, rising; empty: one layer of the ratio."""
    precision: int
    """Bits of a sample, at most those of its type."""
    resolutions: int
    with_plt: bool
    progression: str
    tile_width: int
    """Nominal tile width (px), at least the width of the pixels."""
    tile_height: int


class Sliceable(Protocol):
    """Bytes, or what reads them from where they lie."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __getitem__(self, part: slice, /) -> bytes:
        """Return a part, shorter at the end."""
        ...


class _Stream:
    """A codestream in memory that OpenJPEG reads from or writes to."""

    def __init__(self, source: Sliceable = b"") -> None:
        self.data = bytearray()
        """What was written."""
        self.source = source
        self.position = 0
        # ctypes callbacks die with their Python objects, so the stream keeps them.
        self.callbacks = (_TRANSFER(self._read), _TRANSFER(self._write), _SKIP(self._skip), _SEEK(self._seek))

    def _read(self, target: int, count: int, _: int) -> int:
        chunk = self.source[self.position : self.position + count]
        if not chunk:
            return _FAILED
        ctypes.memmove(target, chunk, len(chunk))
        self.position += len(chunk)
        return len(chunk)

    def _write(self, source: int, count: int, _: int) -> int:
        self.data[self.position : self.position + count] = ctypes.string_at(source, count)
        self.position += count
        return count

    def _skip(self, count: int, _: int) -> int:
        self.position = max(0, self.position + count)
        return count

    def _seek(self, position: int, _: int) -> int:
        self.position = position
        return 1


class _Messages:
    """Errors and warnings of one call, which OpenJPEG hands over as text."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.on_error = _MESSAGE(lambda text, _: self.errors.append(_one_line(text)))
        self.on_warning = _MESSAGE(lambda text, _: self.warnings.append(_one_line(text)))

    def reason(self) -> str:
        return "; ".join(self.errors or self.warnings) or "no reason given"


def encode(planes: npt.NDArray[Any], settings: EncoderSettings) -> bytes:
    """Encode (bands, height, width) uint8, uint16 or int16 samples as a codestream of one tile at the origin.

    Safe to call from several threads at once; each call uses one OpenJPEG thread.

    Raises:
        CodecError: OpenJPEG refuses.
        MissingDependencyError: The OpenJPEG library is not installed.
    """
    opj = _bindings()
    messages, stream = _Messages(), _Stream()
    with ExitStack() as stack:
        image = opj.image_create(_component_parameters(opj, planes, settings.precision), 0)
        if not image:
            raise CodecError("OpenJPEG has no memory for this tile: use smaller tiles")
        stack.callback(opj.image_destroy, image)
        area = image.contents
        area.x0 = area.y0 = 0
        bands, area.y1, area.x1 = planes.shape
        for band in range(bands):
            _samples(area.comps[band])[...] = planes[band]
        codec = opj.create_compress(opj.CODEC_J2K)
        stack.callback(opj.destroy_codec, codec)
        _listen(opj, codec, messages)
        try:
            opj.setup_encoder(codec, _encoder_parameters(opj, settings), image)
            opj.encoder_set_extra_options(codec, plt=settings.with_plt)
            handle = _open_stream(opj, stream, reading=False)
            stack.callback(opj.stream_destroy, handle)
            opj.start_compress(codec, image, handle)
            opj.encode(codec, handle)
            opj.end_compress(codec, handle)
        except opj.OpenJPEGLibraryError as error:
            raise CodecError(f"OpenJPEG cannot encode this tile: {messages.reason()}") from error
    return bytes(stream.data)


def decode(
    codestream: Sliceable,
    *,
    layers: int = 0,
    reduce: int = 0,
    area: tuple[int, int, int, int] | None = None,
    consume: Callable[[int, npt.NDArray[np.int32]], None],
) -> list[str]:
    """Decode a codestream; `consume(band, samples)` sees each band as int32 (height, width).

    Args:
        codestream: A whole codestream, or what reads it piece by piece.
        layers: Number of quality layers to decode; 0 means all.
        reduce: Number of highest resolutions to leave out.
        area: Left, top, right and lower end of what is wanted on the reference grid (px); None for all.
        consume: Called once per band, in order; the samples are only valid during the call.

    Returns:
        OpenJPEG's warnings; an undamaged stream gives none.

    Raises:
        BitstreamError: OpenJPEG cannot decode.
        MissingDependencyError: The OpenJPEG library is not installed.
    """
    opj = _bindings()
    messages, stream = _Messages(), _Stream(codestream)
    with ExitStack() as stack:
        handle = _open_stream(opj, stream, reading=True)
        stack.callback(opj.stream_destroy, handle)
        codec = opj.create_decompress(opj.CODEC_J2K)
        stack.callback(opj.destroy_codec, codec)
        _listen(opj, codec, messages)
        parameters = opj.set_default_decoder_parameters()
        parameters.cp_layer, parameters.cp_reduce = layers, reduce
        try:
            opj.setup_decoder(codec, parameters)
            image = opj.read_header(handle, codec)
            stack.callback(opj.image_destroy, image)
            if area is not None:
                opj.set_decode_area(codec, image, *area)
            opj.decode(codec, handle, image)
            opj.end_decompress(codec, handle)
        except opj.OpenJPEGLibraryError as error:
            raise BitstreamError(f"OpenJPEG cannot decode this tile: {messages.reason()}") from error
        for band in range(image.contents.numcomps):
            consume(band, _samples(image.contents.comps[band]))
    return messages.warnings


def library_version() -> str:
    """Return the version of the OpenJPEG library in use. Raises MissingDependencyError."""
    return str(_bindings().version())


def _bindings() -> _Foreign:
    """Return glymur's binding of OpenJPEG, with the newest library there is.

    It is imported under a package name of our own: glymur's top imports lxml, Pillow and, where there
    are any, GDAL's bindings, for things not used here and for as long as all of rsic_geo takes to start.
    """
    with _LOADING:
        is_new = _ALIAS not in sys.modules
        if is_new:
            spec = importlib.util.find_spec("glymur")
            if spec is None or not spec.submodule_search_locations:
                raise MissingDependencyError("JPEG 2000 needs glymur: pip install glymur")
            package = ModuleType(_ALIAS)
            package.__path__ = list(spec.submodule_search_locations)
            sys.modules.setdefault(_ALIAS, package)
        try:
            openjp2: _Foreign = importlib.import_module(_BINDINGS)  # waits while another thread imports it
        except ImportError as error:
            raise MissingDependencyError(
                f"glymur is not usable ({error}): pip install 'glymur>=0.14'"
            ) from error
        if is_new:
            openjp2.OPENJP2 = _newest(openjp2.OPENJP2)
    if openjp2.OPENJP2 is None:
        raise MissingDependencyError(
            "the OpenJPEG library is missing: install libopenjp2-7 (apt) or openjpeg (conda, brew)"
        )
    return openjp2


def _newest(found: _Foreign) -> _Foreign:
    """Return the library that glymur found or that which rasterio brings, whichever is newer.

    Distributions are years behind: 2.5.3 finds layers in a fifth less time than 2.5.0. A library that
    glymur's configuration names is what its user wants, however old.
    """
    config = importlib.import_module(f"{_ALIAS}.config")
    rasterio = importlib.util.find_spec("rasterio")
    if rasterio is None or rasterio.origin is None or config.read_config_file("openjp2") is not None:
        return found
    package = Path(rasterio.origin).parent
    candidates = [] if found is None else [found]
    for path in (*package.parent.glob("rasterio.libs/*openjp2*"), *package.glob(".dylibs/*openjp2*")):
        with suppress(OSError):  # made for another machine: glymur's is left
            candidates.append(ctypes.CDLL(str(path)))
    return max(candidates, key=_version_of, default=None)


def _version_of(library: _Foreign) -> tuple[int, ...]:
    text = ctypes.CFUNCTYPE(ctypes.c_char_p)(("opj_version", library))()
    return tuple(int(part) for part in re.findall(r"\d+", text.decode()))


def _one_line(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())


def _listen(opj: _Foreign, codec: int, messages: _Messages) -> None:
    opj.set_info_handler(codec, None)
    opj.set_warning_handler(codec, messages.on_warning)
    opj.set_error_handler(codec, messages.on_error)


def _open_stream(opj: _Foreign, stream: _Stream, *, reading: bool) -> int:
    library = opj.OPENJP2
    prototype = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32)
    handle = prototype(("opj_stream_create", library))(_CHUNK_BYTES, int(reading))
    if not handle:
        raise CodecError("OpenJPEG has no memory for a stream: use smaller tiles")
    names = ("read_function", "write_function", "skip_function", "seek_function")
    for name, callback in zip(names, stream.callbacks, strict=True):
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, type(callback))((f"opj_stream_set_{name}", library))(
            handle, callback
        )
    set_length = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64)
    set_length(("opj_stream_set_user_data_length", library))(handle, len(stream.source))
    return int(handle)


def _component_parameters(opj: _Foreign, planes: npt.NDArray[Any], precision: int) -> _Foreign:
    bands, height, width = planes.shape
    parameters = (opj.ImageComptParmType * bands)()
    for entry in parameters:
        entry.dx = entry.dy = 1
        entry.w, entry.h = width, height
        entry.prec = entry.bpp = precision
        entry.sgnd = int(planes.dtype.kind == "i")
    return parameters


def _samples(component: _Foreign) -> npt.NDArray[np.int32]:
    if not component.data or component.h < 1 or component.w < 1:
        raise BitstreamError("OpenJPEG decoded no samples: the codestream is damaged")
    view: npt.NDArray[np.int32] = np.ctypeslib.as_array(component.data, shape=(component.h, component.w))
    return view


def _encoder_parameters(opj: _Foreign, settings: EncoderSettings) -> _Foreign:
    parameters = opj.set_default_encoder_parameters()
    parameters.codec_fmt = opj.CODEC_J2K
    parameters.irreversible = int(not settings.is_reversible)
    parameters.tcp_mct = int(settings.use_mct)
    parameters.numresolution = settings.resolutions
    parameters.prog_order = PROGRESSIONS[settings.progression]
    parameters.tile_size_on = 1
    parameters.cp_tdx, parameters.cp_tdy = settings.tile_width, settings.tile_height
    if settings.decibels:  # found without trial packets, so that layers cost hardly more than one coding
        parameters.cp_fixed_quality, values, field = 1, settings.decibels, parameters.tcp_distoratio
    else:
        parameters.cp_disto_alloc, values, field = 1, (settings.rate,), parameters.tcp_rates
    parameters.tcp_numlayers = len(values)
    for layer, value in enumerate(values):
        field[layer] = value
    return parameters
