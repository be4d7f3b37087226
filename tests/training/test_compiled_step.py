"""What XLA makes of a run that is compiled as a whole, by its own account of each module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

import pytest
import tensorflow as tf

from electra_cli.config.load import read_config
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.modeling.budget import budget_of
from tests.training.runs import environment, finish, options, start
from tests.training.trainers import build

pytestmark = pytest.mark.slow

_LEAVES_THE_DEVICE = r" (infeed|outfeed|send|recv|custom-call|conditional|all-reduce)\("


@dataclass(frozen=True)
class Module:
    """One compilation: its name without numbers, its optimised text, and the bytes it takes."""

    name: str
    text: str
    bytes: int

    def aliased(self) -> int:
        """Bytes of the arguments that are updated in place."""
        head, _, entry = self.text.partition("\n")
        of_arguments = {int(n) for n in re.findall(r"\((\d+), \{\}, (?:may|must)-alias\)", head)}
        entry = entry[entry.index("\nENTRY ") :]
        found = re.findall(r"= [a-z]+(\d*)\[([\d,]*)\]\S* parameter\((\d+)\)", entry)
        sizes = {
            int(n): max(1, int(bits or 8) // 8) * prod(map(int, filter(None, shape.split(","))))
            for bits, shape, n in found
        }
        return sum(sizes[n] for n in of_arguments)


def modules_in(folder: Path) -> list[Module]:
    """All compilations of a process that was told to dump them."""
    found = []
    for path in sorted(folder.glob("*.cpu_after_optimizations.txt")):
        name = re.sub(r"_\d+_*$", "", path.name.split(".")[1].removeprefix("a_inference_"))
        report = path.with_name(f"{path.stem}-memory-usage-report.txt").read_text()
        size = re.search(r"Total bytes used: (\d+)", report)
        assert size is not None
        found.append(Module(name, path.read_text(), int(size[1])))
    return [module for module in found if "_lambda_" not in module.name]  # the quiet first one


def test_a_run_compiles_its_step_and_its_evaluation_once(data: Path, tmp_path: Path) -> None:
    run, dump = tmp_path / "run", tmp_path / "dump"
    examples = load_manifest(data).validation_examples  # other versions of Python have others
    rows = 8 if examples % 8 else 6
    assert examples % rows  # the last batch is not full
    more = ("--xla", "--steps", 2, "--batch-size", rows, "--precision", "bfloat16")
    average = ("--set", "optimizer.ema_decay=0.9")
    flags = {"XLA_FLAGS": f"--xla_dump_to={dump} --xla_dump_hlo_as_text", "TF_XLA_FLAGS": ""}
    process = start(options(data, run, *more, *average, steps=2), env=environment(**flags))
    code, out, err = finish(process)
    assert code == 0, out + err
    modules = modules_in(dump)
    assert sorted(module.name for module in modules) == ["evaluation_step", "training_step"]
    evaluation, step = sorted(modules, key=lambda module: module.name)
    for module in modules:
        assert re.findall(_LEAVES_THE_DEVICE, module.text) == []
        assert not re.search(r"\[[\d,]*<=", module.text)  # no size is known only at run time
    # That of a step in pieces: XLA's CPU emulates bfloat16 and copies the slots, as no GPU does.
    budget = budget_of(read_config(run / "config.yaml"), precision="bfloat16")
    weights = 4 * budget.parameters.total
    assert 4 * weights <= step.aliased() < 4 * weights + 2**12  # two slots, an average; counters
    assert evaluation.aliased() == 0
    assert evaluation.bytes < step.bytes <= 1.2 * (budget.memory_bytes + weights)


def test_several_replicas_compile_what_lies_between_their_meetings(data: Path) -> None:
    """And send one vector: what each operation of its own would cost on a card is not there."""
    trainer = build(data, device="cpu:2", xla=True)
    step = tf.function(lambda iterator: trainer.train_step(iterator), autograph=False)
    graph = step.get_concrete_function(iter(trainer._train_dataset)).graph.as_graph_def()
    compiled = [node.attr["f"].func.name for node in graph.node if "f" in node.attr]
    names = [re.sub(r"^__inference_|_\d+$", "", name) for name in compiled]
    replica = ["gradient_step", "masking_step", "recording_step", "update_step"]
    assert sorted(names) == sorted(2 * replica)
    counts, vector = 2, 1
    assert [node.op for node in graph.node].count("AddN") == counts + vector
    operations = [node.op for node in graph.node if node.op not in ("Placeholder", "Const")]
    assert len(operations) < 100
