"""Parameters several algorithms share, and their values as the engine's value types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
    QgsRectangle,
)

from ..compat import FLAG_ADVANCED, NUMBER_DOUBLE, NUMBER_INTEGER
from ..engine.capabilities import USUAL_TARGETS, Capabilities
from ..engine.command import AUTO, LOSSLESS, Compression, Execution, Part, Product
from ..expectation import unit, usual_value
from ..i18n import tr
from ..settings import read_settings

NONE = "none"
TIFF = ("tif", "tiff")


class RasterDestination(QgsProcessingParameterRasterDestination):
    """A raster output with extensions of its own, where the provider has but one list for all."""

    def __init__(
        self, name: str, description: str, extensions: Sequence[str], is_optional: bool = False
    ) -> None:
        super().__init__(name, description, optional=is_optional, createByDefault=not is_optional)
        self._extensions = list(extensions)

    def clone(self) -> RasterDestination:
        other = RasterDestination(self.name(), self.description(), self._extensions)
        other.setFlags(self.flags())
        other.setCreateByDefault(self.createByDefault())
        other.setDefaultValue(self.defaultValue())
        other.setHelp(self.help())
        return other

    def defaultFileExtension(self) -> str:
        return self._extensions[0]

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        return self._extensions


def advanced(parameter: QgsProcessingParameterDefinition, text: str = "") -> QgsProcessingParameterDefinition:
    """Return ``parameter`` with ``text`` as its help, shown in the dialog's Advanced part."""
    parameter.setFlags(parameter.flags() | FLAG_ADVANCED)
    return explained(parameter, text)


def explained(parameter: QgsProcessingParameterDefinition, text: str) -> QgsProcessingParameterDefinition:
    """Return ``parameter`` with ``text`` as its help."""
    if text:
        parameter.setHelp(text)
    return parameter


def choice(name: str, description: str, options: Sequence[str], default: str) -> QgsProcessingParameterEnum:
    """Return a choice whose values are words, so that scripts and models stay readable."""
    words = list(dict.fromkeys(options))
    chosen = default if default in words else words[0]
    return QgsProcessingParameterEnum(
        name, description, options=words, defaultValue=chosen, usesStaticStrings=True
    )


def number(
    name: str, description: str, minimum: float, maximum: float, is_integer: bool = False
) -> QgsProcessingParameterNumber:
    """Return an optional number without a default."""
    return QgsProcessingParameterNumber(
        name,
        description,
        type=NUMBER_INTEGER if is_integer else NUMBER_DOUBLE,
        optional=True,
        minValue=minimum,
        maxValue=maximum,
    )


def part_parameters() -> list[QgsProcessingParameterDefinition]:
    """Return which part of the raster INPUT is wanted: bands, extent."""
    return [
        explained(
            QgsProcessingParameterBand(
                "BANDS", tr("Bands"), parentLayerParameterName="INPUT", optional=True, allowMultiple=True
            ),
            tr("None chosen means all."),
        ),
        explained(
            QgsProcessingParameterExtent("EXTENT", tr("Extent"), optional=True),
            tr("Empty: all of the raster. It is rounded to whole pixels; nothing is resampled."),
        ),
    ]


def read_part(
    algorithm: QgsProcessingAlgorithm,
    parameters: dict[str, Any],
    context: QgsProcessingContext,
    extent: QgsRectangle | None,
) -> Part:
    """Return the values of the part parameters; ``extent`` is in the raster's reference system."""
    bands = algorithm.parameterAsInts(parameters, "BANDS", context) if parameters.get("BANDS") else []
    corners = None
    if extent is not None:
        corners = (extent.xMinimum(), extent.yMaximum(), extent.xMaximum(), extent.yMinimum())
    has_level = algorithm.parameterDefinition("LEVEL") is not None
    level = algorithm.parameterAsInt(parameters, "LEVEL", context) if has_level else 0
    return Part(corners, tuple(bands), level)


