"""Model Garden's own configuration, records and tests, with our task in the place of theirs."""

from __future__ import annotations

import unittest
import warnings
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.nlp.configs import bert, electra, encoders
from official.nlp.data import pretrain_dataloader
from official.nlp.tasks import electra_task, electra_task_test

from electra_cli.errors import ConfigError
from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.tasks.model_garden import StaticRecordsTask

V, S, M = 90, 16, 4


def encoder(kind: str = "bert", **values: Any) -> encoders.EncoderConfig:
    sizes = {
        "vocab_size": V, "hidden_size": 24, "num_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 48, "max_position_embeddings": 32,
    } | values  # fmt: skip
    return encoders.EncoderConfig({"type": kind, kind: sizes})


def config(**values: Any) -> electra_task.ElectraPretrainConfig:
    data = values.pop("train_data", None) or records_config("dummy")
    model = {
        "generator_encoder": encoder(hidden_size=12, embedding_size=24),
        "discriminator_encoder": encoder(),
        "num_masked_tokens": M,
        "sequence_length": S,
        "cls_heads": [
            bert.ClsHeadConfig(inner_dim=10, num_classes=2, dropout_rate=0.1, name="next_sentence")
        ],
    }
    return electra_task.ElectraPretrainConfig(
        model=electra.ElectraPretrainerConfig(**model | values), train_data=data
    )


def records_config(path: str, **values: Any) -> pretrain_dataloader.BertPretrainDataConfig:
    return pretrain_dataloader.BertPretrainDataConfig(
        input_path=path, max_predictions_per_seq=M, seq_length=S, global_batch_size=4,
        use_v2_feature_names=True, **values,
    )  # fmt: skip


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twelve statically masked rows, as their create_pretraining_data.py writes them."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("records") / "data.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for index in range(12):
            ids = rng.integers(5, V, S)
            positions = np.sort(rng.choice(np.arange(1, S - 1), M, replace=False))
            values = {
                "input_word_ids": np.where(np.isin(np.arange(S), positions), 4, ids),
                "input_mask": np.ones(S, int),
                "input_type_ids": np.arange(S) // (S // 2),
                "masked_lm_positions": positions,
                "masked_lm_ids": ids[positions],
                "next_sentence_labels": [index % 2],
            }
            features = {
                key: tf.train.Feature(int64_list=tf.train.Int64List(value=value))
                for key, value in values.items()
            }
            features["masked_lm_weights"] = tf.train.Feature(
                float_list=tf.train.FloatList(value=[1.0] * (M - 1) + [0.0])
            )
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return str(path)


def test_their_own_tests_pass_with_our_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(electra_task, "ElectraPretrainTask", StaticRecordsTask)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(
        electra_task_test.ElectraPretrainTaskTest
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their code
        result = unittest.TextTestRunner(verbosity=0).run(suite)
    assert result.testsRun >= 1
    assert result.wasSuccessful(), result.errors + result.failures


@pytest.mark.parametrize("kind", ["bert", "bert_v2"])
@pytest.mark.parametrize("tied", [True, False])
def test_trains_on_static_records(records: str, kind: str, tied: bool) -> None:
    params = config(
        train_data=records_config(records),
        generator_encoder=encoder(kind, hidden_size=12, embedding_size=24),
        discriminator_encoder=encoder(kind),
        tie_embeddings=tied,
    )
    task = StaticRecordsTask(params)
    model = task.build_model()
    batch = next(iter(task.build_inputs(params.train_data)))
    before = [v.numpy() for v in model.trainable_variables]
    optimizer = tf_keras.optimizers.legacy.Adam(1e-2)
    step = tf.function(lambda inputs: task.train_step(inputs, model, optimizer), autograph=False)
    logs = [{k: float(v) for k, v in step(batch).items()} for _ in range(20)]
    assert logs[-1]["total_loss"] < logs[0]["total_loss"]
    assert logs[-1]["next_sentence_loss"] < logs[0]["next_sentence_loss"]
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert (variable.numpy() != old).any(), variable.name
    names = {v.name for v in model.trainable_variables}
    assert ("generator/embeddings/word_embeddings:0" in names) is not tied


def test_records_are_read_as_they_were_masked(records: str) -> None:
    params = config(train_data=records_config(records))
    task = StaticRecordsTask(params)
    batch = next(iter(task.build_inputs(params.train_data)))
    features = task._features(batch, training=True, step=3)
    np.testing.assert_array_equal(features["masked_input_ids"], batch["input_word_ids"])
    original = features["input_ids"].numpy()
    for row in range(4):
        for slot in range(M):
            position = int(batch["masked_lm_positions"][row, slot])
            used = float(batch["masked_lm_weights"][row, slot]) > 0
            expected = int(batch["masked_lm_ids"][row, slot]) if used else 4
            assert original[row, position] == expected
    assert features["sample_uniforms"].shape == [4, M]
    again = task._features(batch, training=True, step=4)
    assert (again["sample_uniforms"].numpy() != features["sample_uniforms"].numpy()).all()


def test_disallow_correct_never_samples_the_original(records: str) -> None:
    params = config(train_data=records_config(records), disallow_correct=True)
    task = StaticRecordsTask(params)
    model = task.build_model()
    # A generator that is sure of the right answer.
    batch = next(iter(task.build_inputs(params.train_data)))
    features = task._features(batch, training=True)
    right = int(features["masked_lm_ids"][0, 0])
    model.masked_lm_head.bias.assign(tf.one_hot(right, V, on_value=50.0))
    outputs = model(features, training=True)
    assert int(outputs["sampled_ids"][0, 0]) != right
    assert (outputs["sampled_ids"][features["masked_lm_ids"] != right].numpy() == right).all()


def test_no_head_without_labels(records: str) -> None:
    data = records_config(records, use_next_sentence_label=False)
    model = StaticRecordsTask(config(train_data=data)).build_model()
    assert not [v.name for v in model.trainable_variables if "next_sentence" in v.name]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"generator_encoder": encoders.EncoderConfig({"type": "albert"})},
            "generator_encoder.type albert",
        ),
        ({"discriminator_encoder": encoder(norm_first=True)}, "discriminator_encoder.norm_first"),
        ({"discriminator_encoder": encoder(hidden_activation="relu")}, "hidden_activation relu"),
        ({"discriminator_encoder": encoder(vocab_size=91)}, "vocab_size 90 .* 91"),
        ({"cls_heads": [bert.ClsHeadConfig(name="topic")]}, "cls_heads has 'topic'"),
    ],
)
def test_what_we_do_not_have_is_refused_by_name(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        StaticRecordsTask(config(**values))


def test_the_task_for_prepared_rows_names_the_one_for_records() -> None:
    with pytest.raises(ConfigError, match="takes an ElectraTaskConfig") as caught:
        ElectraPretrainTask(config())
    assert StaticRecordsTask.__name__ in caught.value.hint
