"""The one error tree of rsic_geo.

Every error a caller can meet derives from :class:`RsicGeoError`, says in one line what is wrong
and what to do about it, and carries the process exit code that the command line returns for it.
"""

from __future__ import annotations

INSTALL_CODER = "pip install --no-deps 'compressai>=1.2.8,<2' tifffile"
"""What the learned codec decodes with: of compressai the coder alone, not what it depends on."""

INSTALL_LEARNED = f"pip install torch && {INSTALL_CODER}"
"""What it encodes with."""

INSTALL_COMPRESSAI = f"{INSTALL_LEARNED} scipy"
"""What CompressAI's networks need: the same, and what their entropy models import."""

INSTALL_TORCH = "pip install 'rsic-geo[torch]'"
"""What networks with a diffusion prior, encoding with the learned codec, CUDA and training need."""


class RsicGeoError(Exception):
    """Root of all errors raised on purpose by this package."""

    exit_code: int = 1
    """Exit code of the ``rsic`` command when this error ends it."""


class UsageError(RsicGeoError, ValueError):
    """The request itself is wrong: an option, a value, a combination that makes no sense."""

    exit_code = 2


class BandNumberError(UsageError, IndexError):
    """A band is asked for that the scene does not have; bands are counted from 1."""


class UnsupportedSceneError(UsageError):
    """The scene is readable, but its type cannot be written by the codec asked for."""


class SceneError(RsicGeoError):
    """A scene cannot be read or written."""


class SceneNotFoundError(SceneError, FileNotFoundError):
    """There is no such file."""


class DamagedSceneError(SceneError):
    """A reader handed out pixels and reported that the file is damaged."""


class OutputExistsError(SceneError, FileExistsError):
    """The output exists and overwriting was not asked for."""

    exit_code = 2


class GridError(RsicGeoError, ValueError):
    """A window, tile or grid that is no rectangle of pixels inside its scene."""


class CodecError(RsicGeoError):
    """A codec cannot encode or decode."""


class UnknownCodecError(CodecError, KeyError):
    """No codec is known under this name."""

    exit_code = 2

    def __str__(self) -> str:
        """Return the message without the quotes KeyError adds."""
        return str(self.args[0]) if self.args else ""


class BitstreamError(CodecError):
    """The bytes of one tile are not a bitstream of the codec, or are damaged."""


class ContainerError(RsicGeoError):
    """An archive file is not laid out as its format demands."""


class VersionError(ContainerError):
    """The archive was written by a newer, incompatible version."""


class ChecksumError(ContainerError):
    """Stored bytes or decoded pixels do not match their checksum."""


class WeightsError(RsicGeoError):
    """Network weights cannot be used."""

    exit_code = 5


class WeightsNotFoundError(WeightsError, FileNotFoundError):
    """No weights are known under this name, or their file is missing."""


class WeightsMismatchError(WeightsError):
    """The weights found are not the ones the archive was made with."""


class MissingDependencyError(RsicGeoError, ImportError):
    """An optional package is not installed; the message names the extra to install."""

    exit_code = 5


class VerificationError(RsicGeoError):
    """What was written does not match its source."""

    exit_code = 4


class MetadataLossError(VerificationError):
    """Metadata of the source are missing or changed in the output."""


class SceneMismatchError(VerificationError, UsageError):
    """Two scenes to be compared are not of one size, or have not the same bands."""

    exit_code = 4


class TargetNotReachedError(VerificationError):
    """The target asked for cannot be met on this scene."""


class StructureLostError(TargetNotReachedError):
    """A band would come back without its structure, and nobody said that this may be."""


class JobCancelledError(RsicGeoError):
    """The caller asked to stop."""

    exit_code = 130


class LedgerError(RsicGeoError):
    """The ledger of a batch cannot be read or written."""


class LedgerMismatchError(LedgerError):
    """A run is asked to go on with other parameters than it was started with."""

    exit_code = 2


class LedgerBusyError(LedgerError):
    """Another process writes to the ledger."""


class SourceChangedError(SceneError):
    """A source changed while it was read, or after it was archived."""
