"""What can be known without learning: losses that give the numbers of a run their meaning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.metrics.names import FROM_HERE_EXPONENTS


def uniform_loss(vocab_size: int) -> float:
    """Loss of a generator that holds every word piece for equally likely, in nats."""
    return math.log(vocab_size)


def constant_disc_loss(replaced_rate: float) -> float:
    """Loss of a discriminator that calls every token original, with the best constant probability.

    Args:
      replaced_rate: Share of the tokens that are replaced.

    Returns:
      Nats a token: the entropy of the rate; NaN if that is no share.
    """
    if not 0.0 <= replaced_rate <= 1.0:
        return math.nan
    shares = (replaced_rate, 1.0 - replaced_rate)
    return 0.0 - sum(share * math.log(share) for share in shares if share != 0.0)


@dataclass(frozen=True)
class Baselines:
    """Losses of masked tokens without learning, in nats.

    Attributes:
      uniform: Of holding every word piece for equally likely.
      unigram: Of guessing by frequency; None if an older electra has prepared the data, or too
        few tokens are held out.
      unigram_accuracy: Share of the held-out tokens that are the most frequent word piece, which
        is how often it is right to guess always this one; None likewise.
    """

    uniform: float
    unigram: float | None
    unigram_accuracy: float | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> Baselines:
        """Those of prepared data."""
        uniform, held_out = uniform_loss(manifest.vocab.size), manifest.baselines
        if held_out is None or held_out.unigram_entropy is None:
            return cls(uniform, None)
        share = held_out.most_frequent / held_out.tokens
        return cls(uniform, held_out.unigram_entropy, share)

    def beside(self, metrics: Mapping[str, float]) -> dict[str, float | None]:
        """The losses and accuracies to hold metrics of a validation against, by name.

        Args:
          metrics: By name; without replaced_rate there is no discriminator.
        """
        rate = metrics.get("replaced_rate", math.nan)
        rate = rate if 0.0 <= rate <= 1.0 else math.nan
        found = {
            "uniform_loss": self.uniform,
            "unigram_loss": self.unigram,
            "unigram_accuracy": self.unigram_accuracy,
            "constant_disc_loss": constant_disc_loss(rate),
            "constant_disc_accuracy": 1.0 - rate,
        }
        return {
            name: value if value is not None and math.isfinite(value) else None
            for name, value in found.items()
        }

    def sentences(self, metrics: Mapping[str, float]) -> list[str]:
        """What metrics of a validation mean beside these, a sentence for each network.

        Args:
          metrics: By name; of those of any objective, what is there counts.
        """
        found = []
        loss, rate = metrics.get("masked_lm_loss"), metrics.get("replaced_rate")
        # Where chance fills masks, tokens are drawn and none is predicted.
        draws, predicts = (f"{kind}masked_lm_accuracy" in metrics for kind in ("sampled_", ""))
        if loss is not None and math.isfinite(loss) and (predicts or not draws):
            guesses = {"guessing by frequency": self.unigram, "a uniform guess": self.uniform}
            beside = " and ".join(
                f"{_better(than - loss)} {guess} ({than:.2f})"
                for guess, than in guesses.items()
                if than is not None
            )
            found.append(f"the {'network' if rate is None else 'generator'} is {beside}")
        disc = metrics.get("disc_loss")
        constant = math.nan if rate is None else constant_disc_loss(rate)
        if disc is not None and rate is not None and math.isfinite(disc + constant):
            found.append(
                f"the discriminator is {_better(constant - disc)} always saying "
                f'"original" ({constant:.2f}, right for {1 - rate:.1%})'
            )
        return found


def _better(nats: float) -> str:
    """How much lower a loss is, in words before what it is lower than."""
    amount = f"{abs(nats):{'.2f' if abs(nats) < FROM_HERE_EXPONENTS else '.2e'}}"
    if amount == "0.00":
        return "as good as"
    return f"{amount} nats {'better' if nats > 0 else 'worse'} than"
