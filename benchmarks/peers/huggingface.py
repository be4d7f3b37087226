"""A training step of ELECTRA written with Hugging Face's models and PyTorch.

`ElectraForMaskedLM` and `ElectraForPreTraining` of transformers with one embedding module for
both, eager, with PyTorch's fused attention (sdpa). The library has no training loop for ELECTRA,
so the step is what a careful user would write, and at each place the fastest of the usual choices:

- dynamic masking of 15% different positions a row, 85% of them [MASK];
- only the masked positions go through the generator's head (the model's own `forward` sends all);
- samples by inverting the cumulative distribution, on CPUs several times faster than Gumbel noise
  or `torch.multinomial`;
- AdamW fused, gradients clipped at the global norm, linear warm-up and decay;
- under `torch.autocast` for bfloat16; parameters and losses stay float32.

Batches are drawn from rows in memory; there is no data loader.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional
from transformers import (
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    get_linear_schedule_with_warmup,
)
from worker import Job, measure, read_job


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
        "attention_mask": torch.ones_like(ids),
        "token_type_ids": (ids == special.sep).cumsum(1) - (ids == special.sep).long(),
    }
    special_places = (ids == special.cls) | (ids == special.sep)
    keys = torch.rand(ids.shape).masked_fill(special_places, -1.0)
    positions = keys.topk(config.max_predictions, dim=1).indices  # [B, M]
    originals = ids.gather(1, positions)  # [B, M]
    to_mask = torch.rand(positions.shape) < 0.85
    masked = ids.scatter(1, positions, originals.masked_fill(to_mask, special.mask))  # [B, S]

    generator = models["generator"]
    hidden = generator.electra(masked, **shared).last_hidden_state  # [B, S, G]
    rows = torch.arange(len(ids))[:, None]
    at_masks = hidden[rows, positions]  # [B, M, G]
    logits = generator.generator_lm_head(generator.generator_predictions(at_masks))  # [B, M, V]
    logits = logits.flatten(0, 1).float()  # [B·M, V]
    masked_lm_loss = functional.cross_entropy(logits, originals.flatten())

    with torch.no_grad():
        cumulative = logits.softmax(-1).cumsum(-1)  # [B·M, V]
        chosen = torch.rand(len(logits), 1) * cumulative[:, -1:]
        sampled = torch.searchsorted(cumulative, chosen).view_as(positions)  # [B, M]
        corrupted = ids.scatter(1, positions, sampled)  # [B, S]
        replaced = (corrupted != ids).float()  # [B, S]

    found = models["discriminator"](corrupted, **shared).logits.float()  # [B, S]
    disc_loss = functional.binary_cross_entropy_with_logits(found, replaced)
    objective = config.objective
    return objective.generator_weight * masked_lm_loss + objective.disc_weight * disc_loss


def main() -> None:
    """Trains and prints the measurement."""
    job = read_job(__doc__)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    models = build(job)
    settings = job.config.optimizer
    parameters = list(models.named_parameters())  # shared ones once
    plain = [p for name, p in parameters if name.endswith("bias") or "LayerNorm" in name]
    decayed = [p for name, p in parameters if not (name.endswith("bias") or "LayerNorm" in name)]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        betas=(settings.beta_1, settings.beta_2),
        eps=settings.epsilon,
        fused=True,
    )
    schedule = get_linear_schedule_with_warmup(
        optimizer, settings.warmup_steps, job.config.train.steps
    )

    def run(steps: int) -> float:
        for _ in range(steps):
            ids = torch.from_numpy(job.batch(rng))
            with torch.autocast("cpu", torch.bfloat16, enabled=job.precision == "bfloat16"):
                loss = total_loss(models, ids, job)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(models.parameters(), settings.clip_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item()

    measure(
        job,
        run,
        precision=job.precision,
        parameters=lambda: sum(p.numel() for p in models.parameters()),
    )


if __name__ == "__main__":
    main()
