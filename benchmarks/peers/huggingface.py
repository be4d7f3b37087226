"""A training step of ELECTRA written with Hugging Face's models and PyTorch.

`ElectraForMaskedLM` and `ElectraForPreTraining` of transformers with one embedding module for
both, with PyTorch's fused attention (sdpa). The library has no training loop for ELECTRA, so the
step is what a careful user would write, and at each place the fastest of the usual choices:

- dynamic masking of 15% different positions a row, 85% of them [MASK];
- only the masked positions go through the generator's head (the model's own `forward` sends all);
- samples by inverting the cumulative distribution, on CPUs several times faster than Gumbel noise
  or `torch.multinomial`; on a card by Gumbel noise, which a compiled step never writes to memory;
- no attention mask where no row is padded, so that the kernels without one are chosen;
- AdamW fused, gradients clipped at the global norm, linear warm-up and decay;
- under `torch.autocast` for bfloat16; parameters and losses stay float32;
- eager, or with `--compile` the losses and their gradients by `torch.compile`.

Batches are drawn from rows in memory, on a card from rows that are already there; there is no data
loader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.nn import functional
from transformers import (
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    get_linear_schedule_with_warmup,
)
from worker import Job, job_parser, measure, read_job


def build(job: Job) -> torch.nn.ModuleDict:
    """Both networks in training mode, with shared embeddings."""
    config = job.config

    def sizes(hidden: int, heads: int, intermediate: int) -> ElectraConfig:
        return ElectraConfig(
            vocab_size=config.model.vocab_size,
            embedding_size=config.model.embedding_size,
            hidden_size=hidden,
            num_hidden_layers=config.model.num_layers,
            num_attention_heads=heads,
            intermediate_size=intermediate,
            hidden_dropout_prob=config.model.hidden_dropout,
            attention_probs_dropout_prob=config.model.attention_dropout,
            max_position_embeddings=config.model.max_position_embeddings,
            type_vocab_size=config.model.type_vocab_size,
            initializer_range=config.model.initializer_range,
            attn_implementation="sdpa",
        )

    generator = ElectraForMaskedLM(
        sizes(
            *config.generator_sizes,
        )
    )
    model = config.model
    discriminator = ElectraForPreTraining(
        sizes(model.hidden_size, model.num_attention_heads, model.intermediate_size)
    )
    embeddings = discriminator.electra.embeddings
    generator.electra.embeddings = embeddings
    generator.generator_lm_head.weight = embeddings.word_embeddings.weight
    return torch.nn.ModuleDict({"generator": generator, "discriminator": discriminator}).train()


def total_loss(models: torch.nn.ModuleDict, ids: torch.Tensor, job: Job) -> torch.Tensor:
    """Masks, samples and predicts; [B, S] ids -> scalar."""
    config, special = job.config, job.special
    shared = {
        "attention_mask": (ids != special.pad).long() if job.padded else None,
        "token_type_ids": (ids == special.sep).cumsum(1) - (ids == special.sep).long(),
    }
    special_places = (ids == special.cls) | (ids == special.sep) | (ids == special.pad)
    keys = torch.rand(ids.shape, device=ids.device).masked_fill(special_places, -1.0)
    positions = keys.topk(config.max_predictions, dim=1).indices  # [B, M]
    originals = ids.gather(1, positions)  # [B, M]
    to_mask = torch.rand(positions.shape, device=ids.device) < 0.85
    masked = ids.scatter(1, positions, originals.masked_fill(to_mask, special.mask))  # [B, S]

    generator = models["generator"]
    hidden = generator.electra(masked, **shared).last_hidden_state  # [B, S, G]
    rows = torch.arange(len(ids), device=ids.device)[:, None]
    at_masks = hidden[rows, positions]  # [B, M, G]
    logits = generator.generator_lm_head(generator.generator_predictions(at_masks))  # [B, M, V]
    logits = logits.flatten(0, 1).float()  # [B·M, V]
    masked_lm_loss = functional.cross_entropy(logits, originals.flatten())

    with torch.no_grad():
        if ids.device.type == "cpu":
            cumulative = logits.softmax(-1).cumsum(-1)  # [B·M, V]
            chosen = torch.rand(len(logits), 1) * cumulative[:, -1:]
            sampled = torch.searchsorted(cumulative, chosen)  # [B·M, 1]
        else:
            noise = -torch.log(-torch.log(torch.rand_like(logits)))  # [B·M, V]
            sampled = (logits + noise).argmax(-1)  # [B·M]
        sampled = sampled.view_as(positions)  # [B, M]
        corrupted = ids.scatter(1, positions, sampled)  # [B, S]
        replaced = (corrupted != ids).float()  # [B, S]

    found = models["discriminator"](corrupted, **shared).logits.float()  # [B, S]
    disc_loss = functional.binary_cross_entropy_with_logits(found, replaced)
    objective = config.objective
    return objective.generator_weight * masked_lm_loss + objective.disc_weight * disc_loss


class Training:
    """Networks, optimizer and schedule of a job.

    Args:
      job: What to train.
      device: cpu or cuda.
      compiled: Arguments of `torch.compile`; None: eager.
    """

    def __init__(self, job: Job, *, device: str, compiled: Mapping[str, str] | None) -> None:
        self._job, self._device = job, device
        self.models = build(job).to(device)
        settings = job.config.optimizer
        named = list(self.models.named_parameters())  # shared ones once
        plain = [p for name, p in named if name.endswith("bias") or "LayerNorm" in name]
        decayed = [p for name, p in named if not (name.endswith("bias") or "LayerNorm" in name)]
        self._optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": settings.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(settings.beta_1, settings.beta_2),
            eps=settings.epsilon,
            fused=True,
        )
        self._schedule = get_linear_schedule_with_warmup(
            self._optimizer, settings.warmup_steps, job.config.train.steps
        )

        def losses(ids: torch.Tensor) -> torch.Tensor:
            return total_loss(self.models, ids, job)

        self._losses = losses
        if compiled is not None:
            self._losses = torch.compile(losses, dynamic=False, **compiled)

    @property
    def parameters(self) -> int:
        """How many there are."""
        return sum(p.numel() for p in self.models.parameters())

    def run(self, steps: int, batch: Callable[[], torch.Tensor]) -> float:
        """Trains and waits for the device.

        Args:
          steps: How many.
          batch: Gives the ids of a step on the device, [B, S].

        Returns:
          The total loss of the last one.
        """
        bfloat16 = self._job.precision == "bfloat16"
        for _ in range(steps):
            torch.compiler.cudagraph_mark_step_begin()  # what the last step gave is not needed
            with torch.autocast(self._device, torch.bfloat16, enabled=bfloat16):
                loss = self._losses(batch())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(
                self.models.parameters(), self._job.config.optimizer.clip_norm
            )
            self._optimizer.step()
            self._schedule.step()
            self._optimizer.zero_grad(set_to_none=True)
        found = loss.item()
        if self._device == "cuda":
            torch.cuda.synchronize()  # the loss is there before the update is done
        return found


def main() -> None:
    """Trains and prints the measurement."""
    parser = job_parser(__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    options = parser.parse_args()
    job = read_job(options)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    compiled: dict[str, str] | None = {} if options.compile else None
    training = Training(job, device=options.device, compiled=compiled)
    rows = torch.from_numpy(job.rows).to(options.device)

    def batch() -> torch.Tensor:
        chosen = rng.integers(len(rows), size=job.config.train.batch_size)
        return rows[torch.from_numpy(chosen).to(options.device)]

    measure(
        job,
        lambda steps: training.run(steps, batch),
        precision=job.precision,
        parameters=lambda: training.parameters,
    )


if __name__ == "__main__":
    main()
