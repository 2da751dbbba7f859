"""What to type after an error."""

from __future__ import annotations

from rsic_geo import errors

_STEPS: tuple[tuple[type[errors.RsicGeoError], str], ...] = (
    (errors.OutputExistsError, "--overwrite replaces it"),
    (errors.DamagedSceneError, "--accept-damaged goes on with what is still there"),
    (errors.StructureLostError, "more bytes or a higher target; --accept-loss archives it all the same"),
    (errors.TargetNotReachedError, "rsic compress --help lists targets, --target lossless is always met"),
    (errors.UnknownCodecError, "rsic capabilities lists codecs"),
    (errors.WeightsError, "rsic models lists networks, rsic doctor says what is missing"),
    (errors.MissingDependencyError, "rsic doctor says what is missing"),
    (errors.ChecksumError, "rsic validate FILE tells all that is damaged"),
    (errors.BitstreamError, "rsic validate FILE tells all that is damaged"),
    (errors.ContainerError, "rsic validate FILE tells all that is damaged"),
    (errors.UsageError, "rsic {verb} --help"),
)
"""By the first class that an error is of."""
NO_VERB = "VERB"
_OVERWRITING = ("compress", "decompress", "enhance")


def next_step(error: errors.RsicGeoError, verb: str) -> str:
    """Return what to type after an error of a verb; empty where its message says all there is to do."""
    if isinstance(error, errors.OutputExistsError) and verb not in _OVERWRITING:
        return ""
    step = next((words for kind, words in _STEPS if isinstance(error, kind)), "")
    option = next((word for word in step.split() if word.startswith("--")), None)
    if verb == NO_VERB and "{verb}" in step:  # what came before the verb had anything to say
        return ""
    return "" if option is not None and option in str(error) else step.format(verb=verb)
