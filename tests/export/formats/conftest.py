"""Fine-tuned models and their exports, each made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from electra_cli.config.finetune import HeadStyle, Kind
from electra_cli.export.run import Exported, export
from electra_cli.modeling.task_model import TaskModel
from electra_cli.sources.exportable import Exportable, open_task
from electra_cli.sources.finetuned import open_finetuned
from tests.finetuning.finetuned_folders import write_finetuned

Tasks = Callable[..., tuple[Exportable, TaskModel]]
TaskExports = Callable[..., Exported]


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Tasks:
    """Makes a fine-tuned model of a kind, head and columns of text, and opens it."""

    @cache
    def make(
        kind: Kind, head: HeadStyle = "huggingface", text: str = "text"
    ) -> tuple[Exportable, TaskModel]:
        folder = tmp_path_factory.mktemp("finetuned") / kind
        item = open_task(open_finetuned(write_finetuned(folder, kind, head=head, text=text)))
        model = item.load_model()
        assert isinstance(model, TaskModel)
        return item, model

    return make


@pytest.fixture(scope="session")
def task_exports(tasks: Tasks, tmp_path_factory: pytest.TempPathFactory) -> TaskExports:
    """Exports such a model in a format."""

    @cache
    def make(
        format: str, kind: Kind, head: HeadStyle = "huggingface", text: str = "text"
    ) -> Exported:
        item, _ = tasks(kind, head, text)
        assert item.finetuned is not None
        output = tmp_path_factory.mktemp("exports") / format
        return export(checkpoint=item.finetuned.folder, format=format, output=output)

    return make
