"""CompressAI's rANS coder behind arrays of symbols.

Only its compiled coder is loaded, not the package around it: importing ``compressai`` pulls in torchvision
and torch_geometric, which fail beside a CPU build of torch, and forbids numpy 2. The coder needs
none of them.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import threading
import zlib
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import INSTALL_CODER, ChecksumError, MissingDependencyError

_Foreign: TypeAlias = Any
"""What compressai hands out: it carries no types."""
NOT_AS_CODED = (
    "the symbols of the tile are not those that were coded: it is damaged, or was made with other weights"
)
_EXTENSION = "compressai.ans"
_lock = threading.Lock()
_loaded: list[_Foreign] = []


def coder() -> _Foreign:
    """Return CompressAI's module ``ans``. Raises MissingDependencyError."""
    with _lock:
        if not _loaded:
            _loaded.append(_load())
        return _loaded[0]


def _load() -> _Foreign:
    if _EXTENSION in sys.modules:
        return sys.modules[_EXTENSION]
    package = importlib.util.find_spec("compressai")
    places = list(package.submodule_search_locations or []) if package else []
    spec = importlib.machinery.PathFinder.find_spec(_EXTENSION, places) if places else None
    if spec is None or spec.loader is None:
        raise MissingDependencyError(_missing())
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"compressai's coder cannot be loaded ({error}): reinstall it"
        ) from error
    return module


def _missing() -> str:
    if sys.version_info >= (3, 13):
        return (
            "the learned codec needs compressai, which has no build for Python 3.13: use Python 3.10 to 3.12"
        )
    return f"the learned codec needs compressai's coder: {INSTALL_CODER}"


class SymbolTable:
    """Frequencies as CompressAI's coder takes them, made once for all tiles."""

    def __init__(self, cdf: NDArray[np.int32], half_width: NDArray[np.int32]) -> None:
        """Hold rows of cumulative frequencies, see `tables.cumulative`, and how wide each is."""
        sizes = (2 * half_width + 3).tolist()
        rows = [row[:size] for row, size in zip(cdf.tolist(), sizes, strict=True)]
        self.arguments = (rows, sizes, (-half_width).tolist())


class _Symbols:
    """Symbols met so far, in order, and the table they are coded with."""

    def __init__(self, table: SymbolTable) -> None:
        self._table = table
        self._parts: list[NDArray[np.int16]] = []

    def symbols(self) -> NDArray[np.int16]:
        """Return all symbols, uncoded zeros included."""
        return np.concatenate([part.reshape(-1) for part in self._parts])

    def checksum(self, header: bytes) -> int:
        """Return the CRC-32 of a header and of all symbols as little-endian int16."""
        return zlib.crc32(self.symbols().astype("<i2").tobytes(), zlib.crc32(header))


class SymbolWriter(_Symbols):
    """Collects symbols and writes them as one string."""

    def __init__(self, table: SymbolTable) -> None:
        super().__init__(table)
        self._coder = coder().BufferedRansEncoder()

    @staticmethod
    def check() -> None:
        """Raise MissingDependencyError if there is no coder."""
        coder()

    def put(self, symbols: NDArray[Any], rows: NDArray[Any], table: SymbolTable | None = None) -> None:
        """Append whole numbers with their rows of the table, or of another; row 0 is not coded."""
        values = symbols.astype(np.int16)
        self._parts.append(values)
        coded = rows > 0
        arguments = (table or self._table).arguments
        self._coder.encode_with_indexes(values[coded].tolist(), rows[coded].tolist(), *arguments)

    def finish(self) -> bytes:
        """Return the string."""
        return bytes(self._coder.flush())


class SymbolReader(_Symbols):
    """Reads symbols back from a string."""

    def __init__(self, string: bytes, table: SymbolTable, count: int) -> None:
        """Open a string for at most ``count`` symbols.

        The coder reads on behind the end of a string that does not belong to its table. Zeros are put there,
        as far as it can get: once the string is used up a symbol takes 4 bytes, and an escape still open may
        ask for 15 times four bits for every four bits of the string, with 4 bytes each.

        Raises:
            ChecksumError: the string is longer than so many symbols can be.
        """
        if len(string) > 8 * count + 64:
            raise ChecksumError("the tile is longer than its symbols can be: it is damaged")
        super().__init__(table)
        self._coder = coder().RansDecoder()
        self._coder.set_stream(string.ljust(121 * len(string) + 4 * count + 4096, b"\0"))

    def take(self, rows: NDArray[Any], table: SymbolTable | None = None) -> NDArray[np.int32]:
        """Return symbols, one for each row of the table, or of another; row 0 is not coded and gives zeros.

        Raises:
            ChecksumError: a symbol no encoder writes.
        """
        coded = rows > 0
        found = self._coder.decode_stream(rows[coded].tolist(), *(table or self._table).arguments)
        wide = np.zeros(rows.shape, dtype=np.int64)
        wide[coded] = found
        if wide.size and np.abs(wide).max() > np.iinfo(np.int16).max:
            raise ChecksumError(NOT_AS_CODED)
        self._parts.append(wide.astype(np.int16))
        return wide.astype(np.int32)
