"""An engine without a model, for tests of the desks that ask it to read or write answers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from gem_backend.engine_requests import ScoredAnswer
from tests.app.fakes import GOOD, make_candidate


@dataclass
class FakeEngine:
    """Scores what it is given; the ``unread`` answers it cannot read.

    ``before_sampling`` is called with each prompt that it is to answer, and may raise.
    """

    requests: list = field(default_factory=list)
    unread: tuple = ()
    refuses: Exception | None = None
    before_sampling: Callable[[str], None] = lambda prompt: None

    def score(self, request, on_progress=None):
        self.requests.append(request)
        if self.refuses:
            raise self.refuses
        on_progress(len(request.answers), len(request.answers))
        return [
            None if text in self.unread else ScoredAnswer(make_candidate(text, place), None)
            for place, (_, text) in enumerate(request.answers)
        ]

    def sample(self, request, on_progress):
        self.requests.append(request)
        [prompt] = request.prompts
        self.before_sampling(prompt)
        count, seed = request.sampling.num_candidates, request.sampling.seed
        on_progress(0, count)
        adapter = request.adapter_dir and Path(request.adapter_dir).parent.name
        group = [make_candidate(GOOD, seed, f"{prompt}-{n}", prompt) for n in range(count)]
        return [
            [replace(one, provenance=replace(one.provenance, adapter=adapter)) for one in group]
        ]
