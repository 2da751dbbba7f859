"""``rsic models``: the networks there are, what they were made from, and whether their files are whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import talking
from rsic_geo.errors import WeightsError, WeightsNotFoundError

EXIT_UNAVAILABLE = 5

if TYPE_CHECKING:
    from rsic_geo.weights import WeightsRow


@click.group(short_help="List and check networks, read their cards.")
def models() -> None:
    """List networks, read their cards, verify their files."""


@models.command(name="list", short_help="List the networks.")
@talking
def list_models(console: Console) -> None:
    """List the networks of this installation: enhancers (--model NAME) and codecs (--codec learned:NAME)."""
    from rsic_geo.weights import default_name, enhancer_name, list_weights

    rows = list_weights()
    default = default_name() if rows else None
    defaults = {kind: default_name(kind=kind) for kind in {row.kind for row in rows}}
    learned = enhancer_name("auto", "learned") if rows else ""

    def words(row: WeightsRow) -> str:
        if row.name == defaults[row.kind]:
            return f"{row.kind}, default"
        return f"{row.kind}, default for --codec learned" if row.name == learned else row.kind

    entries = {
        "default": default,
        "default_learned": learned or None,
        "models": [
            {
                "name": row.name,
                "kind": row.kind,
                "summary": row.summary,
                "licence": row.licence,
                "sha256": row.sha256,
            }
            for row in rows
        ],
    }
    lines = [f"{row.name} ({words(row)}): {row.summary}" for row in rows]
    console.result(entries, "\n".join(lines) or "no networks are shipped with this installation")


@models.command(short_help="Print what a network is and what it gains.")
@click.argument("name", default="auto")
@talking
def card(name: str, console: Console) -> None:
    """Print what network NAME is, what it was trained on, what it gains and where it fails."""
    from rsic_geo import weights

    wanted = weights.default_name() if name == "auto" else name
    for row in weights.list_weights():
        path = Path(weights.__file__).parent / f"{Path(row.file).stem}.md"
        if row.name == wanted and path.is_file():
            text = path.read_text(encoding="utf-8")
            console.result({"name": row.name, "licence": row.licence, "card": text}, text.rstrip())
            return
    raise WeightsNotFoundError(
        f"no model card for {wanted!r}: `rsic models list` shows the networks there are"
    )


@models.command(short_help="Check the files of networks.")
@click.argument("names", nargs=-1)
@talking
def verify(names: tuple[str, ...], console: Console) -> int:
    """Check the files of networks NAMES (default: all) against the manifest; exit with 5 if one is bad."""
    from rsic_geo.weights import list_weights, open_weights

    found: list[dict[str, Any]] = []
    for name in names or tuple(row.name for row in list_weights()):
        try:
            opened = open_weights(name)
            found.append({"name": name, "ok": True, "sha256": opened.sha256, "bytes": len(opened.content)})
        except WeightsError as error:
            found.append({"name": name, "ok": False, "error": str(error)})
    lines = [f"{entry['name']}: {'ok' if entry['ok'] else entry['error']}" for entry in found]
    console.result({"models": found}, "\n".join(lines) or "no networks are shipped with this installation")
    return 0 if all(entry["ok"] for entry in found) else EXIT_UNAVAILABLE
