"""``rsic batch``: whole archives of scenes, every one verified, every interruption resumable."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from rsic_geo.cli.commands.batch_plan import (
    found_in,
    inputs,
    plan,
    rules,
    rules_of,
    rules_option,
    say_estimate,
)
from rsic_geo.cli.commands.batch_preserve import (
    EXIT_SOME_FAILED,
    export,
    merge,
    rebuild,
    restore,
    status,
    verify,
)
from rsic_geo.cli.commands.compress import archive_choices, encode_options
from rsic_geo.cli.console import Console, StatusLine, event, one_line
from rsic_geo.cli.hooks import Hooks
from rsic_geo.cli.options import Verb, execution_options, stack, talking
from rsic_geo.cli.summary import bytes_text
from rsic_geo.errors import UsageError
from rsic_geo.options import Execution

if TYPE_CHECKING:
    from rsic_geo.batch.coordinator import Standing, Watcher
    from rsic_geo.batch.run import BatchOptions

_LOG_SECONDS = 10
"""Between the lines --verbose writes where there is no terminal."""


@click.group(short_help="Archive many scenes, and keep them.")
def batch() -> None:
    """Archive many scenes, and keep them: run, plan, status, retry, verify, restore, migrate, export.

    \b
    rsic batch run scenes/ archive/ --target lossless --jobs 4
    rsic batch status archive/
    rsic batch retry archive/
    """  # noqa: D301 - click wants the character itself


_crew = stack(
    click.option(
        "--jobs",
        "-j",
        type=click.IntRange(min=0),
        default=1,
        show_default=True,
        metavar="N",
        help="Processes of this machine, --threads cores each; 0 = no extra process.",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers do the work."),
    click.option(
        "--resource",
        "resources",
        multiple=True,
        metavar="NAME=N",
        help="What a Dask worker must have (GPU=1), repeatable.",
    ),
    click.option(
        "--bands-above",
        type=click.FloatRange(min=0),
        default=256,
        show_default=True,
        metavar="MPX",
        help="Keep the row bands of larger scenes over a kill, and share them among idle workers; 0 = never.",
    ),
    click.option(
        "--stalled",
        type=click.FloatRange(min=0),
        default=120,
        show_default=True,
        metavar="MINUTES",
        help="End a process that does nothing for so long, as on a dead mount; 0 = never.",
    ),
    click.option(
        "--run", "run_name", default="default", show_default=True, metavar="NAME", help="Name of the run."
    ),
    click.option(
        "--on-failure",
        metavar="CMD",
        help="Command that gets each failed scene as JSON on its standard input.",
    ),
    click.option("--on-end", metavar="CMD", help="Command that gets how the run ended as JSON."),
    click.option("--metrics", metavar="FILE", help="File kept up to date in the text format of Prometheus."),
    click.option("--skip-existing", is_flag=True, help="Leave alone products that exist and are not ours."),
    click.option(
        "--companions/--no-companions",
        default=True,
        show_default=True,
        help="Copy vendors' text files (.xml, .imd, .rpb, ...) of a scene beside its product.",
    ),
)


def _batch_options(verb: Verb) -> Verb:
    """Give a verb ``settings``: who does the work, under which name; memory is the budget of all jobs."""

    @functools.wraps(verb)
    def run(
        *args: Any,
        jobs: int,
        scheduler: str | None,
        resources: tuple[str, ...],
        run_name: str,
        skip_existing: bool,
        companions: bool,
        bands_above: float,
        stalled: float,
        execution: Execution,
        on_failure: str | None,
        on_end: str | None,
        metrics: str | None,
        **kwargs: Any,
    ) -> Any:
        from rsic_geo.batch.run import BatchOptions, Crew

        hooks = Hooks(
            run=run_name,
            on_failure=on_failure,
            on_end=on_end,
            metrics=metrics,
        )

        asked = click.get_current_context().params.get("memory")
        crew = Crew(
            jobs=jobs,
            scheduler=scheduler,
            resources=tuple(_resource(word) for word in resources),
            stalled_minutes=stalled,
            memory_mib=asked if isinstance(asked, int) else None,
            execution=execution if asked is None else replace(execution, memory_mib=Execution().memory_mib),
        )
        settings = BatchOptions(
            run=run_name,
            skip_existing=skip_existing,
            companions=companions,
            bands_above=bands_above,
            config=kwargs["config"],
            crew=crew,
        )
        return verb(*args, settings=settings, execution=execution, hooks=hooks, **kwargs)

    return _crew(run)


def _resource(word: str) -> tuple[str, float]:
    name, equals, number = word.partition("=")
    try:
        amount = float(number) if equals else 1.0
    except ValueError:
        amount = 0.0
    if not (name and 0 < amount < math.inf):
        raise UsageError(f"resource {word!r}: use NAME=NUMBER, as GPU=1")
    return name, amount


@batch.command(short_help="Archive every scene of the inputs.")
@inputs
@archive_choices
@click.option(
    "--template",
    metavar="TEXT",
    help="Product below OUTPUT; default {parent}/{stem} and the codec's suffix; also {name} {ext} {run}.",
)
@click.option("--ledger", metavar="FILE", help="GeoPackage of the run (default: in OUTPUT).")
@rules_option
@click.option(
    "--shard",
    metavar="I/N",
    help="Only part I of N of the scenes, with a ledger of its own (for arrays of jobs); `rsic batch merge` "
    "joins the ledgers.",
)
@click.option(
    "--duplicates",
    type=click.Choice(["code", "hardlink", "symlink"]),
    default="code",
    show_default=True,
    help="Scenes that hold the very same as an earlier one: coded too, or links to its product.",
)
@click.option("--recheck", is_flag=True, help="Compare the checksums of all finished scenes again.")
@click.option("--dry-run", is_flag=True, help="Estimate from a sample; write nothing.")
@execution_options
@_batch_options
@talking
def run(
    paths: tuple[str, ...],
    console: Console,
    execution: Execution,
    settings: BatchOptions,
    hooks: Hooks,
    template: str | None,
    ledger: str | None,
    rules: str | None,
    shard: str | None,
    duplicates: Any,
    recheck: bool,
    dry_run: bool,
    **choices: Any,
) -> int:
    """Archive every scene of INPUT (files, folders, @list, -, STAC items) below the folder OUTPUT.

    A scene is done when its product was decoded from disk and compared with it. One of which a band ends
    below 20 dB SNR is named in a warning; below 6 dB it fails, unless --accept-loss. The same command goes on
    where it stopped. Nothing is overwritten, no source is touched. --memory is the budget of all jobs.
    Exit code 3: some scenes failed.
    """
    from rsic_geo.batch.preserve.rebuild import shard_of
    from rsic_geo.batch.run import run_batch

    sources, folder = found_in(paths, choices, output=True)
    wanted = encode_options(execution, **choices)
    if dry_run:
        return say_estimate(console, sources, rules_of(rules, wanted), template=template)
    settings = replace(
        settings,
        template=template,
        ledger=ledger,
        rules=rules,
        recheck=recheck,
        duplicates=duplicates,
        shard=None if shard is None else shard_of(shard),
    )
    standing = run_batch(sources, folder, wanted, settings, _watcher(console, hooks))
    return _finish(console, standing, hooks, ledger or folder, settings.shard)


@batch.command(short_help="Try failed scenes again.")
@click.argument("ledger")
@click.option(
    "--like",
    default="%",
    show_default=True,
    metavar="PATTERN",
    help="SQL pattern of the sources to try again.",
)
@click.option("--skipped", is_flag=True, help="Also what was skipped.")
@click.option(
    "--output", metavar="FOLDER", help="Where the products go, if the ledger does not lie there: as it says."
)
@execution_options
@_batch_options
@talking
def retry(
    ledger: str,
    console: Console,
    execution: Execution,
    settings: BatchOptions,
    hooks: Hooks,
    like: str,
    skipped: bool,
    output: str | None,
    **_: Any,
) -> int:
    """Try the failed scenes of LEDGER (or of the folder it is in) again, as the run was started.

    What decides the products is known to the ledger; --config, --companions and --skip-existing are to be
    given again. --memory is the budget of all jobs. Exit code 3: some scenes failed again.
    """
    from rsic_geo.batch.run import retry_batch

    del execution
    settings = replace(settings, output=output)
    standing = retry_batch(ledger, settings, _watcher(console, hooks), like=like, skipped=skipped)
    return _finish(console, standing, hooks, ledger)


@batch.command(short_help="Another codec, target or model for an archive.")
@click.argument("ledger")
@click.argument("output", metavar="OUTPUT")
@archive_choices
@click.option(
    "--remove-old",
    is_flag=True,
    help="Remove each earlier product once the one that takes its place is proven.",
)
@execution_options
@_batch_options
@talking
def migrate(
    ledger: str,
    output: str,
    console: Console,
    execution: Execution,
    settings: BatchOptions,
    hooks: Hooks,
    remove_old: bool,
    **choices: Any,
) -> int:
    """Make the products of LEDGER (or of the folder it is in) anew below the folder OUTPUT.

    Only what is given changes (--codec cog, --target, --effort best, ...); the rest is as each scene was
    archived. A scene is made of its source or, where that is gone or changed, of its product if that is
    lossless; others are refused. What keeps less than the earlier product promised fails. The archive itself
    stays as it is, but for --remove-old. The same command goes on where it stopped. Exit code 3: some scenes
    failed or were refused.
    """
    from rsic_geo.batch.preserve.migrate import MigrateOptions
    from rsic_geo.batch.preserve.migrate import migrate as run

    wanted = encode_options(execution, **choices)
    asked = click.get_current_context().get_parameter_source
    given = {name for name in choices if asked(name) is click.core.ParameterSource.COMMANDLINE}
    given = given - {"enhance"} | ({"model"} if "enhance" in given else set())
    changes = {name: getattr(wanted, name) for name in sorted(given) if hasattr(wanted, name)}
    options = MigrateOptions(changes=changes, remove_old=remove_old)
    standing = run(ledger, output, options, settings, _watcher(console, hooks))
    return _finish(console, standing, hooks, output)


for _kept in (plan, rules, status, verify, restore, rebuild, merge, export):
    batch.add_command(_kept)


def _watcher(console: Console, hooks: Hooks) -> Watcher:
    from rsic_geo.batch.coordinator import Watcher
    from rsic_geo.batch.message import SceneOutcome

    hooks.warn = console.warn
    line = StatusLine()
    draw, draw_survey = console.progress(line), console.progress(line)
    told = time.monotonic()

    def standing(now: Standing) -> bool | None:
        nonlocal told
        hooks.standing(now)
        if console.mode == "json":
            event("batch", **now.to_json())
            return draw(now.fraction, "archiving")
        if console.verbose and console.bar is None and time.monotonic() - told > _LOG_SECONDS:
            told = time.monotonic()
            click.echo(str(now), err=True)
        return draw(now.fraction, str(now))

    def scene(source: str, outcome: SceneOutcome) -> None:
        hooks.scene(source, outcome)
        if console.mode == "json":
            event(
                "scene",
                source=source,
                state=outcome.state,
                error=outcome.error,
                error_kind=outcome.error_kind,
                seconds=outcome.values.get("seconds"),
                warnings=outcome.values.get("warnings"),
            )
        elif outcome.state == "failed":
            console.warn(f"{source}: {one_line(outcome.error or 'failed')}")
        if outcome.state == "done" and outcome.values.get("warnings"):
            console.warn(f"{source}: {one_line(outcome.values['warnings'])}")

    def survey(fraction: float, message: str) -> bool | None:
        if console.mode == "json":
            event("survey", fraction=round(fraction, 4), message=message)
            return None
        return draw_survey(fraction, message)

    return Watcher(standing=standing, scene=scene, survey=survey, warn=console.warn)


def _finish(
    console: Console, standing: Standing, hooks: Hooks, place: str, shard: tuple[int, int] | None = None
) -> int:
    from rsic_geo.batch.run import ledger_path

    hooks.end(standing)
    if console.bar is not None:
        console.bar.break_off()
    ratio = standing.source_bytes / standing.product_bytes if standing.product_bytes else 0.0
    text = f"{standing.done} scenes done and verified, {standing.failed} failed, {standing.skipped} skipped"
    if ratio:
        before, after = bytes_text(standing.source_bytes), bytes_text(standing.product_bytes)
        text += f"; {before} became {after} (ratio {ratio:.2f})"
    ledger = str(ledger_path(place, shard))
    console.result(
        {**standing.to_json(), "ratio": ratio or None, "ledger": ledger}, f"{text}; ledger {ledger}"
    )
    return EXIT_SOME_FAILED if standing.failed else 0
