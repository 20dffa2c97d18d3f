"""A project in the test's database, and candidates to store."""

from collections.abc import Callable

import pytest

from gem_backend.types import Candidate, Provenance, Span, Spans
from storage.database import Database
from storage.projects import create_project


@pytest.fixture
def project_id(db: Database) -> str:
    return create_project(db, "Fever in children").project_id


@pytest.fixture
def make_candidate() -> Callable[..., Candidate]:
    def make(candidate_id: str = "c1", prompt: str = "Question", tokens: int = 4) -> Candidate:
        return Candidate(
            candidate_id=candidate_id,
            prompt=prompt,
            text="é" * tokens,
            answer="é",
            token_ids=tuple(range(tokens)),
            token_texts=("é",) * tokens,
            token_entropy=(0.5,) * tokens,
            token_logprob=(-0.25,) * tokens,
            top_tokens=("é", "b", "c", "d", "e") * tokens,
            top_probs=(0.5, 0.25, 0.125, 0.0625, 0.0625) * tokens,
            spans=Spans(Span(0, tokens - 1), Span(tokens - 1, tokens), True),
            is_finished=True,
            provenance=Provenance("demo", None, 2**32 - 1, 0.9, 1.0),
        )

    return make
