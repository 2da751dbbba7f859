"""Progress out, cancellation in: one small object every long job is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rsic_geo.errors import JobCancelledError

ProgressCallback = Callable[[float, str], "bool | None"]
"""Called with a fraction in 0..1 and a short text; returning False cancels, as in GDAL."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """Fraction of one job, divided among its stages by :meth:`stage`."""

    callback: ProgressCallback | None = None
    start: float = 0.0
    stop: float = 1.0
    warnings: list[str] = field(default_factory=list)

    def report(self, fraction: float, message: str = "") -> None:
        """Tell the caller how far this stage is.

        Raises:
            JobCancelledError: if the callback returned False.
        """
        if self.callback is None:
            return
        overall = self.start + (self.stop - self.start) * min(max(fraction, 0.0), 1.0)
        if self.callback(overall, message) is False:
            raise JobCancelledError("cancelled: nothing was written")

    def stage(self, start: float, stop: float) -> Progress:
        """Return the progress of a part of this stage, both ends in 0..1."""
        span = self.stop - self.start
        return Progress(
            callback=self.callback,
            start=self.start + span * start,
            stop=self.start + span * stop,
            warnings=self.warnings,
        )

    def warn(self, text: str) -> None:
        """Keep a line for the report and the end user; the same line is kept once."""
        if text not in self.warnings:
            self.warnings.append(text)
