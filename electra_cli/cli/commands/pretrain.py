"""electra pretrain: from prepared data to checkpoints."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from electra_cli.cli import completion, options
from electra_cli.cli.joining import joined
from electra_cli.cli.look_ahead import look_ahead
from electra_cli.cli.remote import check_folder, find_data, restored
from electra_cli.cli.screen.console import Terminal, emit_json, show_error
from electra_cli.cli.screen.training import RunDisplay, print_finished
from electra_cli.cluster.acts import ALONE, by_all, by_chief
from electra_cli.cluster.compare import check_same
from electra_cli.cluster.discovery.choice import find_cluster
from electra_cli.errors import ConfigError, ElectraError
from electra_cli.training.loop.signals import StopSignals
from electra_cli.training.loop.watchdog import Watchdog

if TYPE_CHECKING:
    from electra_cli.cluster.member import Worker
    from electra_cli.config.load import LoadedConfig
    from electra_cli.corpus.shards.manifest import Manifest
    from electra_cli.training.loop.health import Health
    from electra_cli.training.plan.plans import DryPlan, RunPlan

EXAMPLES = """
electra pretrain --preset tiny
electra pretrain --preset small --data data --dry-run
electra pretrain --preset small --data data --model-dir runs/mine
"""
LESS_MEMORY = "use a smaller --batch-size, or --set train.accumulation_steps=2 to keep the batch"


# fmt: off
def command(
    preset: Annotated[str | None, typer.Option(
        metavar="NAME|FILE", autocompletion=options.presets,
        help="Name of a preset, or a YAML file; not needed where --config names one.")] = None,
    data: Annotated[str | None, typer.Option(
        metavar="DIR|URL", autocompletion=completion.prepared,
        help="Folder that `electra prepare-data` wrote, or the URL of one (s3://, gs://, az://, "
        "hf://, https://), which is copied first.")] = None,
    cache_dir: Annotated[Path | None, typer.Option(
        metavar="DIR", show_default="~/.cache/electra",
        help="Where data of a URL is copied to and kept.")] = None,
    model_dir: Annotated[Path | None, typer.Option(
        autocompletion=completion.runs,
        help="Run folder, runs/PRESET by default. The same command again resumes it.")] = None,
    mirror: Annotated[str | None, typer.Option(
        metavar="URL",
        help="Folder of an object store to which checkpoints and all else of the run are copied "
        "meanwhile. Where --model-dir is not there yet, the run goes on from it. What is missing "
        "at the end is waited for, after a signal for a minute at most.")] = None,
    device: Annotated[str | None, typer.Option(
        autocompletion=options.devices,
        help="auto, cpu, cpu:N, gpu, gpu:I[,J…], gpu:GPU-…, gpu:MIG-…, mirrored or tpu; in a "
        "cluster what each worker uses.")] = None,
    share_device: options.ShareDevice = False,
    cluster: options.Cluster = "auto",
    rendezvous_timeout: options.RendezvousTimeout = 300.0,
    steps: Annotated[int | None, typer.Option(
        help="Updates: the horizon of the schedule; for no end --set train.steps=null.")] = None,
    stop_at_step: Annotated[int | None, typer.Option(
        help="Stop earlier; the schedule stays as it is.")] = None,
    batch_size: Annotated[int | None, typer.Option(
        help="Rows in an update, over all devices.")] = None,
    learning_rate: Annotated[float | None, typer.Option(
        help="Learning rate before warm-up and decay.")] = None,
    precision: Annotated[str | None, typer.Option(
        autocompletion=options.precisions,
        help="auto, float32, bfloat16 or float16.")] = None,
    xla: Annotated[bool | None, typer.Option(
        "--xla/--no-xla", show_default="on a GPU", help="Compile the whole step with XLA.")] = None,
    seed: Annotated[int | None, typer.Option(
        help="Decides weights, order, masks and dropout.")] = None,
    settings: Annotated[list[str] | None, typer.Option(
        "--set", metavar="KEY=VALUE", autocompletion=options.settings,
        help="Any key of the configuration; repeatable.")] = None,
    config: Annotated[Path | None, typer.Option(
        help="YAML file that overrides the preset; also RUN/config.yaml.")] = None,
    init_from: Annotated[Path | None, typer.Option(
        autocompletion=completion.checkpoints,
        help="Begin from these weights, step 0 and a fresh optimizer: a run, a checkpoint of "
        "the original code, or a Hugging Face folder.")] = None,
    branch_decay: Annotated[int | None, typer.Option(
        metavar="N",
        help="Begin another run as a copy of --from and let its learning rate fall to 0 in N "
        "updates.")] = None,
    from_: Annotated[Path | None, typer.Option(
        "--from", autocompletion=completion.checkpoints,
        help="For --branch-decay: a run with schedule constant or wsd, or a checkpoint of it.")
    ] = None,
    init_allow_missing: Annotated[list[str] | None, typer.Option(
        metavar="generator|discriminator", autocompletion=options.networks,
        help="A network that --init-from may lack and that then begins fresh; repeatable.")
    ] = None,
    allow_config_change: Annotated[list[str] | None, typer.Option(
        metavar="KEY", autocompletion=options.keys,
        help="A key that may differ from the earlier starts of the run; repeatable.")] = None,
    gin_file: Annotated[list[Path] | None, typer.Option(
        metavar="FILE",
        help="Gin file that binds functions; it is code, so only use files you trust.")] = None,
    gin_param: Annotated[list[str] | None, typer.Option(
        metavar="BINDING", help="A single gin binding.")] = None,
    stop_on: Annotated[list[str] | None, typer.Option(
        metavar="FINDING", autocompletion=options.findings,
        help="End with exit code 70 if this is found wrong with the run, such as "
        "discriminator-constant; the checkpoint is saved. Repeatable.")] = None,
    track: options.Track = None,
    dry_run: Annotated[bool, typer.Option(
        "--dry-run", help="Print parameters, FLOPs, memory and ETA, and stop.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Pretrain a generator and a discriminator on prepared data."""
    # fmt: on
    del debug
    started = time.perf_counter()
    terminal = Terminal(quiet=quiet, stdout=dry_run and not as_json)
    with contextlib.ExitStack() as stack:
        signals = stack.enter_context(StopSignals(terminal.note))
        from electra_cli.config.load import Override, load_config, parse_set
        from electra_cli.health.facts import Facts
        from electra_cli.training.loop.health import check_names, check_possible
        from electra_cli.training.plan.branch import find_branch
        from electra_cli.training.plan.preflight import data_of_run

        options.refuse_url(preset or "", "preset")
        check_folder(mirror, "--mirror")
        if model_dir and not dry_run and find_cluster(cluster, os.environ) is None:
            restored(mirror, model_dir, terminal)  # before --config may name a file in it
        check_names(stop_on or [])
        given = [
            Override("runtime.device", device, "--device"),
            Override("runtime.share_device", share_device or None, "--share-device"),
            Override("train.steps", steps, "--steps"),
            Override("train.batch_size", batch_size, "--batch-size"),
            Override("optimizer.learning_rate", learning_rate, "--learning-rate"),
            Override("runtime.precision", precision, "--precision"),
            Override("runtime.xla", xla, "--xla" if xla else "--no-xla"),
            Override("train.seed", seed, "--seed"),
            Override("runtime.track", options.joined(track), "--track"),
        ]
        overrides = [parse_set(text) for text in settings or []]
        overrides += [override for override in given if override.value is not None]
        others = {"--preset": preset, "--config": config, "--init-from": init_from}
        branch = find_branch(
            from_, branch_decay, model_dir, others=[o for o, given in others.items() if given]
        )
        if branch is not None:
            loaded = branch.load(os.environ, overrides)
        else:
            loaded = load_config(
                preset=preset, config_file=config, environment=os.environ, overrides=overrides
            )
        named, data = data, data or loaded.config.data.path
        if (path := loaded.config.generator.frozen) is not None:
            options.refuse_url(path, f"generator.frozen, {loaded.origins['generator.frozen']}")
        folder = model_dir or Path("runs") / loaded.config.preset
        worker: Worker = ALONE
        if not dry_run:
            place = joined(cluster, folder, timeout=rendezvous_timeout, terminal=terminal)
            worker, terminal = stack.enter_context(place)
            signals.follow(worker)
            by_chief(worker, "restore", lambda: restored(mirror, folder, terminal))

        def plan_here() -> tuple[DryPlan, str]:
            if model_dir is None:
                terminal.note(f"run folder: {folder} (--model-dir chooses another)")
            begun = folder if branch is None else branch.checkpoint.run.path
            recorded = None if named else data_of_run(begun, data)
            if recorded is not None:
                terminal.note(f"no --data: going on with that of {begun}, {recorded}")
            found = find_data(
                recorded or data,
                cache_dir,
                terminal,
                is_recorded=recorded is not None,
                dry_run=dry_run,
            )
            plan = _plan(
                loaded,
                terminal,
                data=found.planned,
                dry_run=dry_run,
                model_dir=folder,
                stop_at_step=stop_at_step,
                init_from=init_from,
                init_allow_missing=init_allow_missing or [],
                branch=branch,
                allow_config_change=allow_config_change or [],
                cluster=find_cluster(cluster, os.environ) if dry_run else worker.cluster,
            )
            check_possible(stop_on or [], Facts.of(plan.config, plan.manifest))
            bindings = _bind(plan, gin_file or [], gin_param or [])
            found.fetch(terminal, dry_run=dry_run)
            return plan, bindings

        plan, bindings = by_all(worker, "plan", plan_here)
        if dry_run:
            look_ahead(plan, terminal, as_json=as_json)
            return
        from electra_cli.runs.lock import locked_run
        from electra_cli.training.plan.sameness import facts_of

        if not worker.is_alone:  # the files of first weights can take long to read
            check_same(worker, facts_of(plan, bindings=bindings, stop_on=stop_on or []))
        with locked_run(plan.run) if worker.is_chief else contextlib.nullcontext():
            result = _train(
                plan,
                terminal,
                signals,
                worker,
                bindings=bindings,
                stop_on=stop_on or [],
                mirror=mirror,
                started=started,
                as_json=as_json,
            )
        print_finished(terminal, result)
        if as_json:
            emit_json(result)


