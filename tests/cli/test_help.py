"""What --help says, and that the command lines of README and pages are ones the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from rsic_geo.cli.classic import modernise
from rsic_geo.cli.entry import rsic

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs" / "pages").glob("*.md")))


def commands(group: click.Group, words: tuple[str, ...] = ("rsic",)):
    """Yield every group and verb with the words that call it."""
    context = click.Context(group, info_name=" ".join(words))
    yield words, group
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


ALL = dict(commands(rsic))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_option_is_explained_and_no_line_is_mangled(words) -> None:
    command = ALL[words]
    text = command.get_help(click.Context(command, info_name=" ".join(words), terminal_width=80))
    assert "\\b" not in text
    assert "\b" not in text
    listed = text.partition("Commands:")[2]
    assert "..." not in listed, "a summary is cut: give a short_help"
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, f"{' '.join(words)} {option.opts[0]} has no help"


@pytest.mark.parametrize("words", [("rsic",), ("rsic", "batch")], ids=" ".join)
def test_examples_stand_on_lines_of_their_own(words) -> None:
    command = ALL[words]
    context = click.Context(command, info_name=" ".join(words), terminal_width=80)
    lines = command.get_help(context).splitlines()
    examples = [line.strip() for line in lines if line.startswith("  rsic ")]
    assert len(examples) == 3
    for example in examples:
        parse(example)


def parse(line: str) -> None:
    """Take a command line apart as the program does; raises click.ClickException where it would refuse."""
    name, *arguments = shlex.split(line, comments=True)
    arguments, command, context = modernise(arguments), rsic, None
    while isinstance(command, click.Group):
        context = click.Context(command, info_name=name, parent=context)
        name, *arguments = arguments
        command = command.get_command(context, name)
        assert command is not None, line
    command.make_context(name, list(arguments), parent=context)


def readme_lines() -> list[str]:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    in_tables = re.findall(r"\| `(rsic [^`]*)` \|", text)
    lines = [*(line for block in blocks for line in block.splitlines()), *in_tables]
    return sorted({line for line in lines if line.startswith("rsic ")})


@pytest.mark.parametrize("line", readme_lines())
def test_the_command_lines_of_the_readme_are_understood(line) -> None:
    parse(line)


def test_a_wrong_line_would_be_noticed() -> None:
    assert len(readme_lines()) > 18
    with pytest.raises(click.UsageError):
        parse("rsic compress scene.tif scene.jp2 --quality 40")