def report_file() -> QgsProcessingParameterFileDestination:
    """Return the optional JSON report."""
    parameter = QgsProcessingParameterFileDestination(
        "REPORT", tr("Report"), tr("JSON file") + " (*.json)", optional=True, createByDefault=False
    )
    return advanced(
        parameter, tr("Everything the engine knows about the result, with SHA-256 of input and output.")
    )


def execution_parameters() -> list[QgsProcessingParameterDefinition]:
    """Return how the work is done; none of it changes the result by more than rounding."""
    memory = QgsProcessingParameterString(
        "MEMORY", tr("Memory for raster cache"), defaultValue=read_settings().memory, optional=True
    )
    threads = QgsProcessingParameterNumber(
        "THREADS",
        tr("Threads (0 = all cores)"),
        type=NUMBER_INTEGER,
        defaultValue=0,
        minValue=0,
        maxValue=1024,
    )
    return [
        advanced(memory, tr("As 512 (MiB), 2GB or 10%; empty for the engine's default.")),
        advanced(threads),
    ]


def device_parameter(known: Capabilities) -> QgsProcessingParameterDefinition:
    """Return where the network runs."""
    device = choice("DEVICE", tr("Device of the network"), known.devices or (AUTO,), read_settings().device)
    return advanced(device, tr("auto takes a GPU where there is one the engine can use."))


def speed_parameter() -> QgsProcessingParameterDefinition:
    """Return whether the network may be quick."""
    fast = QgsProcessingParameterBoolean("FAST", tr("Network at half precision"), defaultValue=False)
    return advanced(
        fast, tr("About twice as fast; no sample differs by more than a digital number of 8 bits.")
    )


def read_execution(
    algorithm: QgsProcessingAlgorithm,
    parameters: dict[str, Any],
    context: QgsProcessingContext,
    window_size: int = 0,
) -> Execution:
    """Return the values of the execution parameters."""
    has_speed = algorithm.parameterDefinition("FAST") is not None
    return Execution(
        is_fast=has_speed and algorithm.parameterAsBool(parameters, "FAST", context),
        device=word(algorithm, parameters, "DEVICE", context) or AUTO,
        memory=algorithm.parameterAsString(parameters, "MEMORY", context).strip(),
        threads=algorithm.parameterAsInt(parameters, "THREADS", context),
        window_size=window_size,
    )