def _train(
    dry: DryPlan,
    terminal: Terminal,
    signals: StopSignals,
    worker: Worker,
    *,
    bindings: str,
    stop_on: list[str],
    mirror: str | None,
    started: float,
    as_json: bool,
) -> dict[str, Any]:
    """Trains in a locked run folder; a run that is finished gives its result again."""
    from electra_cli.training.loop.mirroring import mirroring
    from electra_cli.training.plan.readiness import go_on

    plan = go_on(dry, warn=terminal.warn, worker=worker)
    told = {"warn": terminal.warn, "note": terminal.note}
    with mirroring(mirror, plan, worker, signals, **told) as opened:
        return _train_on(
            plan,
            terminal,
            signals,
            worker,
            bindings=bindings,
            stop_on=stop_on,
            mirror=opened,
            started=started,
            as_json=as_json,
        )


def _train_on(
    plan: RunPlan,
    terminal: Terminal,
    signals: StopSignals,
    worker: Worker,
    *,
    stop_on: list[str],
    as_json: bool,
    **given: Any,
) -> dict[str, Any]:
    """Trains from where the run goes on; `given` is for `training.pretrain`."""
    from electra_cli.environment import prepare_tensorflow
    from electra_cli.metrics.baselines import Baselines
    from electra_cli.runs.lock import check_writable
    from electra_cli.training.loop.health import Health
    from electra_cli.training.plan.readiness import check_data, check_space
    from electra_cli.training.result import finished_result

    own = plan.resume if plan.has_begun else None
    result = by_chief(worker, "finished", lambda: finished_result(own, stop=plan.stop))
    if result is not None:
        return result
    health = Health.of(plan, stop_on, worker)
    if plan.resume is not None:
        checkpoint = plan.resume.path
        with _telling(health):
            health.check(plan.start, lambda: checkpoint)
    by_chief(worker, "write", lambda: check_writable(plan.run.path))
    by_all(worker, "data", lambda: check_data(plan, note=terminal.note))
    by_chief(worker, "space", lambda: check_space(plan))

    prepare_tensorflow()
    from electra_cli.objectives import objective_of
    from electra_cli.training import pretrain as training

    def stalled(error: ElectraError) -> None:
        show_error(error.message, error.hint, error.exit_code, as_json=as_json)

    watchdog = Watchdog(plan.config.runtime.stall_timeout, stalled, worker=worker)
    objective = objective_of(plan.config.objective)
    baselines = Baselines.of(plan.manifest)
    with RunDisplay(terminal, objective, baselines) as display, watchdog, _telling(health):
        return training.pretrain(
            plan,
            listener=display,
            signals=signals,
            watchdog=watchdog,
            health=health,
            worker=worker,
            **given,
        )


