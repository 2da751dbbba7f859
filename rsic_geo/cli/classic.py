"""Classic GDAL spellings, accepted everywhere and shown nowhere: ``-of``, ``-co``, ``--config K V``."""

from __future__ import annotations

ALIASES = {
    "-of": "--output-format",
    "-co": "--creation-option",
    "-overwrite": "--overwrite",
    "-quiet": "--quiet",
    "-verbose": "--verbose",
    "-json": "--json",
    "-a_nodata": "--nodata",
    "-srcwin": "--srcwin",
    "-projwin": "--projwin",
    "-projwin_srs": "--projwin-srs",
    "--projwin_srs": "--projwin-srs",
}
"""Single-dash names of gdal_translate and friends, and what `gdal raster` (RFC 104) calls them."""

_INPUT = ("-i", "--input")
_OUTPUT = ("-o", "--output")
_GROUPS = frozenset({"batch", "models", "eval"})
"""Verbs whose second word is a verb too."""


def modernise(arguments: list[str]) -> list[str]:
    """Return ``arguments`` with classic spellings replaced by RFC 104's.

    ``--config K V`` becomes ``--config K=V``; ``-i``/``-o`` become positional, inputs before the output.
    Arguments after ``--`` are left alone.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    words, rest = arguments[:end], arguments[end:]
    output = _OUTPUT if words[:2] != ["batch", "retry"] else ()  # which has an option of that name
    out: list[str] = []
    inputs: list[str] = []
    outputs: list[str] = []
    position = 0
    while position < len(words):
        word, following = words[position], words[position + 1 : position + 2]
        name, equals, value = word.partition("=")
        position += 1
        if name in ALIASES:
            out.append(ALIASES[name] + equals + value)
        elif word == "--config" and following and "=" not in following[0] and position + 1 < len(words):
            out += ["--config", f"{following[0]}={words[position + 1]}"]
            position += 2
        elif word in (*_INPUT, *output) and following:
            (inputs if word in _INPUT else outputs).append(following[0])
            position += 1
        elif equals and name in (*_INPUT, *output):
            (inputs if name in _INPUT else outputs).append(value)
        else:
            out.append(word)
    # The verb comes first, then inputs, then what else there is; the output is last.
    verb = 2 if out[:1] and out[0] in _GROUPS else 1
    return [*out[:verb], *inputs, *out[verb:], *outputs, *rest]