def target_parameters(known: Capabilities) -> list[QgsProcessingParameterDefinition]:
    """Return what an archive is to be: the usual choices, then the rare ones."""
    targets = known.targets or USUAL_TARGETS
    models = (AUTO, NONE, *known.models)
    sizes = (AUTO, *map(str, known.tile_sizes))
    quantize = QgsProcessingParameterBoolean(
        "QUANTIZE", tr("Accept a floating-point scene"), defaultValue=False
    )
    damaged = QgsProcessingParameterBoolean(
        "ACCEPT_DAMAGED", tr("Archive a damaged scene as it can still be read"), defaultValue=False
    )
    verify = QgsProcessingParameterBoolean(
        "VERIFY", tr("Verify by decoding what was written"), defaultValue=True
    )
    overviews = QgsProcessingParameterBoolean("OVERVIEWS", tr("Overview for networks"), defaultValue=False)
    seal = QgsProcessingParameterBoolean("SEAL", tr("Seal the repaired pixels"), defaultValue=False)
    accept = QgsProcessingParameterBoolean(
        "ACCEPT_LOSS", tr("Accept that a band loses its structure"), defaultValue=False
    )
    return [
        explained(
            choice("TARGET", tr("Target"), targets, LOSSLESS),
            tr(
                "lossless: every pixel comes back. Otherwise the archive is as small as the target allows, "
                "or has the size asked for within 2 %. Qualities and mean errors are those of the worst "
                "band. Checked by decoding."
            )
            + "".join(f" {name}: {unit(name, known)}." for name in known.target_values),
        ),
        explained(
            number("TARGET_VALUE", tr("Value of the target (dB, digital numbers, %, ratio, bits)"), 0, 1e9),
            tr("Not used for lossless. Usual for three bands of bytes: {values}.").format(
                values=", ".join(f"{name} {usual_value(name, None, known):g}" for name in known.target_values)
                or "psnr 40"
            ),
        ),
        explained(
            choice("MODEL", tr("Network whose repair the archive promises"), models, read_settings().model),
            tr(
                "auto takes the best of the engine's networks for the scene, none stores the codec's pixels "
                "as they are."
            ),
        ),
        explained(
            choice("CODEC", tr("Codec"), known.codecs or (AUTO,), known.codecs[0] if known.codecs else AUTO),
            codec_help(known),
        ),
        explained(
            choice("EFFORT", tr("Effort"), ("fast", "normal", "best"), "normal"),
            tr(
                "How long writing and reading may take, where something may be lost. fast: the scene's own "
                "filter alone. normal: the smallest network. best: a larger network and a longer search."
            ),
        ),
        advanced(choice("TILE_SIZE", tr("Codec tile (pixels)"), sizes, AUTO)),
        advanced(
            choice("SPECTRAL", tr("Bands in the archive"), ("as-is", "rotated", AUTO), "as-is"),
            tr(
                "rotated: what bands have in common is stored once, which saves a fifth or more where there "
                "are four or more of them, without loss a twentieth or more; other programs, and this one "
                "without rsic, then show the bands by the .vrt file beside the archive. auto: rotated where "
                "a trial saves 15 %, without loss 5 %."
            ),
        ),
        advanced(
            quantize,
            tr(
                "It is stored by JPEG 2000 as uint16 with a scale and an offset, which is not lossless; the "
                "codec cog needs no such choice."
            ),
        ),
        advanced(
            choice(
                "SIDECAR", tr("Files for other programs beside the archive"), (AUTO, "never", "require"), AUTO
            ),
            tr(
                "They carry what other programs cannot read from the archive itself: a mask (.msk), scale, "
                "units and the like (.aux.xml), and belong to it."
            ),
        ),
        advanced(
            choice("GEOREF", tr("Place for other programs"), ("both", "geojp2", "gml"), "both"),
            tr(
                "Parts of a JPEG 2000 archive by which other programs find its place: both take a kilobyte, "
                "geojp2 alone 0.4, gml alone 0.7. Which of them a program reads differs: QGIS reads either."
            ),
        ),
        advanced(
            overviews,
            tr("A small .ovr beside a .jp2: fewer requests for a thumbnail from afar, slower on a disk."),
        ),
        advanced(
            seal,
            tr(
                "Keeps a checksum of every 256 rows of the repaired scene: whoever decompresses or validates "
                "the archive, on whatever machine, is told whether the pixels are the same bits."
            ),
        ),
        advanced(damaged, tr("The archive and the report note the damage. Otherwise such a scene fails.")),
        advanced(verify),
        advanced(
            accept,
            tr(
                "A band below 6 dB SNR has no structure left: that is an error unless it is accepted here. "
                "Below 20 dB it is named in a warning."
            ),
        ),
    ]


def codec_help(known: Capabilities) -> str:
    """Return what the codecs' archives are called."""
    if not known.codecs:
        return tr("The engine's usual one, as long as it has not said which it has.")
    rows = [f"{codec}: {' '.join(f'*{one}' for one in known.extensions(codec))}" for codec in known.codecs]
    return tr("Archives of each codec have a name of their own: {names}.").format(names=", ".join(rows))


