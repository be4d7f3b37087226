"""What a run's numbers say, in sentences: is it good, what is wrong, what to do next."""

from __future__ import annotations

import shlex

from electra_cli.errors import counted
from electra_cli.files.redaction import as_name
from electra_cli.health.facts import Facts
from electra_cli.report.record import RunRecord

# A generator that is nearer to guessing by frequency has learned nothing of the context, and an
# area of 0.5 is chance.
_LEAST_GAIN, _LEAST_AREA = 0.05, 0.55
_AREA = "disc_auc"
_DONE = "finished"  # the reason of a process that did all that it was to do


def verdict(record: RunRecord) -> str:
    """What a run's numbers say; a few sentences, the most important first."""
    return " ".join(sentences_of(record))


def sentences_of(record: RunRecord) -> list[str]:
    """The sentences of `verdict`."""
    learned, judged = _judged(record)
    said = record.baselines.sentences(record.newest)
    if (area := record.newest.get(_AREA)) is not None:
        said.append(
            "of an original and a replaced token the discriminator finds the replaced one more "
            f"suspicious in {area:.0%} of all cases, where 50% would be chance"
        )
    numbers = [f"At step {_evaluated(record):,} {'; '.join(said)}."] if said else []
    return [judged, _state(record), *numbers, *_published(record), _next(record, learned)]


def _evaluated(record: RunRecord) -> int:
    """The step that the newest evaluation is of; 0 without one."""
    return max(record.history.validation.steps.tolist(), default=0)


def _judged(record: RunRecord) -> tuple[bool | None, str]:
    """Whether it has learned, None where that is not known, and a sentence that says so."""
    wrong = [finding.title for finding in record.findings if finding.until is None]
    if wrong:
        titles = "; ".join(title[:1].lower() + title[1:] for title in wrong)
        return None, f"Something is wrong with {record.name}: {titles}."
    step = _evaluated(record)
    if not record.newest:
        why = (
            f"its evaluation at step {step:,} has no finite number"
            if len(record.history.validation.steps)
            else "it was not evaluated"
        )
        return None, f"Nothing can be said yet of how good {record.name} is: {why}."
    ended = " now; what was found has ended" if record.findings else ""
    metrics, baselines = record.newest, record.baselines
    loss, area = metrics.get("masked_lm_loss"), metrics.get(_AREA)
    facts = Facts.of(record.config, record.manifest)
    settled = facts.settled_step
    guess = baselines.uniform if baselines.unigram is None else baselines.unigram
    beats_guess = loss is not None and loss < guess - _LEAST_GAIN
    if not facts.has_generator:  # the loss never changes, and the area alone says something
        beats_guess = area is not None
    if beats_guess and (area is None or area > _LEAST_AREA):
        if baselines.unigram is None:
            return None if step >= settled else False, (
                f"Nothing is found to be wrong with {record.name}{ended}; whether it has learned "
                f"more than how frequent words are cannot be told, since {_unknown(record)}."
            )
        return True, f"{record.name} has learned, and nothing is wrong with it{ended}."
    when = (
        f"which is usual before step {settled:,}"
        if step < settled
        else "although nothing is found to be wrong"
    )
    return (
        False,
        f"{record.name} had hardly learned at step {step:,}, its newest evaluation, {when}{ended}.",
    )


def _unknown(record: RunRecord) -> str:
    """Why there is no loss of guessing by frequency."""
    if record.manifest is None:
        return "it has no manifest of its data"
    if (held_out := record.manifest.baselines) is None:
        return (
            "an older electra prepared its data: `electra debug data DATA` says what loss guessing "
            "by frequency has there"
        )
    return (
        f"its data has only {counted(held_out.tokens, 'held-out token')}: prepare more text, or "
        "with a larger `--validation-fraction`"
    )


def _state(record: RunRecord) -> str:
    place = f"at step {record.progress}"
    return {
        "finished": f"It is finished, after {counted(record.step, 'step')}.",
        "running": f"It is going on, {place}.",
        "stopped": f"It stands {place}, {_why(record)}.",
        "begun": "It has a folder, and no step yet.",
    }[record.state]


def _reason(record: RunRecord) -> str | None:
    """Why its newest process ended, as it has written."""
    return record.starts[-1].reason if record.starts else None


def _why(record: RunRecord) -> str:
    """Why no process trains it any more."""
    if (reason := _reason(record)) is None:
        return "and no process trains it: the last one was killed, or does not say why it ended"
    if reason == _DONE:
        return "where it was told to stop"
    return f"since its last process ended: {reason.splitlines()[0].rstrip('.')}"


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


def _next(record: RunRecord, learned: bool | None) -> str:
    """What to do.

    Args:
      record: The run.
      learned: As of `_judged`.
    """
    wrong = [finding for finding in record.findings if finding.until is None]
    place = shlex.quote(as_name(record.place))
    if wrong:
        return f"What to try: {wrong[0].advice}{'' if wrong[0].advice.endswith('?') else '.'}"
    if record.state == "running":
        return f"What to do: let it go on, and repeat `electra report {place}` later."
    if record.state == "finished" and learned is False:
        return (
            "What to do: train for longer, on more text if there is some: repeat its `electra "
            "pretrain` command with more `--steps` and another `--model-dir`."
        )
    if record.state == "finished":
        return (
            f"What to do: score it on a task (`electra finetune {place} --task cola --data GLUE`) "
            f"or export it (`electra export {place} --format huggingface --output DIR`)."
        )
    on, reason = "and it goes on from its newest checkpoint", _reason(record)
    if reason == _DONE:
        return f"What to do: repeat its `electra pretrain` command without `--stop-at-step`, {on}."
    ready = "" if reason is None else "if what ended it is mended, or was meant, "
    return f"What to do: {ready}repeat its `electra pretrain` command, {on}."
