"""What a dialog says of what the engine says: no options of a command line, no checksums, no Python.

Each kind of error has a sentence in the user's language that speaks of the dialog's own parameters. The
engine's own line follows it, for it alone knows which file or band it is about; its options become the labels
of the dialog they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .errors import EngineError

Translate = Callable[[str], str]
Labels = Mapping[str, str]
"""What the parameters of a dialog are called there, by their names."""

UNNAMED = "unnamed"
"""Kind of an error of an engine that does not say its kind: the exit code is all there is."""
_BY_EXIT_CODE = {2: "UsageError", 4: "VerificationError", 5: "WeightsError", 130: "JobCancelledError"}
_OF_BATCH = {
    "damaged": "DamagedSceneError",
    "exists": "OutputExistsError",
    "changed": "SourceChangedError",
    "verification": "VerificationError",
    "target not reached": "TargetNotReachedError",
    "structure lost": "StructureLostError",
    "no room": "NoRoom",
    "worker lost": "WorkerLost",
}
"""The ledger's words for kinds of errors, and ours."""

_OPTIONS = {
    "accept-damaged": "ACCEPT_DAMAGED",
    "accept-loss": "ACCEPT_LOSS",
    "allow-other-model": "ALLOW_OTHER_MODEL",
    "band": "BANDS",
    "bands": "SPECTRAL",
    "bbox": "EXTENT",
    "change": "CHANGE",
    "codec": "CODEC",
    "creation-option": "CREATION_OPTIONS",
    "device": "DEVICE",
    "effort": "EFFORT",
    "enhance": "ENHANCE",
    "fast": "FAST",
    "format": "FORMAT",
    "georef": "GEOREF",
    "ignore": "IGNORE",
    "include": "PATTERN",
    "jobs": "JOBS",
    "level": "LEVEL",
    "max-change": "MAX_CHANGE",
    "max-error": "MAX_ERROR",
    "memory": "MEMORY",
    "min-psnr": "MIN_PSNR",
    "model": "MODEL",
    "nodata": "NODATA",
    "output": "OUTPUT_FOLDER",
    "output-format": "FORMAT",
    "overviews": "OVERVIEWS",
    "overwrite": "OUTPUT",
    "projwin": "EXTENT",
    "projwin-srs": "EXTENT",
    "quantize": "QUANTIZE",
    "report": "REPORT",
    "run": "OUTPUT_FOLDER",
    "seal": "SEAL",
    "sidecar": "SIDECAR",
    "srcwin": "EXTENT",
    "strength": "STRENGTH",
    "target": "TARGET",
    "template": "OUTPUT_FOLDER",
    "threads": "THREADS",
    "tile-size": "TILE_SIZE",
    "verify": "VERIFY",
    "window-size": "WINDOW_SIZE",
}
"""The parameter each option of the engine is."""