def read_compression(
    algorithm: QgsProcessingAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
) -> Compression:
    """Return the values of the target parameters."""
    target = word(algorithm, parameters, "TARGET", context) or LOSSLESS
    value = optional_number(algorithm, parameters, "TARGET_VALUE", context)
    codec = word(algorithm, parameters, "CODEC", context)
    size = word(algorithm, parameters, "TILE_SIZE", context)
    return Compression(
        target=target,
        value=None if target == LOSSLESS else value,
        codec="" if codec == AUTO else codec,
        model=word(algorithm, parameters, "MODEL", context) or AUTO,
        effort=word(algorithm, parameters, "EFFORT", context),
        tile_size=int(size) if size.isdigit() else 0,
        quantize="uint16" if algorithm.parameterAsBool(parameters, "QUANTIZE", context) else "",
        spectral=word(algorithm, parameters, "SPECTRAL", context),
        sidecar=word(algorithm, parameters, "SIDECAR", context) or AUTO,
        georef=word(algorithm, parameters, "GEOREF", context),
        has_overview=algorithm.parameterAsBool(parameters, "OVERVIEWS", context),
        is_sealed=algorithm.parameterAsBool(parameters, "SEAL", context),
        is_damage_accepted=algorithm.parameterAsBool(parameters, "ACCEPT_DAMAGED", context),
        is_verified=algorithm.parameterAsBool(parameters, "VERIFY", context),
        accepts_loss=algorithm.parameterAsBool(parameters, "ACCEPT_LOSS", context),
    )


def target_problem(
    algorithm: QgsProcessingAlgorithm,
    parameters: dict[str, Any],
    context: QgsProcessingContext,
    known: Capabilities,
) -> str:
    """Return what is wrong with the target asked for, or an empty text."""
    target = word(algorithm, parameters, "TARGET", context) or LOSSLESS
    value = optional_number(algorithm, parameters, "TARGET_VALUE", context)
    if target != LOSSLESS and not value:
        return tr("The target {target} needs a value above 0.").format(target=target)
    codec = word(algorithm, parameters, "CODEC", context)
    if target == LOSSLESS and not known.can_be_lossless(codec):
        return tr("The codec {codec} is not lossless: choose another target, or another codec.").format(
            codec=codec
        )
    return ""


def product_parameters(known: Capabilities) -> list[QgsProcessingParameterDefinition]:
    """Return what the raster that comes out is to be."""
    formats = known.output_formats or (AUTO,)
    options = QgsProcessingParameterString(
        "CREATION_OPTIONS", tr("Creation options"), defaultValue="", optional=True
    )
    return [
        advanced(choice("FORMAT", tr("Output format"), formats, formats[0])),
        advanced(
            options, tr("NAME=VALUE as GDAL takes them, separated by |, such as COMPRESS=LZW|BIGTIFF=YES.")
        ),
    ]


def read_product(
    algorithm: QgsProcessingAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
) -> Product:
    """Return the values of the product parameters."""
    text = algorithm.parameterAsString(parameters, "CREATION_OPTIONS", context)
    name = word(algorithm, parameters, "FORMAT", context)
    return Product(
        output_format="" if name == AUTO else name,
        creation_options=tuple(part.strip() for part in text.split("|") if part.strip()),
    )


def word(
    algorithm: QgsProcessingAlgorithm, parameters: dict[str, Any], name: str, context: QgsProcessingContext
) -> str:
    """Return the word of a choice; empty where the algorithm has no such parameter."""
    if algorithm.parameterDefinition(name) is None:
        return ""
    return algorithm.parameterAsEnumString(parameters, name, context)


def optional_number(
    algorithm: QgsProcessingAlgorithm, parameters: dict[str, Any], name: str, context: QgsProcessingContext
) -> float | None:
    """Return a number, None where none was given."""
    value = parameters.get(name)
    # QGIS's own null comes from tables and models: a QVariant in Qt 5, None in Qt 6.
    if value is None or value == "" or (hasattr(value, "isNull") and value.isNull()):
        return None
    return algorithm.parameterAsDouble(parameters, name, context)


def finite(result: dict[str, Any], key: str) -> float | None:
    """Return a number of the engine's result; None where it is none, as the PSNR of equal rasters."""
    value = result.get(key)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None
