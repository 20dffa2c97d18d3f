"""Held-out figures of a policy (METHOD section 8), and what a run did to them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gem_backend.config import PromptConfig, RunConfig
from gem_backend.entropy import score_tokens, token_divergence
from gem_backend.forward import TokenSequence
from gem_backend.policy import Policy
from gem_backend.prompting import completion_ids, encode_prompt
from gem_backend.ranking import answers_match
from gem_backend.sampling import Sampler
from gem_backend.statistics import wilson
from gem_backend.types import Candidate, Estimate, Evaluation, PreferencePair, RunVerdict


@dataclass(frozen=True, slots=True)
class PairOutcomes:
    """For each pair, log pi(chosen) less log pi(rejected), in nats, end token included.

    The implicit reward r(q, a) = beta log pi(a|q) differs by beta times this, so beta does not
    matter to who wins. ``sum_margins`` compare whole answers, ``token_margins`` their means per
    token: where the two disagree, length decides.
    """

    sum_margins: tuple[float, ...]
    token_margins: tuple[float, ...]

    @property
    def is_preferred(self) -> tuple[bool, ...]:
        """Whether the policy finds the chosen answer more likely; a tie counts as wrong."""
        return tuple(margin > 0 for margin in self.sum_margins)

    @property
    def is_preferred_per_token(self) -> tuple[bool, ...]:
        """The same per token."""
        return tuple(margin > 0 for margin in self.token_margins)


@dataclass(frozen=True, slots=True)
class EvaluationDetails:
    """The cases behind an evaluation, in an order that the data alone decides, for pairing.

    ``is_preferred`` has an entry for each preferred pair; ``answers`` one for each prompt that was
    answered; ``is_answer_right`` one for each of ``answers`` with a gold answer, which come first.
    """

    outcomes: PairOutcomes
    answers: tuple[Candidate, ...]
    is_answer_right: tuple[bool, ...]

    @property
    def is_preferred(self) -> tuple[bool, ...]:
        """Whether each pair's chosen answer is the more likely one."""
        return self.outcomes.is_preferred


def evaluate(
    policy: Policy, sampler: Sampler, pairs: Sequence[PreferencePair], config: RunConfig
) -> tuple[Evaluation, EvaluationDetails]:
    """Measure a policy as it stands on held-out pairs.

    Preference accuracy is the share of "preferred" pairs whose chosen answer is strictly more
    likely; ties count as wrong. Final-answer accuracy is over the distinct prompts with a gold
    answer, answered greedily; an answer that was not committed counts as wrong. Entropy, length
    (tokens) and KL (nats per token, against the base) are over the greedy answers.

    Args:
        policy: what is measured; switch its adapter off around the call for "before".
        sampler: samples from that same policy.
        pairs: held-out pairs; verdicts other than "preferred" only lend their prompts.
        config: prompt, sampling length, budgets and ``evaluation_prompts``.

    Returns:
        The figures, and the cases behind them.

    Raises:
        DataError: a pair is longer than the model can read.
    """
    preferred = [pair for pair in pairs if pair.verdict == "preferred"]
    outcomes = pair_outcomes(policy, preferred, config.prompt, config.micro_batch_tokens)
    gold = _gold_by_prompt(pairs, config.evaluation_prompts)
    answers = final_answers(sampler, list(gold), config.sampling.max_new_tokens)
    is_right = tuple(
        answers_match(candidate.answer, answer)
        for candidate, answer in zip(answers, gold.values(), strict=True)
        if answer is not None
    )
    evaluation = Evaluation(
        preference_accuracy=_share(outcomes.is_preferred),
        preference_accuracy_per_token=_share(outcomes.is_preferred_per_token),
        final_answer_accuracy=_share(is_right) if is_right else None,
        uncommitted=sum(not candidate.spans.is_committed for candidate in answers),
        mean_entropy=_mean([h for candidate in answers for h in candidate.token_entropy]),
        mean_length=_mean([len(candidate.token_ids) for candidate in answers]),
        kl=_divergence(policy, answers, config),
    )
    return evaluation, EvaluationDetails(outcomes, tuple(answers), is_right)


def pair_outcomes(
    policy: Policy, pairs: Sequence[PreferencePair], prompt_config: PromptConfig, max_tokens: int
) -> PairOutcomes:
    """Compare the log-probabilities of both answers of each pair.

    Args:
        policy: what is measured.
        pairs: all of them, whatever their verdict.
        prompt_config: how prompts are put to the model.
        max_tokens: of one forward pass, padding included.

    Raises:
        DataError: a pair is longer than the model can read.
    """
    sequences = []
    for pair in pairs:
        prompt = tuple(encode_prompt(policy.tokenizer, pair.prompt, prompt_config))
        for answer in (pair.chosen, pair.rejected):
            ids = completion_ids(policy.tokenizer, answer, add_eos=True)
            sequences.append(TokenSequence(prompt, tuple(ids)))
    scored = score_tokens(policy.model, sequences, max_tokens_per_batch=max_tokens, top_k=1)
    sums = [float(s.logprob_T.double().sum()) for s in scored]
    means = [total / max(1, len(s.logprob_T)) for total, s in zip(sums, scored, strict=True)]
    return PairOutcomes(_margins(sums), _margins(means))


def final_answers(
    sampler: Sampler, prompts: Sequence[str], max_new_tokens: int = 256
) -> list[Candidate]:
    """Answer each prompt greedily, in order."""
    return sampler.greedy(prompts, max_new_tokens) if prompts else []


def verdict(preference_change: Estimate, answer_change: Estimate | None) -> RunVerdict:
    """Say in one word what a run did, by the intervals and not by the values.

    - "worse": the interval of either change lies wholly below 0.
    - "better": not worse, and the interval of the preference change lies wholly above 0.
    - "no_change": everything else.

    Args:
        preference_change: of held-out preference accuracy, from ``paired_change``.
        answer_change: of final-answer accuracy, None where no gold answers exist.
    """
    if preference_change.high < 0 or (answer_change is not None and answer_change.high < 0):
        return "worse"
    return "better" if preference_change.low > 0 else "no_change"


def _gold_by_prompt(pairs: Sequence[PreferencePair], limit: int) -> dict[str, str | None]:
    """Distinct prompts with their gold answers, those that have one first, at most ``limit``."""
    gold: dict[str, str | None] = {}
    for pair in pairs:
        gold[pair.prompt] = gold.get(pair.prompt) or pair.gold_answer or None
    ordered = sorted(gold.items(), key=lambda item: item[1] is None)
    return dict(itertools.islice(ordered, limit))


def _divergence(policy: Policy, answers: Sequence[Candidate], config: RunConfig) -> float:
    sequences = [
        TokenSequence(tuple(encode_prompt(policy.tokenizer, a.prompt, config.prompt)), a.token_ids)
        for a in answers
    ]
    budget = config.micro_batch_tokens
    divergence = token_divergence(policy.model, sequences, max_tokens_per_batch=budget)
    return _mean([float(kl) for kl_T in divergence for kl in kl_T])


def _margins(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(a - b for a, b in zip(values[::2], values[1::2], strict=True))


def _share(outcomes: Sequence[bool]) -> Estimate:
    return wilson(sum(outcomes), len(outcomes))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
