"""Sampling candidates with their exact token statistics (METHOD sections 1 and 2).

A candidate depends on the model, the settings, the seed, its prompt and its number, and on nothing
else in the call: the first five of eight are the five one would have got alone. See ``generation``
for how, and for what floating point leaves of it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from gem_backend.candidate_writer import TOP_K, VERSIONS, CandidateWriter
from gem_backend.config import PromptConfig, SamplingConfig
from gem_backend.entropy import TokenStatistics, score_tokens
from gem_backend.errors import DataError
from gem_backend.forward import TokenSequence, context_length
from gem_backend.generation import OnProgress, OnTokens, Row, Sampled, generate
from gem_backend.memory import MAX_BATCH_TOKENS
from gem_backend.policy import Policy
from gem_backend.prompting import completion_ids, encode_prompt, prompt_ids
from gem_backend.types import Candidate, Provenance


@dataclass(frozen=True, slots=True)
class Draws:
    """Sampled ids that wait for their statistics, K rows a prompt, in order.

    ``writer`` makes the record of a candidate as soon as they are known.
    """

    rows: tuple[Row, ...]
    sampled: tuple[Sampled, ...]
    num_candidates: int
    writer: CandidateWriter

    @property
    def groups(self) -> list[list[TokenSequence]]:
        """The sequences of each prompt, as the model is asked about them."""
        step = self.num_candidates
        sequences = [
            TokenSequence(row.prompt_ids, result.ids)
            for row, result in zip(self.rows, self.sampled, strict=True)
        ]
        return [sequences[start : start + step] for start in range(0, len(sequences), step)]

    def candidate(self, group: int, number: int, statistics: TokenStatistics) -> Candidate:
        """Return the record of one candidate."""
        index = group * self.num_candidates + number
        row = self.rows[index]
        return self.writer.candidate(row.prompt, row.number, self.sampled[index], statistics)


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

    def draw(
        self,
        prompts: Sequence[str],
        config: SamplingConfig,
        on_progress: OnProgress | None = None,
    ) -> Draws:
        """Return what ``sample`` does before it is scored."""
        ...

    def greedy(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        on_progress: OnProgress | None = None,
    ) -> list[Candidate]:
        """Return the most likely continuation of each prompt, token by token, in order."""
        ...


class DrawTokens(Protocol):
    """Continues rows of token ids with the policy as it stands: here, or through an engine."""

    def __call__(
        self,
        policy: Policy,
        rows: Sequence[Row],
        config: SamplingConfig | None,
        max_batch_tokens: int,
        on_progress: OnProgress | None = None,
        on_tokens: OnTokens | None = None,
    ) -> list[Sampled]:
        """Do what ``generation.generate`` does."""
        ...


class TokenSource(NamedTuple):
    """What draws tokens, and what candidates say of it: its name and its version."""

    draw_tokens: DrawTokens = generate
    engine: str = "transformers"
    version: str = ""


HERE = TokenSource()


class PolicySampler:
    """Samples the policy; the statistics are always those of the policy in this process.

    Args:
        policy: the model as it stands at each call, adapter included.
        prompt_config: how prompts are put to the model, and the answer marker.
        max_batch_tokens: bounds one batch: rows times (longest prompt + room for the answer).
        on_tokens: told how many tokens each candidate of a call has, while they are drawn.
        source: what draws the tokens.
    """

    def __init__(
        self,
        policy: Policy,
        prompt_config: PromptConfig | None = None,
        max_batch_tokens: int = MAX_BATCH_TOKENS,
        on_tokens: OnTokens | None = None,
        source: TokenSource = HERE,
    ) -> None:
        """Keep what every call needs; nothing is computed yet."""
        self._source = source
        self._on_tokens = on_tokens
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
        return self._scored(self.draw(prompts, config, on_progress))

    def draw(
        self,
        prompts: Sequence[str],
        config: SamplingConfig,
        on_progress: OnProgress | None = None,
    ) -> Draws:
        """Return what ``sample`` does before it is scored, for a pass that scores and trains.

        Raises:
            DataError: a prompt leaves the model no room to answer.
        """
        return self._draw(prompts, config, on_progress, is_greedy=False)

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
        draws = self._draw(prompts, config, on_progress, is_greedy=True)
        return [group[0] for group in self._scored(draws)]

    def _draw(
        self,
        prompts: Sequence[str],
        config: SamplingConfig,
        on_progress: OnProgress | None,
        *,
        is_greedy: bool,
    ) -> Draws:
        rows = self._rows(prompts, config)
        settings = None if is_greedy else config
        sampled = self._source.draw_tokens(
            self._policy, rows, settings, self._max_batch_tokens, on_progress, self._on_tokens
        )
        provenance = drawn_by(self._policy, config)
        if self._source.version:
            versions = f"{provenance.versions}, {self._source.version}"
            provenance = replace(provenance, engine=self._source.engine, versions=versions)
        if is_greedy:
            provenance = replace(provenance, temperature=0.0)
        writer = CandidateWriter(
            self._policy.tokenizer, self._prompt_config.answer_marker, provenance
        )
        return Draws(tuple(rows), tuple(sampled), config.num_candidates, writer)

    def _rows(self, prompts: Sequence[str], config: SamplingConfig) -> list[Row]:
        occurrences: defaultdict[str, int] = defaultdict(int)
        rows = []
        for prompt in prompts:
            ids = tuple(encode_prompt(self._policy.tokenizer, prompt, self._prompt_config))
            room = room_for(self._policy, len(ids), config.max_new_tokens)
            words = prompt_words(prompt)
            occurrence = occurrences[prompt]
            occurrences[prompt] += 1
            rows += [
                Row(prompt, ids, room, number, (config.seed, *words, occurrence, number))
                for number in range(config.num_candidates)
            ]
        return rows

    def _scored(self, draws: Draws) -> list[list[Candidate]]:
        groups = draws.groups
        sequences = [sequence for group in groups for sequence in group]
        scored = iter(score_tokens(self._policy.model, sequences, top_k=TOP_K))
        return [
            [draws.candidate(index, number, next(scored)) for number in range(len(group))]
            for index, group in enumerate(groups)
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
    marker = (prompt_config or PromptConfig()).answer_marker
    return _given(policy, prompt, tuple(start), Sampled(ids, is_finished=False), marker)


def reread(policy: Policy, candidate: Candidate, prompt_config: PromptConfig) -> Candidate:
    """Return the very tokens of a candidate with what this policy says of each.

    Args:
        policy: another model or adapter with the same tokenizer.
        candidate: what was sampled.
        prompt_config: how the prompt was put to the model, and the answer marker.

    Raises:
        DataError: prompt and answer are longer than the model can read.
    """
    start = tuple(encode_prompt(policy.tokenizer, candidate.prompt, prompt_config))
    sampled = Sampled(candidate.token_ids, candidate.is_finished)
    return _given(policy, candidate.prompt, start, sampled, prompt_config.answer_marker)


def _given(
    policy: Policy, prompt: str, start: tuple[int, ...], sampled: Sampled, marker: str
) -> Candidate:
    (statistics,) = score_tokens(policy.model, [TokenSequence(start, sampled.ids)], top_k=TOP_K)
    provenance = Provenance(
        model=policy.name,
        adapter=policy.adapter,
        seed=0,
        temperature=0.0,
        top_p=1.0,
        engine="given",
        versions=VERSIONS,
    )
    writer = CandidateWriter(policy.tokenizer, marker, provenance)
    return writer.candidate(prompt, 0, sampled, statistics)


def drawn_by(policy: Policy, config: SamplingConfig) -> Provenance:
    """Return what candidates say of the policy and the settings that drew them."""
    return Provenance(
        model=policy.name,
        adapter=policy.adapter,
        seed=config.seed,
        temperature=config.temperature,
        top_p=config.top_p,
        versions=VERSIONS,
    )


def room_for(policy: Policy, prompt_length: int, max_new_tokens: int) -> int:
    """Return how many tokens fit behind so many, at most ``max_new_tokens``.

    Raises:
        DataError: none fits.
    """
    limit = context_length(policy.model)
    if limit is None:
        return max_new_tokens
    if prompt_length >= limit:
        raise DataError(
            f"A prompt has {prompt_length} tokens; this model reads at most {limit}, "
            "answer included."
        )
    return min(max_new_tokens, limit - prompt_length)


def prompt_words(prompt: str) -> tuple[int, int]:
    """Return a prompt's part in the seed of its candidates."""
    digest = hashlib.sha256(prompt.encode()).digest()
    return int.from_bytes(digest[:8]), int.from_bytes(digest[8:16])
