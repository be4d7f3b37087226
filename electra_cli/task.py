"""The tasks under the name that programs import them by."""

from electra_cli.tasks.electra import ElectraPretrainTask
from electra_cli.tasks.model_garden import StaticRecordsTask

__all__ = ["ElectraPretrainTask", "StaticRecordsTask"]
