"""`electra` with the stand-in for a card: what kernels would have counted is counted here."""

import sys

from electra_cli.environment import prepare_tensorflow

prepare_tensorflow()

from electra_cli.cli.app import run  # noqa: E402
from electra_cli.training.loop.trainer import ElectraTrainer  # noqa: E402

begin, end = ElectraTrainer.train, ElectraTrainer.train_loop_end
done = 0


def train(trainer: ElectraTrainer, num_steps: int) -> object:
    """Keeps in mind which step the loop ends with."""
    global done
    done = int(trainer.global_step.numpy()) + int(num_steps)
    return begin(trainer, num_steps)


def train_loop_end(trainer: ElectraTrainer) -> dict[str, float]:
    """Writes that step to the variable on the card, which nothing has moved."""
    trainer.global_step.assign(done)
    return end(trainer)


if __name__ == "__main__":
    ElectraTrainer.train, ElectraTrainer.train_loop_end = train, train_loop_end
    sys.exit(run(sys.argv[1:]))
