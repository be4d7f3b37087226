"""A report as Markdown: what it says, and that no text in it is markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from electra_cli.report.downstream import Downstream, DownstreamColumn
from electra_cli.report.markdown import _prose, _text, as_markdown
from electra_cli.report.record import read_record, read_records
from electra_cli.runs.held_out import HeldOut, Sentence, Token, write_held_out
from tests.report.made_run import finished, made_run

SCORES = Downstream(
    "finetuned/cola", "run", "cola", "matthews", 0.0,
    [DownstreamColumn("step 1,000", "model", 1000, 0.51, 0.02, 5, 1),
     DownstreamColumn("random weights", "random", None, 0.1, None, 1, 0)],
    ["The best is step 1,000."],
)  # fmt: skip
TOKENS = [
    Token("[CLS]", False, None, 0.01),
    Token("<script>", False, None, 0.2),
    Token("fox", True, "c|t", 0.64),
    Token("##es", True, "##es", None),
    Token("a*b", True, None, None),
    Token("[SEP]", False, None, None),
]


def test_everything_is_there(tmp_path: Path) -> None:
    settings = ["optimizer.warmup_steps=900", "data.path=data"]
    run = made_run(tmp_path / "run", finished(), settings=settings)
    write_held_out(run.held_out, HeldOut(1000, [Sentence(4, TOKENS)]))
    text = as_markdown([read_record(run)], [SCORES])
    titles = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert titles == [
        "Findings of run", "Held-out metrics", "cola on run", "What was trained",
        "On what data", "What it has cost", "Held-out sentences of run", "How to repeat it",
    ]  # fmt: skip
    for part in (
        "- **The warm-up takes more than half of the run** (`warmup-too-long`, from step 0): ",
        "| masked_lm_loss | 4.5000 | 2.0000 |",
        "| step 1,000 | 0.5100 | 0.0200 | 5 | 1 |",
        r"- &lt;script&gt; **fox** (c\|t 64%)**es** (=) **a\*b** (=)",
        "```sh\n# INPUT stands for",
    ):
        assert part in text, text


def test_several_runs_side_by_side(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / f"run_{n}", finished(), settings=[f"train.seed={n}"]) for n in "12"]
    text = as_markdown(read_records(runs), [])
    assert "| key | run_1 | run_2 |\n| --- | --- | --- |\n| train.seed | 1 | 2 |" in text
    assert "| metric | run_1, step 1,000 | run_2, step 1,000 |" in text


def test_every_row_of_a_table_has_as_many_cells(tmp_path: Path) -> None:
    run = made_run(tmp_path / "a|b`c", finished())
    for block in as_markdown([read_record(run)], [SCORES]).split("\n\n"):
        rows = [line for line in block.split("\n") if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1, block


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("masked_lm_loss", "masked_lm_loss"),
        ("_a_ b_", r"\_a\_ b\_"),
        ("a\n# b", "a # b"),
        ("[x](y) ~~z~~", r"\[x\](y) \~\~z\~\~"),
        (r"\|", r"\\\|"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
    ],
)
def test_no_text_is_markup(text: str, escaped: str) -> None:
    assert _text(text) == escaped


def test_what_is_to_be_typed_is_a_word_of_its_sentence() -> None:
    assert _prose("lower `--a_b`\n to *1*, or `c`") == r"lower `--a_b` to \*1\*, or `c`"


def test_a_fence_that_no_name_can_close(tmp_path: Path) -> None:
    run = made_run(tmp_path / "a```b", settings=["data.path=d"])
    assert "````sh\n# INPUT" in as_markdown([read_record(run)], [])
