"""Names that moved between QGIS 3.22 and 4: asked for here, and nowhere else."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
)

if hasattr(Qgis, "ProcessingNumberParameterType"):  # since 3.36
    NUMBER_DOUBLE = Qgis.ProcessingNumberParameterType.Double
    NUMBER_INTEGER = Qgis.ProcessingNumberParameterType.Integer
    FILE_FOLDER = Qgis.ProcessingFileParameterBehavior.Folder
    FILE_FILE = Qgis.ProcessingFileParameterBehavior.File
    FLAG_ADVANCED = Qgis.ProcessingParameterFlag.Advanced
else:
    NUMBER_DOUBLE = QgsProcessingParameterNumber.Type.Double
    NUMBER_INTEGER = QgsProcessingParameterNumber.Type.Integer
    FILE_FOLDER = QgsProcessingParameterFile.Behavior.Folder
    FILE_FILE = QgsProcessingParameterFile.Behavior.File
    FLAG_ADVANCED = QgsProcessingParameterDefinition.Flag.FlagAdvanced

if hasattr(Qgis, "LayerType"):  # since 3.30
    LAYER_RASTER = Qgis.LayerType.Raster
else:
    from qgis.core import QgsMapLayerType

    LAYER_RASTER = QgsMapLayerType.RasterLayer
LEVEL_INFO = Qgis.MessageLevel.Info
LEVEL_WARNING = Qgis.MessageLevel.Warning

__all__ = [
    "FILE_FILE",
    "FILE_FOLDER",
    "FLAG_ADVANCED",
    "LAYER_RASTER",
    "LEVEL_INFO",
    "LEVEL_WARNING",
    "NUMBER_DOUBLE",
    "NUMBER_INTEGER",
]