_INSTALL = r"install the Python package \1"
_PHRASES = (
    (r"use --overwrite to replace it", "", "choose another name"),
    (r"--bands rotated would save", "SPECTRAL", "“{label}” set to rotated would save"),
    (r"say how far samples may be off \(--target [^)]*\)", "", "choose the target max-error"),
    (r",? or keep it in a COG \(gdal_translate [^)]*\)", "", ", or keep it in a COG"),
    (r"add --quantize \w+ to store (?:it|them)", "QUANTIZE", "tick “{label}” to store it"),
    (r"say --accept-loss \(accept_loss=True\)", "ACCEPT_LOSS", "tick “{label}”"),
    (r", or accept what it still holds (?=\(--accept-damaged)", "ACCEPT_DAMAGED", None),
    (r" ?\(--accept-damaged\)", "ACCEPT_DAMAGED", " (tick “{label}”)"),
    (r"accept another result with --allow-other-model", "ALLOW_OTHER_MODEL", "tick “{label}”"),
    (r"decode with --enhance off", "ENHANCE", "set “{label}” to off"),
    (r"use --target (\S+)", "", r"choose the target \1"),
    (r"(?:use|ask for) --codec (\S+)", "", r"choose the codec \1"),
    (r"without --codec \S+", "", "with another codec"),
    (r"--codec (\S+)", "", r"the codec \1"),
    (r"use --target \(([^)]*)\) and --tile-size", "", r"choose a target (\1)"),
    (r"leave out --sidecar", "SIDECAR", "set “{label}” to auto"),
    (r"give the window in pixels \(--srcwin\)", "EXTENT", "leave “{label}” empty"),
    (r"--strength insists", "STRENGTH", "a value of “{label}” insists"),
    (r"tell them apart with --template.*", "", "give them different names"),
    (r"choose another output folder or --template", "", "choose another output folder"),
    (r"start another run with --run NAME and another output folder", "", "choose another output folder"),
    (r"say so by --output \S+", "", "choose that folder"),
    (r" ?\(a bug: run again with [^)]*\)", "", ""),
    (r" ?\(see '[^']*--help'\)", "", ""),
    (r"`rsic enhance`", "", "Enhance lossy raster"),
    (r"`rsic models list` (?:shows|lists|names)", "", "Check engine names"),
    (r"here have sha256 \w+\.\.\., asked for are \w+\.\.\.", "", "here are not those asked for"),
    (
        r"pip install (?:-\S+ )*'?([A-Za-z][\w.-]*(?:\[\w+\])?)[^'\s]*'?(?: '?[A-Za-z][\w.-]*'?)*",
        "",
        _INSTALL,
    ),
)
"""Advice for people at a command line, the parameter it is about, and what is said in a dialog that has it.

What a dialog has no parameter for is said without its name; None removes it there.
"""
_PYTHON = (
    (r"\bunexpected (\w+Error|\w+Exception): ", ""),
    (r"\b(?:Posix|Windows|Pure\w*)?Path\('([^']*)'\)", r"\1"),
    (r"\bnp\.\w+\(([^()]*)\)", r"\1"),
    (r"\b(?:array|dtype)\(([^()]*)\)", r"\1"),
    (r"<[^<>]* at 0x[0-9a-fA-F]+>", "…"),
    (r"(?<![\w'])b?'([^'\n]*)'(?!\w)", r"“\1”"),
    (r"[\[({]((?:[^\[\](){}]*“[^“”]*”[^\[\](){}]*)+)[\])}]", r"(\1)"),
    (r"“([^“”]*)”: ", r"\1: "),
    (r"\bNone\b", "nothing"),
    (r"\bTrue\b", "yes"),
    (r"\bFalse\b", "no"),
)
"""How Python writes values, and how people do."""
_DIGEST = re.compile(
    r" ?\((?:sha-?256 ?)?[0-9a-fA-F]{16,}[^()\s]*\)|(?<![\w/\\.-])[0-9a-fA-F]{16,}(?![\w/\\.-])"
)
"""Checksums, with the brackets around them; not those that are names of files."""
_OPTION = re.compile(r"(?<![\w/\\.-])--([a-z][a-z0-9-]*)(?:=(?=\S))?")


def plain(text: str, labels: Labels | None = None) -> str:
    """Return a line of the engine as a dialog says it.

    Args:
        text: the line.
        labels: what the dialog's parameters are called; None: there is no dialog.
    """
    known = labels or {}
    for pattern, name, words in _PHRASES:
        label = known.get(name)
        if label is not None and words is not None:
            text = re.sub(pattern, words.replace("{label}", label.replace("\\", r"\\")), text)
        elif label is None and name:
            text = re.sub(pattern, "" if words is None else _UNLABELLED.get(name, ""), text)
        elif words is not None:
            text = re.sub(pattern, words, text)
    text = _OPTION.sub(lambda found: _named(found.group(1), known), text)
    text = _DIGEST.sub("", text)
    for pattern, words in _PYTHON:
        text = re.sub(pattern, words, text)
    return re.sub(r"[:,;]?\s+$", "", re.sub(r"(?<=\S) {2,}", " ", text))


_UNLABELLED = {
    "QUANTIZE": "accept the loss of storing it as integers",
    "ACCEPT_LOSS": "accept that loss",
    "ALLOW_OTHER_MODEL": "accept another result",
    "ENHANCE": "decompress it without repair",
    "SIDECAR": "ask for none",
    "EXTENT": "take all of it",
    "STRENGTH": "a strength of your own insists",
}
"""What is said in a dialog that has no such parameter."""


def _named(option: str, labels: Labels) -> str:
    label = labels.get(_OPTIONS.get(option, ""))
    return option.replace("-", " ") if label is None else f"“{label}”"


def unknown_options(text: str) -> list[str]:
    """Return the options a line names that stand for no parameter of any dialog."""
    return [name for name in _OPTION.findall(text) if name not in _OPTIONS]


def error_text(error: Exception, tr: Translate, labels: Labels | None = None) -> str:
    """Return what a dialog says of an error.

    Args:
        error: of the engine, or one of the plugin's own.
        tr: gives texts in the user's language.
        labels: what the dialog's parameters are called.
    """
    if not isinstance(error, EngineError):
        return plain(getattr(error, "strerror", None) or str(error), labels)
    if not error.kind:
        return plain(error.said(tr), labels)
    return scene_text(str(error), error.kind, tr, labels, error.exit_code)


