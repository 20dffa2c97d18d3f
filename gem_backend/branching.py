"""Going another way from a token: new continuations of exactly the ids that came before it."""

import hashlib
from collections.abc import Sequence

from gem_backend.candidate_writer import TOP_K, CandidateWriter
from gem_backend.engine_requests import BranchRequest
from gem_backend.entropy import score_tokens
from gem_backend.errors import DataError
from gem_backend.forward import TokenSequence
from gem_backend.generation import OnProgress, OnTokens, Row, Sampled, end_ids, generate
from gem_backend.memory import MAX_BATCH_TOKENS
from gem_backend.policy import Policy
from gem_backend.prompting import encode_prompt
from gem_backend.sampling import drawn_by, prompt_words, room_for
from gem_backend.types import Candidate


def branch(
    policy: Policy,
    request: BranchRequest,
    on_progress: OnProgress | None = None,
    on_tokens: OnTokens | None = None,
) -> list[Candidate]:
    """Return candidates that share a candidate's tokens up to a point and go on by themselves.

    The prefix is a prefix of ids, not of text, so it may end in the middle of a character. The
    statistics are those of the whole answer, prefix included, as of any candidate.

    Args:
        policy: the model as it stands, adapter included; the one that sampled the parent.
        request: from where, how many, and how.
        on_progress: told how many candidates are sampled, and of how many.
        on_tokens: told how many new tokens each candidate has.

    Returns:
        As many as ``request.sampling`` says; one, if the chosen token ends the answer.

    Raises:
        DataError: the point is outside of the parent, or leaves the model no room.
    """
    if not 0 <= request.point.token < len(request.parent_ids):
        raise DataError("That token is not part of the answer; choose one that is.")
    start = tuple(encode_prompt(policy.tokenizer, request.prompt, request.prompt_config))
    prefix = _prefix(policy, start, request)
    if prefix and prefix[-1] in end_ids(policy):
        whole = [Sampled(prefix, is_finished=True)]
    else:
        rows = _rows(policy, start, prefix, request)
        drawn = generate(policy, rows, request.sampling, MAX_BATCH_TOKENS, on_progress, on_tokens)
        whole = [Sampled((*prefix, *one.ids), one.is_finished) for one in drawn]
    sequences = [TokenSequence(start, one.ids) for one in whole]
    scored = score_tokens(policy.model, sequences, top_k=TOP_K)
    writer = CandidateWriter(
        policy.tokenizer,
        request.prompt_config.answer_marker,
        drawn_by(policy, request.sampling),
    )
    return [
        writer.candidate(request.prompt, number, sampled, statistics, request.point)
        for number, (sampled, statistics) in enumerate(zip(whole, scored, strict=True))
    ]


def _rows(
    policy: Policy, start: tuple[int, ...], prefix: tuple[int, ...], request: BranchRequest
) -> list[Row]:
    config = request.sampling
    room = room_for(policy, len(start) + len(prefix), config.max_new_tokens)
    words = (config.seed, *prompt_words(request.prompt), *_prefix_words(prefix))
    return [
        Row(request.prompt, (*start, *prefix), room, number, (*words, number))
        for number in range(config.num_candidates)
    ]


def _prefix(policy: Policy, start: tuple[int, ...], request: BranchRequest) -> tuple[int, ...]:
    """The parent's tokens before the point, and behind them the alternative that was chosen."""
    token, place = request.point.token, request.alternative
    if place is None:
        return request.parent_ids[:token]
    read = TokenSequence(start, request.parent_ids[: token + 1])
    (statistics,) = score_tokens(policy.model, [read], top_k=TOP_K)
    choices = statistics.top_ids_TK[token]
    if not 0 <= place < len(choices):
        raise DataError("There is no such alternative to that token.")
    return (*request.parent_ids[:token], int(choices[place]))


def _prefix_words(prefix: Sequence[int]) -> tuple[int, int]:
    digest = hashlib.sha256(repr(tuple(prefix)).encode()).digest()
    return int.from_bytes(digest[:8]), int.from_bytes(digest[8:16])
