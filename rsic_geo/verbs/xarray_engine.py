"""Scenes in xarray: ``xr.open_dataset("scene.jp2", engine="rsic")``. The only module that imports xarray."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rsic_geo.errors import MissingDependencyError
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.verbs.dataset import Dataset
from rsic_geo.verbs.keywords import ExecutionKeywords, check_keywords

if TYPE_CHECKING:
    from typing_extensions import Unpack

try:
    import xarray
    from xarray.backends import (
        AbstractDataStore,
        BackendArray,
        BackendEntrypoint,
        CachingFileManager,
        StoreBackendEntrypoint,
    )
    from xarray.core import indexing
except ImportError as error:
    raise MissingDependencyError("xarray is not installed: pip install 'rsic-geo[xarray]'") from error

VARIABLE = "band_data"
"""What the pixels are called, as rioxarray's engine calls them."""
_PLACE = "spatial_ref"


class RsicBackend(BackendEntrypoint):  # type: ignore[misc]
    """Opens scenes and archives lazily; pixels (band, y, x) are final ones: enhanced, nodata exact.

    Chunks that are asked for with ``chunks={}`` are the codec's tiles. Beside xarray's own options there are
    those of ``rsic_geo.open``. A scene with a mask of its own has a second variable, ``mask`` (y, x).
    """

    description = "Archives of rsic_geo, and any raster GDAL reads"
    open_dataset_parameters = (
        "filename_or_obj", "drop_variables", "mask_and_scale", "decode_coords", "enhance",
        "allow_other_model", *ExecutionKeywords.__annotations__,
    )  # fmt: skip

    def open_dataset(  # noqa: PLR0913 - options of xarray's and of ours
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
        decode_coords: bool = True,
        enhance: str = "auto",
        allow_other_model: bool = False,
        **options: Unpack[ExecutionKeywords],
    ) -> xarray.Dataset:
        """Open a scene; see ``xarray.open_dataset``.

        Args:
            filename_or_obj: path, GDAL name or address.
            drop_variables: names of variables that are left out.
            mask_and_scale: nodata becomes NaN, scale and offset are applied, where all bands have the same.
            decode_coords: make the reference system a coordinate.
            enhance: auto, off, or a model's name.
            allow_other_model: enhance with other weights than the archive was made with.
            options: fields of ``rsic_geo.options.Execution``.

        Raises:
            SceneNotFoundError, SceneError, ContainerError: as ``rsic_geo.open``.
        """
        check_keywords("open_dataset", options, ExecutionKeywords.__annotations__)
        how = {"enhance": enhance, "allow_other_model": allow_other_model, "execution": Execution(**options)}
        manager = CachingFileManager(_opened, os.fspath(filename_or_obj), mode="r", kwargs=how, lock=False)
        found = StoreBackendEntrypoint().open_dataset(
            _Store(manager),
            mask_and_scale=mask_and_scale,
            decode_times=False,
            decode_coords=decode_coords,
            drop_variables=drop_variables,
        )
        found.set_close(manager.close)
        return found

    def guess_can_open(self, filename_or_obj: object) -> bool:
        """Return whether a name is that of an archive no other engine knows better."""
        return isinstance(filename_or_obj, str | os.PathLike) and os.fspath(filename_or_obj).endswith(
            ".rsic.tif"
        )


def _opened(path: str, *, mode: str, **how: Any) -> Dataset:  # noqa: ANN401
    """Open a scene in any process; xarray's manager does not survive a pickle without a mode."""
    del mode
    return Dataset(path, cache_mib=0, **how)  # many may be open, and chunks do not overlap


