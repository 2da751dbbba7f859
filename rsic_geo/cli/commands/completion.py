"""``rsic completion``: what a shell needs to complete verbs, options and their values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_HOW = {
    "bash": 'eval "$(rsic completion bash)"        in ~/.bashrc',
    "zsh": 'eval "$(rsic completion zsh)"         in ~/.zshrc',
    "fish": "rsic completion fish | source        in ~/.config/fish/config.fish",
}


@click.command(
    short_help="Let a shell complete what is typed.",
    epilog="\b\n" + "\n".join(_HOW.values()),
)
@click.argument("shell", type=click.Choice(list(_HOW)))
def completion(shell: str) -> None:
    """Print the script by which bash, zsh or fish completes verbs, options and their values."""
    from rsic_geo.cli.entry import rsic

    kind = get_completion_class(shell)
    assert kind is not None, "click knows the three shells"
    click.echo(kind(rsic, {}, "rsic", "_RSIC_COMPLETE").source())
