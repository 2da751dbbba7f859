"""What can go wrong between the plugin and the engine; every message is one sentence for the user.

Messages that are written here are templates, so that `tr` can give them in the user's language before their
values are filled in; `tools/strings.py` finds them where an error is made.
"""

from __future__ import annotations

from collections.abc import Callable

EXIT_UNAVAILABLE = 5
ADVICE = (
    "install the Python package rsic-geo in an environment of its own (pip install, with the folder of its "
    "source) and give the path of that environment's rsic or python in Settings > Options > RSIC"
)


class EngineError(Exception):
    """The engine refused or failed, or the plugin could not ask it."""

    def __init__(self, message: str, exit_code: int = 1, kind: str = "", **values: object) -> None:
        """Hold the message.

        Args:
            message: a sentence, with the names of ``values`` in braces if there are any.
            exit_code: of the engine, or of what it would have been.
            kind: the engine's name of what went wrong; empty for errors of the plugin's own, whose message
                needs no other words around it.
            values: what the message is filled in with.
        """
        super().__init__(message.format(**values) if values else message)
        self.template, self.values = message, values
        self.exit_code = exit_code
        self.kind = kind

    def said(self, tr: Callable[[str], str]) -> str:
        """Return the message in the user's language."""
        text = tr(self.template)
        return text.format(**self.values) if self.values else text


class EngineMissingError(EngineError):
    """No engine was found, or what was found is none."""

    def __init__(self, message: str, has_advice: bool = True, **values: object) -> None:
        """Hold the message, a sentence; ``has_advice``: it goes on with how to get an engine."""
        super().__init__(message, EXIT_UNAVAILABLE, **values)
        self._has_advice = has_advice

    def __str__(self) -> str:
        return self.said(str)

    def reason(self, tr: Callable[[str], str]) -> str:
        """Return what is wrong, without what to do about it."""
        return super().said(tr)

    def said(self, tr: Callable[[str], str]) -> str:
        """Return what is wrong, and what to do about it where the message does not say that itself."""
        reason = self.reason(tr)
        return f"{reason.rstrip('.')}: {tr(ADVICE)}." if self._has_advice else reason


class EngineVersionError(EngineMissingError):
    """The engine and this plugin do not understand each other."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message, has_advice=False, **values)


class EngineCancelledError(EngineError):
    """The user asked to stop; the engine has ended and left nothing behind."""

    def __init__(self) -> None:
        super().__init__("Cancelled: nothing was written.", 130)
