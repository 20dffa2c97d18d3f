"""An engine without a model, for tests of the desks that ask it to read answers."""

from dataclasses import dataclass, field

from gem_backend.engine import ScoredAnswer
from tests.app.fakes import make_candidate


@dataclass
class FakeEngine:
    """Scores what it is given; the ``unread`` answers it cannot read."""

    requests: list = field(default_factory=list)
    unread: tuple = ()
    refuses: Exception | None = None

    def score(self, request, on_progress=None):
        self.requests.append(request)
        if self.refuses:
            raise self.refuses
        on_progress(len(request.answers), len(request.answers))
        return [
            None if text in self.unread else ScoredAnswer(make_candidate(text, place), None)
            for place, (_, text) in enumerate(request.answers)
        ]
