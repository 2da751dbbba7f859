"""What can go wrong between the plugin and the engine; every message is one sentence for the user."""

from __future__ import annotations

EXIT_UNAVAILABLE = 5


class EngineError(Exception):
    """The engine refused or failed; the message is its own line, and what to do about it."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class EngineMissingError(EngineError):
    """No engine was found, or what was found is none."""

    def __init__(self, message: str) -> None:
        super().__init__(message, EXIT_UNAVAILABLE)


class EngineVersionError(EngineMissingError):
    """The engine and this plugin do not understand each other."""


class EngineCancelledError(EngineError):
    """The user asked to stop; the engine has ended and left nothing behind."""

    def __init__(self) -> None:
        super().__init__("cancelled: nothing was written", 130)
