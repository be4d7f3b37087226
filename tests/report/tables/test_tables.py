"""Tables of a report: one column a step or a run, and no row that nothing is known of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from electra_cli.report.downstream import Downstream, DownstreamColumn
from electra_cli.report.record import RunRecord, read_records
from electra_cli.report.tables import facts, metrics
from electra_cli.report.tables.table import Table, beside
from electra_cli.runs.metrics_file import History
from tests.report import made_run


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    run = made_run.made_run(tmp_path_factory.mktemp("runs") / "tiny", made_run.finished())
    return read_records([run])[0]


def evaluated(record: RunRecord, *steps: int, **values: Any) -> RunRecord:
    lines = [made_run.validation(step, 1.0, **values) for step in steps]
    return replace(record, history=History.of(lines))


def rows(table: Table) -> Mapping[str, tuple[str, ...]]:
    assert all(len(row) == len(table.columns) for row in table.rows)
    return {row[0]: tuple(row[1:]) for row in table.rows}


def test_metrics_of_a_run_are_over_its_steps(record: RunRecord) -> None:
    table = metrics.evaluations([record])
    assert table is not None
    assert table.columns == ("metric", "step 0", "step 1,000")
    assert rows(table)["masked_lm_loss"] == ("4.5000", "2.0000")
    assert rows(table)["replaced_rate"] == ("10.00%", "10.00%")
    assert not table.remark


def test_many_evaluations_are_thinned_to_the_first_the_last_and_some_between(
    record: RunRecord,
) -> None:
    table = metrics.evaluations([evaluated(record, *range(0, 1001, 10))])
    assert table is not None
    heads = table.columns[1:]
    assert (len(heads), heads[0], heads[-1]) == (8, "step 0", "step 1,000")
    assert table.remark.startswith("8 of 101 evaluations")


def test_metrics_of_several_runs_are_the_newest_of_each(record: RunRecord) -> None:
    none = replace(record, name="none", history=History.of(()))
    table = metrics.evaluations([record, none, replace(evaluated(record, 7), name="other")])
    assert table is not None
    assert table.columns == ("metric", "tiny, step 1,000", "other, step 7")


@pytest.mark.parametrize("table", [metrics.evaluations, metrics.breakdowns])
def test_there_is_no_table_without_an_evaluation(record: RunRecord, table: Any) -> None:
    assert table([replace(record, history=History.of(()))]) is None


def test_groups_of_tokens_are_named_in_words(record: RunRecord) -> None:
    values = {"disc_recall/rank_101_to_1000": 0.25, "disc_recall/word_start": None}
    one = evaluated(record, 5, **values)
    table = metrics.breakdowns([one])
    assert table is not None
    assert table.columns == ("tokens", "disc_recall")
    found = rows(table)
    assert found["rank 101 to 1,000"] == ("25.00%",)
    assert found["rank from 10,001"] == found["word start"] == ("n/a",)
    both = metrics.breakdowns([one, replace(one, name="other")])
    assert both is not None
    assert both.columns == ("tokens", "disc_recall, tiny", "disc_recall, other")


def test_scores() -> None:
    columns = [
        DownstreamColumn("step 9", "model", 9, 0.75, None, 1, 0, 1.5e12),
        DownstreamColumn("random weights", "random", None, None, None, 2, 2),
    ]
    table = metrics.downstream(
        Downstream("place", "tiny", "cola", "f1", 0.5, columns, ["One.", "Two."])
    )
    assert table.title == "cola on tiny"
    assert rows(table) == {
        "step 9": ("1.50e12", "0.7500", "n/a", "1", "0"),
        "random weights": ("n/a", "n/a", "n/a", "2", "2"),
        "majority baseline": ("–", "0.5000", "–", "–", "–"),
    }
    assert table.remark == "One. Two."


def test_what_on_what_data_and_at_what_cost(record: RunRecord) -> None:
    trained, data, cost = (rows(make([record])) for make in (facts.trained, facts.data, facts.cost))
    assert trained["state"][0].endswith("step 1,000 of 1,000")
    assert trained["discriminator"] == ("2 layers, 256 wide, 4 heads",)
    assert trained["beside it"] == ("generator, 64 wide",)
    values = {"generator.layers": 0.5, "generator.sharing": "none"}
    other = rows(facts.trained([replace(record, config=record.config.replaced(values))]))
    assert other["beside it"] == ("generator, 1 layer, 64 wide, sharing none",)
    assert trained["first weights"] == ("random",)
    assert data["guess by frequency"] == ("3.50 nats",)
    assert cost["restarts"] == ("0",)
    assert cost["goodput"] == ("8m 20s, 49.9% of its processes' time",)
    assert trained["end of its last process"] == ("finished",)
    assert cost["tokens"] == ("4,096,000, padding included",)


def test_what_is_not_known_has_no_row(record: RunRecord) -> None:
    old = replace(
        record,
        manifest=None,
        starts=(),
        initialized={"path": "other/ckpt-5"},
        cost=replace(record.cost, restarts=None, goodput=None, epochs=None),
    )
    assert facts.data([old]).rows == []
    assert not {"restarts", "goodput", "epochs"} & set(rows(facts.cost([old])))
    assert rows(facts.trained([old]))["first weights"] == ("other/ckpt-5",)
    assert "device" not in rows(facts.trained([old]))
    assert rows(facts.cost([record, old]))["restarts"] == ("0", "–")


def test_changes_on_the_way(record: RunRecord) -> None:
    assert facts.changes(record) is None
    table = facts.changes(replace(record, changes=[(1000, "train.steps", 5, 6)]))
    assert table is not None
    assert list(table.rows) == [("1,000", "train.steps", "5", "6")]


def test_facts_stand_beside_each_other() -> None:
    known = {"a": {"x": "1", "y": ""}, "b": {"z": "2", "y": ""}}
    table = beside("title", list(known), str.upper, known.__getitem__)
    assert table.columns == ("", "A", "B")
    assert rows(table) == {"x": ("1", "–"), "z": ("–", "2")}


def test_the_devices_that_auto_came_to(record: RunRecord) -> None:
    start = replace(record.starts[-1], facts=dict(record.starts[-1].facts) | {"devices": "2 GPUs"})
    assert rows(facts.trained([replace(record, starts=(start,))]))["devices"] == ("2 GPUs",)
