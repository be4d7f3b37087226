"""What a run's numbers say, in sentences: is it good, what is wrong, what to do next."""

from __future__ import annotations

import shlex

from electra_cli.errors import counted
from electra_cli.health.facts import Facts
from electra_cli.report.record import RunRecord

# A generator that is nearer to guessing by frequency has learned nothing of the context, and an
# area of 0.5 is chance.
_LEAST_GAIN, _LEAST_AREA = 0.05, 0.55
_AREA = "disc_auc"


def verdict(record: RunRecord) -> str:
    """What a run's numbers say; a few sentences, the most important first."""
    return " ".join(sentences_of(record))


def sentences_of(record: RunRecord) -> list[str]:
    """The sentences of `verdict`."""
    said = [_judged(record), _state(record)]
    said += [_sentence(text) for text in record.baselines.sentences(record.newest)]
    if (area := record.newest.get(_AREA)) is not None:
        said.append(
            f"Of an original and a replaced token, the discriminator finds the replaced one more "
            f"suspicious in {area:.0%} of all cases; 50% would be chance."
        )
    return [*said, *_published(record), _next(record)]


def _judged(record: RunRecord) -> str:
    """Whether it is good, in one sentence."""
    wrong = [finding.title for finding in record.findings if finding.until is None]
    if wrong:
        titles = "; ".join(title[:1].lower() + title[1:] for title in wrong)
        return f"Something is wrong with {record.name}: {titles}."
    if not record.newest:
        return f"Nothing can be said yet of how good {record.name} is: it was not evaluated."
    ended = " now; what was found has ended" if record.findings else ""
    metrics, baselines = record.newest, record.baselines
    loss, area = metrics.get("masked_lm_loss"), metrics.get(_AREA)
    guess = baselines.uniform if baselines.unigram is None else baselines.unigram
    beats_guess = loss is not None and loss < guess - _LEAST_GAIN
    if beats_guess and (area is None or area > _LEAST_AREA):
        if baselines.unigram is None:
            return (
                f"Nothing is found to be wrong with {record.name}{ended}; whether it has learned "
                f"more than how frequent words are cannot be told, since {_unknown(record)}."
            )
        return f"{record.name} has learned, and nothing is wrong with it{ended}."
    settled = Facts.of(record.config, record.manifest).settled_step
    when = (
        f"which is usual before step {settled:,}"
        if record.step < settled
        else "although nothing is found to be wrong"
    )
    return f"{record.name} has hardly learned yet, {when}{ended}."


def _unknown(record: RunRecord) -> str:
    """Why there is no loss of guessing by frequency."""
    if record.manifest is None:
        return "it has no manifest of its data"
    if (held_out := record.manifest.baselines) is None:
        return "an older electra prepared its data"
    return (
        f"its data has only {counted(held_out.tokens, 'held-out token')}: prepare more text, or "
        "with a larger `--validation-fraction`"
    )


def _state(record: RunRecord) -> str:
    step, steps = f"{record.step:,}", f"{record.config.train.steps:,}"
    return {
        "finished": f"It is finished, after {step} steps.",
        "running": f"It is going on, at step {step} of {steps}.",
        "stopped": f"It stands at step {step} of {steps}, and no process trains it.",
        "begun": "It has a folder, and no step yet.",
    }[record.state]


def _published(record: RunRecord) -> list[str]:
    """How far it is from a published curve of the same model."""
    published, evaluations = record.published, record.history.validation.steps
    if published is None or not len(evaluations):
        return []
    step = int(evaluations[-1])
    said = []
    for metric, network in (("masked_lm_loss", "generator"), ("disc_loss", "discriminator")):
        ours, theirs = record.newest.get(metric), published.at(step, metric)
        if ours is not None and theirs is not None:
            way = "above" if ours >= theirs else "below"
            said.append(
                f"{abs(ours - theirs):.2g} {way} for the {network} ({ours:.3g} and {theirs:.3g})"
            )
    if said:
        return [
            f"Beside the published curve of {published.title} its losses at step {step:,} are "
            f"{', '.join(said)}."
        ]
    first, last = published.curve.steps[[0, -1]].tolist()
    return [f"The published curve of {published.title} has steps {first:,} to {last:,} only."]


def _next(record: RunRecord) -> str:
    """What to do."""
    wrong = [finding for finding in record.findings if finding.until is None]
    place = shlex.quote(record.place)
    if wrong:
        return f"What to try: {wrong[0].advice}."
    if record.state == "running":
        return f"What to do: let it go on, and repeat `electra report {place}` later."
    if record.state == "finished":
        return (
            f"What to do: score it on a task (`electra finetune {place} --task cola --data GLUE`) "
            f"or export it (`electra export {place} --format huggingface --output DIR`)."
        )
    return (
        "What to do: repeat its `electra pretrain` command, and it goes on from its newest "
        "checkpoint."
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