@contextlib.contextmanager
def _telling(health: Health) -> Iterator[None]:
    """What ends the run tells what was found wrong with it up to then."""
    try:
        yield
    except ElectraError as error:
        error.findings = [finding.as_json() for finding in health.monitor.findings]
        raise


def _bind(plan: DryPlan, files: list[Path], parameters: list[str]) -> str:
    """Applies gin bindings, before anything of the run is touched; TensorFlow waits without any."""
    import gin

    from electra_cli.training.plan.begin import check_bindings

    gin.clear_config()
    bindings = ""
    if files or parameters:
        from electra_cli.environment import prepare_tensorflow

        prepare_tensorflow()
        from electra_cli.training.plan.experiment import bind_gin

        bindings = bind_gin(files, parameters)
    check_bindings(plan, bindings)
    return bindings


def _plan(
    loaded: LoadedConfig,
    terminal: Terminal,
    *,
    data: Path | Manifest | None,
    dry_run: bool,
    model_dir: Path,
    init_from: Path | None,
    **options: Any,
) -> DryPlan:
    """Checks everything that needs no device; without data it may be the demo corpus."""
    from electra_cli.corpus.preparation.plausibility import unknown_tokens
    from electra_cli.training.plan.preflight import plan_run

    name = loaded.config.preset
    if data is None and name != "tiny" and not dry_run:
        raise ConfigError(
            f"preset {name!r} needs --data",
            hint="electra prepare-data INPUT... --output DIR, then "
            f"electra pretrain --preset {name} --data DIR",
        )
    if data is None and name == "tiny":
        from electra_cli.corpus.preparation import demo

        same_length = loaded.config.data.sequence_length == demo.SEQUENCE_LENGTH
        # A look ahead at other sizes than the demo corpus has is one at data still to be made.
        if not dry_run or (same_length and not loaded.user_set("model.vocab_size")):
            plan_run(loaded, data=None, model_dir=model_dir, init_from=init_from, **options)
            folder = demo.default_cache_folder()
            terminal.note(f"no --data: preparing the built-in demo corpus (kept in {folder})")
            data = demo.prepare_demo(folder)
    plan = plan_run(loaded, data=data, model_dir=model_dir, init_from=init_from, **options)
    if plan.manifest is not None and (finding := unknown_tokens(plan.manifest)):
        terminal.warn(f"{plan.manifest.folder}: {finding}")
    if init_from is not None and plan.initial is None:
        terminal.note(f"{model_dir} has checkpoints: --init-from {init_from} is not used again")
    for source in (plan.initial, plan.frozen):
        for warning in source.warnings if source is not None else ():
            terminal.warn(warning)
    return plan
