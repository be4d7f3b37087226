"""What has to be the same at all workers of a fine-tuning, and what a cluster cannot do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.compare import check_same
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer
from electra_cli.errors import ConfigError, DataError
from electra_cli.finetuning.inference import plan_prediction
from electra_cli.finetuning.kinds import kind_of
from electra_cli.finetuning.plan import FinetunePlan, plan_finetune
from electra_cli.finetuning.sameness import facts_of
from tests.cluster.together import ADDRESSES, at_each
from tests.finetuning.test_run import make_plan


@pytest.fixture(scope="module")
def plan(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetunePlan:
    return make_plan(trained, tmp_path_factory.mktemp("plan"), dropout=0.0)


def configured(plan: FinetunePlan, **values: Any) -> FinetunePlan:
    keys = {name.replace("__", "."): value for name, value in values.items()}
    return replace(plan, config=plan.config.replaced(keys))


def retokenized(plan: FinetunePlan) -> FinetunePlan:
    """The same with one more token in the vocabulary."""
    kind, options = plan.data.kind, plan.item.tokenizer
    assert options is not None
    other = WordPieceTokenizer([*kind.tokenizer.tokens, "one"], options)
    return replace(plan, data=replace(plan.data, kind=kind_of(kind.task, kind.labels, other)))


def compared(ours: dict[str, Any], theirs: dict[str, Any]) -> list[Any]:
    return at_each(2, lambda worker: check_same(worker, theirs if worker.index else ours))


def test_what_may_differ(plan: FinetunePlan, tmp_path: Path) -> None:
    """Where something lies, and what a worker's devices are called."""
    moved = {name: tmp_path / path.name for name, path in plan.files.items()}
    for name, path in plan.files.items():
        moved[name].write_bytes(path.read_bytes())
    other = replace(configured(plan, runtime__device="auto"), files=moved, source=tmp_path)
    assert compared(facts_of(plan, None), facts_of(other, None)) == [None, None]


@pytest.mark.parametrize(
    ("change", "kind", "word"),
    [
        (lambda p: configured(p, train__seeds=2), ConfigError, "train.seeds is 1 and 2"),
        (lambda p: configured(p, train__batch_size=4), ConfigError, "train.batch_size is 8 and 4"),
        (lambda p: replace(p, columns=p.columns[:1]), ConfigError, "models"),
        (lambda p: replace(p, files=p.files | {"dev": p.files["train"]}), DataError, "data.dev"),
        (lambda p: retokenized(p), DataError, "vocabulary"),
    ],
)
def test_what_may_not(plan: FinetunePlan, change: Any, kind: type[Exception], word: str) -> None:
    for error in compared(facts_of(plan, None), facts_of(change(plan), None)):
        assert type(error) is kind
        assert "worker 0 (a:1) and worker 1 (b:1) differ: " in str(error)
        assert word in str(error)


def test_one_that_predicts_and_one_that_does_not(plan: FinetunePlan) -> None:
    prediction = plan_prediction(plan, plan.files["dev"], None)
    for error in compared(facts_of(plan, prediction), facts_of(plan, None)):
        assert "data.predict" in str(error)


@pytest.mark.parametrize(
    ("device", "batch", "words"),
    [("cpu:2", 8, "each worker has one replica on its CPU"), ("cpu", 9, "9")],
)
def test_what_a_cluster_cannot_do(
    plan: FinetunePlan, tmp_path: Path, device: str, batch: int, words: str
) -> None:
    values = {"runtime.device": device, "train.batch_size": batch}
    with pytest.raises(ConfigError, match=words):
        plan_finetune(
            plan.config.replaced(values), plan.item, source=plan.source, files=plan.files,
            output=tmp_path / "out", cluster=Cluster(ADDRESSES[:2], 0, "TEST"),
        )  # fmt: skip
