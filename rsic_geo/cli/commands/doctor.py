"""``rsic doctor``: is everything there that the library needs?"""

from __future__ import annotations

from importlib.metadata import version

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.health import examine
from rsic_geo.cli.options import talking

EXIT_UNAVAILABLE = 5


@click.command(short_help="Check this installation.")
@talking
def doctor(console: Console) -> int:
    """Check this installation: libraries, drivers, devices, networks, space.

    Exits with 5 where something needed is missing, and says what to do about it.
    """
    findings = examine()
    is_healthy = not any(finding.status == "missing" for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:8} {finding.name}: {finding.detail}")
        if finding.advice:
            lines.append(f"{'':8}   -> {finding.advice}")
    lines.append("all is well" if is_healthy else "something needed is missing")
    entries = {
        "rsic_version": version("rsic-geo"),
        "healthy": is_healthy,
        "findings": [finding.to_json() for finding in findings],
    }
    console.result(entries, "\n".join(lines))
    return 0 if is_healthy else EXIT_UNAVAILABLE
