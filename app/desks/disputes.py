"""Cases on which raters disagree: listed for an admin, and settled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from app import text
from app.access import Access
from app.records import DisputedCase, OneVerdict
from app.sides import to_choice, to_verdict
from gem_backend.errors import DataError
from gem_backend.types import Case
from storage import adjudication, judgements, projects
from storage.adjudication import Dispute, RaterJudgement
from storage.database import Database
from storage.pairs import Judgement, show_case

# Whether the better one may be used, the reasons that were ticked, and why in words.
Said: TypeAlias = tuple[bool, Sequence[str], str]
MOST_CASES = 200  # ours: in one list to choose from


class DisputesDesk:
    """Disagreements, as the Data page sees them.

    Args:
        db: the open database.
        access: who settles.
    """

    def __init__(self, db: Database, access: Access) -> None:
        self._db = db
        self._access = access
        self._known: dict[str, _Known] = {}

    def cases(self, project_id: str) -> list[DisputedCase]:
        """Return some cases on which raters differ, those that nobody settled first."""
        found = self._found(project_id).disputes
        return [self._seen(one) for one in sorted(found, key=lambda one: one.final is not None)]

    def counts(self, project_id: str) -> tuple[int, int]:
        """Return how many of all such cases are settled, and how many there are."""
        return self._found(project_id).counts

    def _found(self, project_id: str) -> "_Known":
        """Return a project's disagreements, sought once for each state of its labels."""
        newest = judgements.newest(self._db, project_id)
        known = self._known.get(project_id)
        if known is None or known.newest != newest:
            found = adjudication.disputes(self._db, project_id, MOST_CASES)
            counts = adjudication.count_disputes(self._db, project_id)
            known = self._known[project_id] = _Known(newest, found, counts)
        return known

    def settle(self, case: Case, choice: str, strength: int, said: Said) -> None:
        """Store a final label on a case.

        Args:
            case: as it was shown, with its sides.
            choice: a side or a word, as on the Label page.
            strength: 1 to 3, counted where a side was chosen.
            said: see ``Said``.

        Raises:
            DataError: nothing was chosen, or the project asks for a reason and there is none.
        """
        verdict = to_verdict(choice, case)
        if verdict is None:
            raise DataError(text.CHOOSE_FIRST)
        is_acceptable, ticked, rationale = said
        project = projects.get_project(self._db, case.comparison.project_id)
        reasons = tuple(reason for reason in project.reasons if reason in ticked)
        if verdict in ("a", "b") and project.is_reason_required and not reasons:
            raise DataError(text.REASON_FIRST)
        judgement = Judgement(
            verdict,
            strength if verdict in ("a", "b") else 1,
            is_acceptable or verdict in ("both_bad", "cannot_judge"),
            rationale.strip(),
            reasons=reasons,
        )
        adjudication.settle(self._db, case, self._access.current().rater, judgement)

    def reopen(self, case: Case) -> bool:
        """Withdraw the final label of whoever is there; return whether there was one."""
        return adjudication.reopen(self._db, case, self._access.current().rater)

    def _seen(self, dispute: Dispute) -> DisputedCase:
        case = show_case(dispute.comparison, self._access.current().rater)
        final = _in_words(dispute.final, case) if dispute.final else None
        return DisputedCase(case, tuple(_in_words(one, case) for one in dispute.said), final)


@dataclass(frozen=True, slots=True)
class _Known:
    """The disagreements at one state of the labels, and how many are settled of how many."""

    newest: judgements.Newest
    disputes: list[Dispute]
    counts: tuple[int, int]


def _in_words(one: RaterJudgement, case: Case) -> OneVerdict:
    said = one.judgement
    choice = to_choice(said.verdict, case) or ""
    words = text.verdict_words(choice, said.strength, said.is_acceptable)
    return OneVerdict(one.rater, words, said.reasons, said.rationale)
