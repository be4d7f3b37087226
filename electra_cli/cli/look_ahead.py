"""What `electra pretrain --dry-run` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.cli.screen.training import (
    TrainingDisplay,
    print_initial_weights,
    print_outlook,
)

if TYPE_CHECKING:
    from electra_cli.training.plan.plans import DryPlan


def look_ahead(plan: DryPlan, terminal: Terminal, *, as_json: bool) -> None:
    """Prints the numbers of a plan, and what is to be said of them before anything begins."""
    from dataclasses import asdict

    from electra_cli.environment import prepare_tensorflow

    prepare_tensorflow()
    from electra_cli.health.facts import Facts
    from electra_cli.health.monitor import Monitor
    from electra_cli.training.devices.strategy import build_strategy
    from electra_cli.training.plan.frozen import check_frozen
    from electra_cli.training.plan.initial import check_initial
    from electra_cli.training.plan.outlook import outlook_of

    tf32 = plan.config.runtime.tf32
    strategy = build_strategy(plan.device, share=True, tf32=tf32, warn=terminal.warn)
    outlook = outlook_of(plan, strategy, dry_run=True)
    print_outlook(terminal, outlook)
    if outlook.shortage:
        terminal.warn(outlook.shortage)
    monitor = Monitor(Facts.of(plan.config, plan.manifest))
    for change in monitor.see({"kind": "start", "step": 0}):
        TrainingDisplay(terminal, {}).finding(change)
    if plan.initial is not None and plan.manifest is not None:  # which has the vocabulary's size
        print_initial_weights(terminal, check_initial(plan.initial, plan.config))
    if plan.frozen is not None and plan.manifest is not None:
        print_initial_weights(terminal, check_frozen(plan.frozen, plan.config))
    if as_json:
        emit_json(
            {
                "command": "pretrain",
                "dry_run": True,
                "run_dir": str(plan.run.path),
                "preset": plan.config.preset,
                "device": plan.device.text,
                "workers": plan.workers,
                "replicas": outlook.replicas,
                "precision": outlook.precision,
                "parameters": asdict(outlook.budget.parameters),
                "flops_per_token": outlook.budget.flops_per_token,
                "flops": outlook.flops,
                "tokens_per_step": outlook.budget.tokens_per_step,
                "memory_bytes": outlook.memory.needed,
                "memory_limit_bytes": outlook.memory.limit and outlook.memory.limit.bytes,
                "epochs": outlook.epochs,
                "matmul_peak_flops": outlook.peak_flops,
                "estimated_seconds": outlook.seconds,
                "findings": [finding.as_json() for finding in monitor.findings],
            }
        )
