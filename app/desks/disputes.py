"""Cases on which raters disagree: listed for an admin, and settled."""

from app import text
from app.access import Access
from app.records import DisputedCase, OneVerdict
from app.sides import to_choice, to_verdict
from gem_backend.errors import DataError
from gem_backend.types import Case
from storage import adjudication
from storage.adjudication import Dispute, RaterJudgement
from storage.database import Database
from storage.pairs import Judgement, show_case

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

    def cases(self, project_id: str) -> list[DisputedCase]:
        """Return some cases on which raters differ, those that nobody settled first."""
        found = adjudication.disputes(self._db, project_id, MOST_CASES)
        return [self._seen(one) for one in sorted(found, key=lambda one: one.final is not None)]

    def counts(self, project_id: str) -> tuple[int, int]:
        """Return how many of all such cases are settled, and how many there are."""
        return adjudication.count_disputes(self._db, project_id)

    def settle(self, case: Case, choice: str, strength: int, said: tuple[bool, str]) -> None:
        """Store a final label on a case.

        Args:
            case: as it was shown, with its sides.
            choice: a side or a word, as on the Label page.
            strength: 1 to 3, counted where a side was chosen.
            said: whether the better one may be used, and why it is better.

        Raises:
            DataError: nothing was chosen.
        """
        verdict = to_verdict(choice, case)
        if verdict is None:
            raise DataError(text.CHOOSE_FIRST)
        is_acceptable, rationale = said
        judgement = Judgement(
            verdict,
            strength if verdict in ("a", "b") else 1,
            is_acceptable or verdict in ("both_bad", "cannot_judge"),
            rationale.strip(),
        )
        adjudication.settle(self._db, case, self._access.current().rater, judgement)

    def reopen(self, case: Case) -> bool:
        """Withdraw the final label of whoever is there; return whether there was one."""
        return adjudication.reopen(self._db, case, self._access.current().rater)

    def _seen(self, dispute: Dispute) -> DisputedCase:
        case = show_case(dispute.comparison, self._access.current().rater)
        final = _in_words(dispute.final, case) if dispute.final else None
        return DisputedCase(case, tuple(_in_words(one, case) for one in dispute.said), final)


def _in_words(one: RaterJudgement, case: Case) -> OneVerdict:
    said = one.judgement
    choice = to_choice(said.verdict, case) or ""
    words = text.verdict_words(choice, said.strength, said.is_acceptable)
    return OneVerdict(one.rater, words, said.reasons, said.rationale)