def scene_text(text: str, kind: str, tr: Translate, labels: Labels | None = None, exit_code: int = 1) -> str:
    """Return what a dialog says of what went wrong: a sentence of its kind, then the line itself.

    Args:
        text: the engine's line.
        kind: its name of what went wrong.
        tr: gives texts in the user's language.
        labels: what the dialog's parameters are called.
        exit_code: says the kind where nothing else does.
    """
    kind = _OF_BATCH.get(kind, kind)
    leads = sentences(tr)
    lead = leads.get(kind) or leads[_BY_EXIT_CODE.get(exit_code, "RsicGeoError")]
    name, way_out = ways_out(tr).get(kind, ("", ""))
    label = (labels or {}).get(name)
    parts = [lead, *([way_out.format(parameter=label)] if label else [])]
    line = plain(text, labels)
    if line:
        parts.append(tr("The engine says: {text}").format(text=line.rstrip(".") + "."))
    return " ".join(parts)


def sentences(tr: Translate) -> dict[str, str]:
    """Return what is said of each kind of error, by the engine's name of it."""
    damaged = tr(
        "The file is damaged: copy it again from where it came. Validate archive shows what is wrong."
    )
    return {
        "RsicGeoError": tr("The engine could not do this."),
        "UsageError": tr("The parameters do not fit each other or this scene."),
        "BandNumberError": tr("The parameters do not fit each other or this scene."),
        "UnsupportedSceneError": tr("A scene of this kind cannot be stored like this."),
        "SceneError": tr("A file is there, but it could not be read or written."),
        "SceneNotFoundError": tr("A file was not found: was it moved, or is its disk not connected?"),
        "DamagedSceneError": tr("The scene is damaged: copy it again from where it came."),
        "OutputExistsError": tr("The output exists: choose another name."),
        "GridError": tr("The part asked for is not inside the scene."),
        "CodecError": tr("The codec failed on this scene."),
        "UnknownCodecError": tr("The engine has no such codec: choose another one."),
        "BitstreamError": damaged,
        "ContainerError": damaged,
        "ChecksumError": damaged,
        "VersionError": tr("The archive was made by a newer engine: update yours."),
        "WeightsError": tr("The network cannot be used: choose another one, or install the engine again."),
        "WeightsNotFoundError": tr("The engine has no such network: choose another one."),
        "WeightsMismatchError": tr("The engine has another version of the network of this archive."),
        "MissingDependencyError": tr("The engine lacks a Python package for this: Check engine says more."),
        "VerificationError": tr("What was written is not what it has to be, so nothing was kept."),
        "MetadataLossError": tr("Metadata of the scene would be lost, so nothing was written."),
        "SceneMismatchError": tr("These scenes cannot be compared: their sizes or bands differ."),
        "TargetNotReachedError": tr(
            "The target cannot be reached on this scene: ask for less, or choose another target."
        ),
        "StructureLostError": tr(
            "A band would lose its structure, so nothing was written: ask for more quality."
        ),
        "JobCancelledError": tr("Cancelled: nothing was written."),
        "LedgerError": tr("The ledger of the output folder cannot be read or written."),
        "LedgerMismatchError": tr(
            "The output folder was begun with other parameters: repeat those, or choose another folder."
        ),
        "LedgerBusyError": tr("Another run works on the output folder: wait until it has ended."),
        "SourceChangedError": tr("The scene changed while it was read: run again when it stays as it is."),
        "MemoryError": tr("There is not enough memory: allow less of it, or fewer threads."),
        "OSError": tr("A file or folder could not be used."),
        "NoRoom": tr("There is no room left on the disk of the output folder."),
        "WorkerLost": tr("A process of the engine ended in the middle of this scene: out of memory?"),
        "Bug": tr("The engine met an error of its own: please report it."),
    }


def ways_out(tr: Translate) -> dict[str, tuple[str, str]]:
    """Return the parameter that lets pass what is an error without it, and what is said of it, by kind."""
    return {
        "DamagedSceneError": (
            "ACCEPT_DAMAGED",
            tr("To use what can still be read, tick “{parameter}”."),
        ),
        "StructureLostError": (
            "ACCEPT_LOSS",
            tr("To write it all the same, tick “{parameter}”."),
        ),
        "WeightsMismatchError": (
            "ALLOW_OTHER_MODEL",
            tr("To use the one there is, tick “{parameter}”."),
        ),
    }
