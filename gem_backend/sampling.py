"""Sampling candidates with their exact token statistics (METHOD sections 1 and 2).

A candidate depends on the model, the settings, the seed, its prompt and its number, and on nothing
else in the call: the first five of eight are the five one would have got alone. See ``generation``
for how, and for what floating point leaves of it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from gem_backend.candidate_writer import TOP_K, VERSIONS, CandidateWriter
from gem_backend.config import PromptConfig, SamplingConfig
from gem_backend.entropy import score_tokens
from gem_backend.errors import DataError
from gem_backend.forward import TokenSequence, context_length
from gem_backend.generation import OnProgress, Row, Sampled, generate
from gem_backend.policy import Policy
from gem_backend.prompting import completion_ids, encode_prompt, prompt_ids
from gem_backend.types import Candidate, Provenance

DEFAULT_BATCH_TOKENS = 32768  # prompt and room for the answer, all rows, padding included


class Sampler(Protocol):
    """Anything that answers prompts: this process, or an engine elsewhere."""

    def sample(
        self,
        prompts: Sequence[str],
        config: SamplingConfig,
        on_progress: OnProgress | None = None,
    ) -> list[list[Candidate]]:
        """Return ``config.num_candidates`` candidates for each prompt, in order."""
        ...

    def greedy(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        on_progress: OnProgress | None = None,
    ) -> list[Candidate]:
        """Return the most likely continuation of each prompt, token by token, in order."""
        ...


class TransformersSampler:
    """Samples with the policy in this process.

    Args:
        policy: the model as it stands at each call, adapter included.
        prompt_config: how prompts are put to the model, and the answer marker.
        max_batch_tokens: bounds one batch: rows times (longest prompt + room for the answer).
    """

    def __init__(
        self,
        policy: Policy,
        prompt_config: PromptConfig | None = None,
        max_batch_tokens: int = DEFAULT_BATCH_TOKENS,
    ) -> None:
        """Keep what every call needs; nothing is computed yet."""
        self._policy = policy
        self._prompt_config = prompt_config or PromptConfig()
        self._max_batch_tokens = max_batch_tokens

    def sample(
        self,
        prompts: Sequence[str],
        config: SamplingConfig,
        on_progress: OnProgress | None = None,
    ) -> list[list[Candidate]]:
        """Return ``config.num_candidates`` candidates for each prompt, in order.

        The same prompt twice gets different candidates. Statistics are those of the raw logits:
        temperature 1, before top-p.

        Args:
            prompts: as the expert wrote them.
            config: number, temperature, top-p, length and seed.
            on_progress: called after each batch.

        Raises:
            DataError: a prompt leaves the model no room to answer.
        """
        rows = self._rows(prompts, config)
        sampled = generate(self._policy, rows, config, self._max_batch_tokens, on_progress)
        provenance = Provenance(
            model=self._policy.name,
            adapter=self._policy.adapter,
            seed=config.seed,
            temperature=config.temperature,
            top_p=config.top_p,
            versions=VERSIONS,
        )
        candidates = self._candidates(rows, sampled, provenance)
        step = config.num_candidates
        return [candidates[i * step : (i + 1) * step] for i in range(len(prompts))]

    def greedy(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        on_progress: OnProgress | None = None,
    ) -> list[Candidate]:
        """Return the most likely continuation of each prompt, token by token, in order.

        Its provenance has temperature 0.

        Raises:
            DataError: a prompt leaves the model no room to answer.
        """
        config = SamplingConfig(num_candidates=1, max_new_tokens=max_new_tokens)
        rows = self._rows(prompts, config)
        sampled = generate(self._policy, rows, None, self._max_batch_tokens, on_progress)
        provenance = Provenance(
            model=self._policy.name,
            adapter=self._policy.adapter,
            seed=0,
            temperature=0.0,
            top_p=1.0,
            versions=VERSIONS,
        )
        return self._candidates(rows, sampled, provenance)

    def _rows(self, prompts: Sequence[str], config: SamplingConfig) -> list[Row]:
        occurrences: defaultdict[str, int] = defaultdict(int)
        rows = []
        for prompt in prompts:
            ids = tuple(encode_prompt(self._policy.tokenizer, prompt, self._prompt_config))
            room = _room(self._policy, len(ids), config.max_new_tokens)
            words = _prompt_words(prompt)
            occurrence = occurrences[prompt]
            occurrences[prompt] += 1
            rows += [
                Row(prompt, ids, room, number, (config.seed, *words, occurrence, number))
                for number in range(config.num_candidates)
            ]
        return rows

    def _candidates(
        self, rows: Sequence[Row], sampled: Sequence[Sampled], provenance: Provenance
    ) -> list[Candidate]:
        sequences = [
            TokenSequence(row.prompt_ids, result.ids)
            for row, result in zip(rows, sampled, strict=True)
        ]
        scored = score_tokens(self._policy.model, sequences, top_k=TOP_K)
        writer = CandidateWriter(
            self._policy.tokenizer, self._prompt_config.answer_marker, provenance
        )
        return [
            writer.candidate(row.prompt, row.number, result, statistics)
            for row, result, statistics in zip(rows, sampled, scored, strict=True)
        ]


def score_completion(
    policy: Policy, prompt: str, completion: str, prompt_config: PromptConfig | None = None
) -> Candidate:
    """Return a written completion as a candidate with its exact statistics.

    Prompt and completion are tokenised apart, and no end token is added.

    Args:
        policy: the model that is asked.
        prompt: the text before the completion, as given; with a ``prompt_config``, an expert's
            prompt that is put to the model that way.
        completion: at least one token.
        prompt_config: None for no template and the default answer marker.

    Raises:
        DataError: prompt or completion is empty, or both are longer than the model can read.
    """
    tokenizer = policy.tokenizer
    if prompt_config is None:
        start = prompt_ids(tokenizer, prompt)
    else:
        start = encode_prompt(tokenizer, prompt, prompt_config)
    ids = tuple(completion_ids(tokenizer, completion, add_eos=False))
    if not ids:
        raise DataError("The answer is empty; there is nothing to score.")
    (statistics,) = score_tokens(policy.model, [TokenSequence(tuple(start), ids)], top_k=TOP_K)
    provenance = Provenance(
        model=policy.name,
        adapter=policy.adapter,
        seed=0,
        temperature=0.0,
        top_p=1.0,
        engine="given",
        versions=VERSIONS,
    )
    marker = (prompt_config or PromptConfig()).answer_marker
    writer = CandidateWriter(tokenizer, marker, provenance)
    return writer.candidate(prompt, 0, Sampled(ids, is_finished=False), statistics)


def _room(policy: Policy, prompt_length: int, max_new_tokens: int) -> int:
    limit = context_length(policy.model)
    if limit is None:
        return max_new_tokens
    if prompt_length >= limit:
        raise DataError(
            f"A prompt has {prompt_length} tokens; this model reads at most {limit}, "
            "answer included."
        )
    return min(max_new_tokens, limit - prompt_length)


def _prompt_words(prompt: str) -> tuple[int, int]:
    digest = hashlib.sha256(prompt.encode()).digest()
    return int.from_bytes(digest[:8]), int.from_bytes(digest[8:16])
