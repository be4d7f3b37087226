"""The task under the name that programs import it by."""

from electra_cli.tasks.electra import ElectraPretrainTask

__all__ = ["ElectraPretrainTask"]
