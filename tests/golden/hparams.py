"""The reference's hyperparameters in our words; one that means another algorithm is an error.

The names are those of configure_pretraining.py at commit 8a46635, of which a case may override any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from electra_cli.config.choices import ObjectiveName, Sharing
from electra_cli.config.schema import Config
from electra_cli.modeling.architecture import Architecture

# What each of them is with us.
_KEYS = {
    "gen_weight": "objective.generator_weight",
    "disc_weight": "objective.disc_weight",
    "mask_prob": "objective.mask_probability",
    "learning_rate": "optimizer.learning_rate",
    "weight_decay_rate": "optimizer.weight_decay",
    "num_warmup_steps": "optimizer.warmup_steps",
    "num_train_steps": "train.steps",
    "clip_norm": "optimizer.clip_norm",
    "uniform_generator": "objective.uniform_generator",
    "disallow_correct": "objective.disallow_correct",
    "temperature": "objective.temperature",
    "train_batch_size": "train.batch_size",
    "vocab_size": "model.vocab_size",
    "generator_hidden_size": "generator.size",
    "generator_layers": "generator.layers",
    "max_seq_length": "data.sequence_length",
}

# Any other value is another algorithm, or no training.
_ONLY = {
    "debug": False,
    "do_train": True,
}

# Read below; the sizes of the main network are recorded in full, under `discriminator` or, where
# there is none, under `generator`.
_READ = {
    "electra_objective",
    "electric_objective",
    "two_tower_generator",
    "model_size",
    "model_hparam_overrides",
    "embedding_size",
    "untied_generator",
    "untied_generator_embeddings",
    "lr_decay_power",
    "max_predictions_per_seq",
}

# No recorded number depends on these: they choose files, machines and intervals.
_WITHOUT_EFFECT = {
    "model_name",
    "do_eval",
    "iterations_per_loop",
    "save_checkpoints_steps",
    "keep_checkpoint_max",
    "num_eval_steps",
    "eval_batch_size",
    "do_lower_case",
    "use_tpu",
    "num_tpu_cores",
    "tpu_job_name",
    "tpu_name",
    "tpu_zone",
    "gcp_project",
    "pretrain_tfrecords",
    "vocab_file",
    "model_dir",
    "results_txt",
    "results_pkl",
}

# A BertConfig of the reference (model/modeling.py).
_SIZES = {
    "vocab_size": "model.vocab_size",
    "hidden_size": "model.hidden_size",
    "num_hidden_layers": "model.num_layers",
    "num_attention_heads": "model.num_attention_heads",
    "intermediate_size": "model.intermediate_size",
    "max_position_embeddings": "model.max_position_embeddings",
    "type_vocab_size": "model.type_vocab_size",
    "initializer_range": "model.initializer_range",
}
_NOTES = {"lr", "gnorm"}  # under `optimizer`: what recorded numbers mean
_DROPOUTS = {"hidden_dropout_prob", "attention_probs_dropout_prob"}  # off in recordings


def hparams_of(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """All overrides of a case, those under `optimizer` included.

    Raises:
      ValueError: One that is not known, another algorithm, or two values for one name.
    """
    found = dict(recorded["hparams"])
    for name, value in recorded["optimizer"].items():
        if name in _NOTES:
            continue
        if found.setdefault(name, value) != value:
            raise ValueError(f"{name} is {found[name]} in hparams and {value} in optimizer")
    for name, value in found.items():
        if name in _ONLY and value != _ONLY[name]:
            raise ValueError(f"hparam {name} {value} is another algorithm: only {_ONLY[name]} is")
        if name not in {*_KEYS, *_ONLY, *_READ, *_WITHOUT_EFFECT}:
            raise ValueError(f"hparam {name} is not known")
    return found


def config_of(recorded: Mapping[str, Any]) -> Config:
    """The configuration of a case, dropout off.

    Raises:
      ValueError: Something this package does not have, or values that contradict each other.
    """
    if not recorded["dropout"].startswith("off"):
        raise ValueError(f"dropout is {recorded['dropout']}: its masks cannot be repeated")
    hparams, main = hparams_of(recorded), _main(recorded)
    sizes = recorded[main]
    if unknown := set(sizes) - {*_SIZES, *_DROPOUTS, "hidden_act"}:
        raise ValueError(f"{main}.{min(unknown)} is not known")
    if sizes["hidden_act"] != "gelu":
        raise ValueError(f"hidden_act {sizes['hidden_act']} is another algorithm: only gelu is")
    for name, value in hparams.get("model_hparam_overrides", {}).items():
        _check_same(f"{main}.{name}", sizes.get(name), value)
    values = {key: sizes[name] for name, key in _SIZES.items()}
    values |= {_KEYS[name]: value for name, value in hparams.items() if name in _KEYS}
    values |= {
        "objective.name": _objective(hparams),
        "model.embedding_size": recorded["embedding_size"],
        "generator.sharing": _sharing(hparams) if main == "discriminator" else "tied",
        "model.hidden_dropout": 0.0,
        "model.attention_dropout": 0.0,
    }
    if values["generator.sharing"] == "all":
        # The generator is the discriminator, whatever sizes a generator beside it would have.
        values |= {"generator.size": 1.0, "generator.layers": 1.0}
    _check_same("vocab_size", values["model.vocab_size"], sizes["vocab_size"])
    return Config().replaced(values)


def architecture_of(recorded: Mapping[str, Any], config: Config) -> Architecture:
    """The architecture of a case, which is that of its configuration.

    Raises:
      ValueError: Sizes of the generator that are not those the reference gives it.
    """
    architecture, generator = Architecture.of(config), recorded["generator"]
    sizes = architecture.generator
    if sizes is None:
        _check_same("generator", generator, None)
        return architecture
    for name, ours in (
        ("hidden_size", sizes.hidden),
        ("num_hidden_layers", sizes.layers),
        ("num_attention_heads", sizes.heads),
        ("intermediate_size", sizes.intermediate),
    ):
        _check_same(f"generator.{name}", generator[name], ours)
    return architecture


def _sharing(hparams: Mapping[str, Any]) -> Sharing:
    """What a generator beside a discriminator shares with it (run_pretraining.py)."""
    if not hparams.get("untied_generator", True):
        return "all"
    return "none" if hparams.get("untied_generator_embeddings", False) else "tied"


def _objective(hparams: Mapping[str, Any]) -> ObjectiveName:
    """What is learned: run_pretraining.py has Electric with other generators too."""
    is_electric = hparams.get("electric_objective", False)
    towers = hparams.get("two_tower_generator", False)
    if towers != is_electric:
        raise ValueError(
            f"hparam two_tower_generator {towers} is another algorithm with electric_objective "
            f"{is_electric}: only {is_electric} is"
        )
    if is_electric:
        return "electric"
    return "electra" if hparams.get("electra_objective", True) else "mlm"


def _main(recorded: Mapping[str, Any]) -> str:
    """The network that has the sizes of `model`: the generator where nothing tells tokens apart."""
    return "generator" if _objective(recorded["hparams"]) == "mlm" else "discriminator"


def _check_same(name: str, recorded: Any, expected: Any) -> None:
    if recorded != expected:
        raise ValueError(f"{name} is recorded as {recorded}, but must be {expected}")
