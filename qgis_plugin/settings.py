"""What the user set in QGIS's options, and what was learnt of the engine; both are in the QGIS profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from qgis.core import QgsSettings

from .engine.capabilities import Capabilities
from .engine.environment import parse_pairs
from .engine.errors import EngineError, EngineMissingError
from .engine.locate import Engine, find_engine
from .engine.session import Monitor, Session
from .i18n import tr

GROUP = "rsic_geo"
_ASKING_TIME = 10.0
"""Seconds the engine has to say what it can do when a dialog opens."""
_mute: set[str] = set()
"""Engines that gave no answer in this session: the Test button and runs ask again, dialogs do not."""


@dataclass(frozen=True)
class Settings:
    """The page in QGIS's options, as a value."""

    engine: str = ""
    """Path of rsic, of a Python that has it, or of their environment's folder; empty to search."""
    device: str = "auto"
    model: str = "auto"
    memory: str = ""
    environment: str = ""
    """NAME=VALUE lines the engine's process gets beside the cleaned environment."""


def read_settings() -> Settings:
    """Return what is set; defaults where nothing is."""
    store = QgsSettings()
    values = {
        field.name: store.value(f"{GROUP}/{field.name}", field.default, type=str)
        for field in fields(Settings)
    }
    return Settings(**values)


def write_settings(settings: Settings) -> None:
    """Keep ``settings`` in the profile."""
    store = QgsSettings()
    for name, value in asdict(settings).items():
        store.setValue(f"{GROUP}/{name}", value)


def open_session(engine: str = "") -> Session:
    """Return the engine ready to be called; ``engine`` instead of the one set, if given.

    Raises:
        EngineMissingError: if there is none, or its settings cannot be read.
    """
    settings = read_settings()
    extra = parse_pairs(settings.environment)
    return Session(find_engine(engine or settings.engine), extra=extra)


def engine_problem() -> str:
    """Return what keeps the engine from being used, in a sentence; empty if nothing. Starts nothing."""
    try:
        open_session()
    except EngineError as error:
        return error.said(tr)
    return ""


def remembered_capabilities() -> Capabilities:
    """Return what the engine said when it was last asked; an empty value if never. Starts nothing."""
    try:
        engine = find_engine(read_settings().engine)
        return _recall(engine) or Capabilities()
    except (EngineError, OSError):
        return Capabilities()


def current_capabilities() -> Capabilities:
    """Return what the engine can do, asking it if it was replaced since it was last asked. Never raises."""
    try:
        session = open_session()
        known = _recall(session.engine)
        fingerprint = session.engine.fingerprint()
        if known is not None or fingerprint in _mute:
            return known or Capabilities()
        _mute.add(fingerprint)
        return ask_capabilities(session, Monitor(), _ASKING_TIME)
    except (EngineError, OSError):
        return Capabilities()


def greet(session: Session, monitor: Monitor) -> Capabilities:
    """Return what the engine of ``session`` can do, asking it if it was not asked since it was installed.

    Raises:
        EngineError: if it does not answer, or not as an engine this plugin understands.
    """
    try:
        return _recall(session.engine) or ask_capabilities(session, monitor)
    except OSError as error:
        raise EngineMissingError(
            "{program} cannot be used ({reason}).",
            program=session.engine.program,
            reason=error.strerror or error,
        ) from error


def ask_capabilities(session: Session, monitor: Monitor, timeout: float = 60.0) -> Capabilities:
    """Ask the engine what it can do, and remember it.

    Raises:
        EngineError: if it does not answer, or not as an engine this plugin understands.
    """
    found = session.capabilities(monitor, timeout)
    _mute.discard(session.engine.fingerprint())
    entry = {"engine": session.engine.fingerprint(), "capabilities": found.to_json()}
    QgsSettings().setValue(f"{GROUP}/capabilities", json.dumps(entry))
    return found


def _recall(engine: Engine) -> Capabilities | None:
    text = QgsSettings().value(f"{GROUP}/capabilities", "", type=str)
    try:
        entry = json.loads(text) if text else None
        if not isinstance(entry, Mapping) or entry.get("engine") != engine.fingerprint():
            return None
        return Capabilities.from_json(entry["capabilities"])
    except (ValueError, TypeError, KeyError, OSError, AttributeError):
        return None
