"""From token ids and their statistics to the record that everybody reads."""

import hashlib
from itertools import chain

import peft
import torch
import transformers
from transformers import PreTrainedTokenizerBase

from gem_backend.entropy import TokenStatistics
from gem_backend.generation import Sampled
from gem_backend.spans import answer_text, locate_spans, token_texts
from gem_backend.types import Branch, Candidate, Provenance

TOP_K = 5  # alternatives kept of each token; Candidate's flattened layout says five
VERSIONS = (
    f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"
)


class CandidateWriter:
    """Turns ids and statistics into records; remembers the text of each alternative token."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, answer_marker: str, provenance: Provenance
    ) -> None:
        """Start without any remembered text."""
        self._tokenizer = tokenizer
        self._answer_marker = answer_marker
        self._provenance = provenance
        self._alternatives: dict[int, str] = {}

    def candidate(
        self,
        prompt: str,
        number: int,
        sampled: Sampled,
        statistics: TokenStatistics,
        branch: Branch | None = None,
    ) -> Candidate:
        """Return the record of one candidate.

        Args:
            prompt: as the expert wrote it.
            number: which of the prompt's candidates it is; part of its identity.
            sampled: the ids.
            statistics: of these ids, with at most five alternatives each.
            branch: where it left another candidate.
        """
        texts = token_texts(self._tokenizer, sampled.ids)
        text = "".join(texts)
        top_tokens, top_probs = self._top(statistics)
        identity = (self._provenance, prompt, number, sampled.ids, *(branch or ()))
        return Candidate(
            candidate_id=hashlib.sha256(repr(identity).encode()).hexdigest()[:20],
            prompt=prompt,
            text=text,
            answer=answer_text(text, self._answer_marker),
            token_ids=sampled.ids,
            token_texts=texts,
            token_entropy=tuple(statistics.entropy_T.tolist()),
            token_logprob=tuple(statistics.logprob_T.tolist()),
            top_tokens=top_tokens,
            top_probs=top_probs,
            spans=locate_spans(texts, self._answer_marker),
            is_finished=sampled.is_finished,
            provenance=self._provenance,
            branch=branch,
        )

    def _top(self, statistics: TokenStatistics) -> tuple[tuple[str, ...], tuple[float, ...]]:
        ids, probs = statistics.top_ids_TK, statistics.top_logprobs_TK.exp()
        known = self._alternatives
        for token in set(ids.flatten().tolist()) - known.keys():
            known[token] = str(self._tokenizer.decode([token]))
        missing = TOP_K - ids.shape[1]  # a vocabulary of fewer than five
        if missing:
            texts = [[known[token] for token in row] + [""] * missing for row in ids.tolist()]
            padded = [row + [0.0] * missing for row in probs.tolist()]
            return tuple(chain.from_iterable(texts)), tuple(chain.from_iterable(padded))
        flat = ids.flatten().tolist()
        return tuple(map(known.__getitem__, flat)), tuple(probs.flatten().tolist())
