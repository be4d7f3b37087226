"""Which files are read, and from which sources a fine-tuning begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.errors import ConfigError
from electra_cli.finetuning.columns import encoder_weights
from electra_cli.finetuning.plan import choose_files, plan_finetune
from electra_cli.finetuning.run import outlook_of_plan
from electra_cli.interop.weights import values_of
from electra_cli.sources.open import open_source
from electra_cli.training.devices.strategy import build_strategy
from tests.conftest import Electra
from tests.export.runs import small_vocabulary, write_run
from tests.finetuning.finished import RECIPE, Finished
from tests.finetuning.made_data import write_files

A, B, C = Path("a.tsv"), Path("b.tsv"), Path("c.tsv.gz")


def test_files_and_the_names_of_their_scores() -> None:
    config = FinetuneConfig()
    found = choose_files(config, data=None, train=A, dev=[B, C])
    assert found == {"train": A, "dev": B, "dev_c": C}
    assert list(found) == ["train", "dev", "dev_c"]
    with pytest.raises(ConfigError, match="two files are called c"):
        choose_files(config, data=None, train=A, dev=[B, C, Path("other") / "c.tsv"])


@pytest.mark.parametrize("objective", ["electra", "mlm"])
def test_a_run_of_every_objective(tmp_path: Path, objective: str) -> None:
    """The main network's weights, all that the encoder of a task has."""
    run = write_run(tmp_path / "run", objective=objective)
    item = open_source(run, scratch=tmp_path, needs_head=False)
    files = write_files(tmp_path, "classification")
    config = FinetuneConfig().replaced({"task.max_length": 20, "task.most_cut": 1.0,
                                        "runtime.device": "cpu"})  # fmt: skip
    plan = plan_finetune(
        config, item, source=run, files=choose_files(config, data=None, train=files.train,
        dev=[files.dev]), output=tmp_path / "out",
    )  # fmt: skip
    outlook = outlook_of_plan(plan, build_strategy(plan.device), dry_run=True)
    weights = encoder_weights(item)
    model = item.load_model()
    assert set(weights) == {name for name in values_of(model) if name.startswith("electra/")}
    head = 32 * 32 + 32 + 32 * 2 + 2
    assert outlook.budget.parameters.total == head + sum(w.size for w in weights.values())


@pytest.fixture(scope="module")
def exported(classified: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that was fine-tuned, in the formats of Hugging Face."""
    from electra_cli.export.run import export

    folder = tmp_path_factory.mktemp("exported") / "hf"
    export(checkpoint=classified.source, format="huggingface", output=folder)
    return folder / "discriminator"


@pytest.mark.slow
def test_hugging_faces_weights_give_the_same_run(
    electra: Electra, regressed: Finished, exported: Path, tmp_path: Path
) -> None:
    """To the bit, since nothing is lost in the format."""
    command = regressed.command(output=tmp_path / "out")
    command[1] = str(exported)
    result = electra(*command)
    assert result.code == 0, result.stderr
    (column,), (expected,) = result.json["columns"], regressed.result["columns"]
    assert column["pretraining_steps"] is None
    for name in ("state_sha256", "metrics"):
        assert column["runs"][0][name] == expected["runs"][0][name]


def test_what_weights_of_others_cannot(
    electra: Electra, regressed: Finished, exported: Path, tmp_path: Path
) -> None:
    command = regressed.command(output=tmp_path / "out")
    command[1] = str(exported)
    for option in (["--all"], ["--steps", "4"]):
        electra(*command, *option).failed(2, str(exported), "leave out --all and --steps")
    without = tmp_path / "without"
    without.mkdir()
    for path in exported.iterdir():
        if path.name in ("config.json", "model.safetensors"):
            (without / path.name).symlink_to(path)
    command[1] = str(without)
    electra(*command).failed(2, str(without), "without a vocabulary", "--vocab FILE")
    assert not (tmp_path / "out").exists()
    vocab = ("--vocab", regressed.folder / "vocab.txt", "--lowercase", "--dry-run")
    assert electra(*command, *vocab).code == 0


def test_a_checkpoint_of_the_reference(electra: Electra, tmp_path: Path) -> None:
    """And a vocabulary that has more word pieces than the model has rows."""
    prefix = Path(__file__).parents[1] / "golden" / "small_like" / "reference.ckpt"
    files, vocab = write_files(tmp_path, "classification"), tmp_path / "vocab.txt"
    command = ["finetune", prefix, "--task", "classification", "--train", files.train, "--dev",
               files.dev, "--output", tmp_path / "out", "--vocab", vocab, "--json", "--dry-run",
               *RECIPE]  # fmt: skip
    tokens = [*small_vocabulary(), *(f"[unused{number}]" for number in range(1000, 1101))]
    vocab.write_text("".join(f"{token}\n" for token in tokens[:-1]))
    assert electra(*command).json["steps"] == 15
    vocab.write_text("".join(f"{token}\n" for token in tokens))
    electra(*command).failed(65, str(vocab), "301", "300")
    assert not (tmp_path / "out").exists()
