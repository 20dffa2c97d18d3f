"""The anchor: what the labelled pairs themselves say in every step of a round. [ours]

sft   cross-entropy on the chosen answers: holds the policy to what the expert wrote or chose
dpo   DPO on the pairs, the warm-started policy as reference: also pushes the rejected answers
      away, but only until the pairs are far enough apart. Divided by beta, so that at the start
      its pull is half the margin's gradient whatever beta is, and a weight means what it does
      beside cross-entropy
auto  dpo, unless most pairs are of the model's own samples: of those the better one is often wrong
      too, and pushing the other away costs final answers (benchmarks/RESULTS.md)
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from gem_backend.entropy import score_tokens
from gem_backend.order import endless_batches
from gem_backend.steps import Contrast, answer_sequence, contrast_backward, sft_backward
from gem_backend.trainer import Trainer
from gem_backend.types import PreferencePair


class Anchor:
    """The labelled pairs as an anchor; make it while the policy is the warm start.

    Args:
        trainer: policy, pairs and settings.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        sega = trainer.config.sega
        self._is_contrast = chosen_anchor(sega.anchor, trainer.data.train) == "dpo"
        self._contrasts = (
            _contrasts(trainer) if self._is_contrast and sega.anchor_weight > 0 else []
        )

    def batches(self, order: str) -> Iterator[Sequence[int]]:
        """Yield places of training pairs for ever, as many answers a batch as the warm start has.

        Args:
            order: decides in which order; any text.
        """
        pairs, size = self._trainer.data.train, self._trainer.config.sft.batch_size
        return endless_batches(
            range(len(pairs)), max(1, size // 2) if self._is_contrast else size, order
        )

    def backward(self, places: Sequence[int]) -> tuple[float, int]:
        """Add the anchor's gradient; return its loss without the weight, and the tokens."""
        weight = self._trainer.config.sega.anchor_weight
        if not weight:
            return 0.0, 0
        if self._is_contrast:
            contrasts = [self._contrasts[place] for place in places]
            share = weight / self._trainer.config.baseline.beta
            loss, tokens = contrast_backward(self._trainer, contrasts, share / len(places))
            return loss / share, tokens
        pairs = [self._trainer.data.train[place] for place in places]
        loss = sft_backward(self._trainer, pairs, weight)
        chosen = (answer_sequence(self._trainer, pair.prompt, pair.chosen) for pair in pairs)
        return loss, sum(len(sequence.completion_ids) for sequence in chosen)


def chosen_anchor(
    anchor: Literal["auto", "sft", "dpo"], pairs: Sequence[PreferencePair]
) -> Literal["sft", "dpo"]:
    """Return the anchor that a run has; "auto" goes by where most pairs come from."""
    if anchor != "auto":
        return anchor
    own = sum(pair.source == "sampled" for pair in pairs)
    return "sft" if 2 * own > len(pairs) else "dpo"


def _contrasts(trainer: Trainer) -> list[Contrast]:
    """The training pairs, with how far apart the policy as it stands has their answers."""
    sequences = [
        answer_sequence(trainer, pair.prompt, answer)
        for pair in trainer.data.train
        for answer in _answers(pair)
    ]
    scored = score_tokens(
        trainer.model,
        sequences,
        max_tokens_per_batch=trainer.config.micro_batch_tokens,
        top_k=1,
    )
    logps = [float(one.logprob_T.double().sum()) for one in scored]
    return [
        Contrast(sequences[i], sequences[i + 1], logps[i] - logps[i + 1])
        for i in range(0, len(sequences), 2)
    ]


def _answers(pair: PreferencePair) -> tuple[str, str]:
    return pair.chosen, pair.rejected