class _Store(AbstractDataStore):  # type: ignore[misc]
    """What a scene holds, as variables."""

    def __init__(self, manager: CachingFileManager[Dataset]) -> None:
        self._manager = manager

    def get_attrs(self) -> dict[str, Any]:
        return {name: value for name, value in self._manager.acquire().tags().items() if name.isidentifier()}

    def get_variables(self) -> dict[str, xarray.Variable]:
        scene = self._manager.acquire()
        rows, cols = scene.block_shapes[0]
        chunks = {"band": scene.count, "y": rows, "x": cols}
        attributes: dict[str, Any] = {"coordinates": _PLACE, "grid_mapping": _PLACE}
        if scene.nodata is not None and set(scene.nodatavals) == {scene.nodata}:
            attributes["_FillValue"] = np.dtype(scene.dtypes[0]).type(scene.nodata)
        for name, values, usual in (("scale_factor", scene.scales, 1), ("add_offset", scene.offsets, 0)):
            if len(set(values)) > 1:
                attributes[f"{name}s"] = values
            elif values[0] != usual:
                attributes[name] = values[0]
        if any(scene.descriptions):
            attributes["long_name"] = tuple(name or "" for name in scene.descriptions)
        if len(set(scene.units)) == 1 and scene.units[0]:
            attributes["units"] = scene.units[0]
        found = {
            VARIABLE: _variable(("band", "y", "x"), _Pixels(self._manager), attributes, chunks),
            "band": xarray.Variable("band", np.arange(1, scene.count + 1)),
            _PLACE: xarray.Variable((), 0, _place(scene)),
        }
        if any(flag.name == "per_dataset" for flags in scene.mask_flag_enums for flag in flags):
            own = {"coordinates": _PLACE, "grid_mapping": _PLACE}
            found["mask"] = _variable(("y", "x"), _Mask(self._manager), own, {"y": rows, "x": cols})
        if not (scene.transform.b or scene.transform.d):
            axes = ("x", scene.transform.c, scene.transform.a), ("y", scene.transform.f, scene.transform.e)
            for axis, first, step in axes:
                size = scene.width if axis == "x" else scene.height
                found[axis] = xarray.Variable(
                    axis, first + step * (np.arange(size) + 0.5), {"axis": axis.upper()}
                )
        return found


class _Lazy(BackendArray, ABC):  # type: ignore[misc]
    """An array whose window is read when it is asked for; pickled without the open file."""

    def __init__(self, manager: CachingFileManager[Dataset]) -> None:
        scene = manager.acquire()
        self._manager = manager
        self.shape: tuple[int, ...] = (scene.count, scene.height, scene.width)
        self.dtype = np.dtype(scene.dtypes[0])

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._picked
        )

    def _picked(self, key: tuple[Any, ...]) -> Any:  # noqa: ANN401
        *first, rows, cols = (np.atleast_1d(np.arange(n)[k]) for n, k in zip(self.shape, key, strict=True))
        if not (rows.size and cols.size and all(part.size for part in first)):
            out = np.empty([part.size for part in (*first, rows, cols)], self.dtype)
        else:
            window = Window.between(*map(int, (rows.min(), rows.max() + 1, cols.min(), cols.max() + 1)))
            out = self._read(window, *first)[..., rows[:, None] - window.row_off, cols - window.col_off]
        squeezed = tuple(axis for axis, k in enumerate(key) if isinstance(k, int | np.integer))
        return out.squeeze(axis=squeezed)

    @abstractmethod
    def _read(self, window: Window, *bands: Any) -> Any:  # noqa: ANN401
        """Return the samples of a window, rows and columns last; ``bands``: what is asked of axes before."""


class _Pixels(_Lazy):
    """Pixels (band, y, x)."""

    def _read(self, window: Window, *bands: Any) -> Any:  # noqa: ANN401
        return self._manager.acquire().read([int(band) + 1 for band in bands[0]], window=window)


class _Mask(_Lazy):
    """The mask (y, x), 255 = data."""

    def __init__(self, manager: CachingFileManager[Dataset]) -> None:
        super().__init__(manager)
        self.shape, self.dtype = self.shape[1:], np.dtype(np.uint8)

    def _read(self, window: Window, *bands: Any) -> Any:  # noqa: ANN401
        return self._manager.acquire().dataset_mask(window=window)


def _variable(
    axes: tuple[str, ...], array: _Lazy, attributes: dict[str, Any], chunks: dict[str, int]
) -> xarray.Variable:
    encoding = {"preferred_chunks": chunks}
    return xarray.Variable(axes, indexing.LazilyIndexedArray(array), attributes, encoding)


def _place(scene: Dataset) -> dict[str, str]:
    """Return a scene's reference system and transform by the names that GDAL and rioxarray look for."""
    a, b, c, d, e, f = tuple(scene.transform)[:6]
    place = {"GeoTransform": " ".join(map(repr, map(float, (c, a, b, f, d, e))))}
    return (
        place if scene.crs is None else {**place, "crs_wkt": scene.crs.to_wkt(), _PLACE: scene.crs.to_wkt()}
    )


def load(path: Path) -> xarray.DataArray:
    """Return all of a scene with its samples as they are, nodata told as ``_FillValue``."""
    with xarray.open_dataset(path, engine=RsicBackend, mask_and_scale=False) as found:
        return found[VARIABLE].load()
