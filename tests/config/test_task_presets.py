"""The named tasks that come with the package."""

from __future__ import annotations

import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import DEFAULT_ORIGIN, load_config
from electra_cli.config.presets import available_presets
from electra_cli.config.schema import leaf_fields

# Kind, epochs, length, labels, metric: configure_finetuning.py and classification_tasks.py of the
# reference, which leaves WNLI out.
RECIPES = {
    "cola": ("classification", 3, 128, "0,1", "matthews"),
    "sst2": ("classification", 3, 128, "0,1", "accuracy"),
    "mrpc": ("classification", 3, 128, "0,1", "accuracy"),
    "stsb": ("regression", 10, 128, "0,5", "spearman"),
    "qqp": ("classification", 3, 128, "0,1", "accuracy"),
    "mnli": ("classification", 3, 128, "contradiction,entailment,neutral", "accuracy"),
    "qnli": ("classification", 3, 128, "entailment,not_entailment", "accuracy"),
    "rte": ("classification", 10, 128, "entailment,not_entailment", "accuracy"),
    "wnli": ("classification", 3, 128, "0,1", "accuracy"),
    "squad": ("qa", 2, 512, None, "f1"),
    "squad2": ("qa", 2, 512, None, "f1"),
    "chunking": ("tagging", 3, 256, None, "span_f1"),
}


@pytest.mark.parametrize("name", RECIPES)
def test_sets_every_key_and_has_the_recipe_of_the_reference(name: str) -> None:
    loaded = load_config(FinetuneConfig, preset=name, environment={})
    left = [
        key
        for key in leaf_fields(FinetuneConfig)
        if not key.startswith("runtime.") and loaded.origins[key] == DEFAULT_ORIGIN
    ]
    assert left == []
    task, train = loaded.config.task, loaded.config.train
    recipe = (task.kind, train.epochs, task.max_length, task.labels, task.metric)
    assert recipe == RECIPES[name]
    assert task.double_unordered == (name in ("mrpc", "stsb"))
    assert train.batch_size == 32
    optimizer = loaded.config.optimizer
    assert (optimizer.learning_rate, optimizer.layer_decay, optimizer.decay_factor) == (
        None,
        "reference",
        None,
    )
    assert (optimizer.warmup_proportion, optimizer.epsilon) == (0.1, 1e-6)
    if task.kind == "qa":
        windows = (task.max_query_length, task.doc_stride, task.n_best, task.max_answer_length)
        assert windows == (64, 128, 20, 30)


def test_all_are_tested() -> None:
    kinds = {"classification", "regression", "tagging", "qa"}
    assert set(available_presets(FinetuneConfig)) == set(RECIPES) | kinds
