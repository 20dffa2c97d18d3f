"""The label log as an admin reads it: found by rater, kind, question and day, a page at a time."""

from datetime import UTC, date, datetime, timedelta
from typing import cast

from app.records import LogAsked, LogLine, LogPart
from app.text import audit as say
from app.text import local_time
from gem_backend.errors import DataError
from gem_backend.types import LabelKind
from storage import audit
from storage.audit import PAGE_EVENTS, LogFilter, LoggedEvent
from storage.database import Database
from storage.pairs import Judgement


def read_log(db: Database, project_id: str, asked: LogAsked, place: int = 0) -> LogPart:
    """Return one page of a project's log.

    Args:
        db: the open database.
        project_id: the project.
        asked: which events.
        place: which page, 0 for the newest; one past the end is the last.

    Raises:
        DataError: a day cannot be read.
    """
    sought = LogFilter(
        rater=asked.rater,
        kind=cast(LabelKind, asked.kind),
        question=asked.question.strip(),
        since=_moment(asked.since, 0),
        until=_moment(asked.until, 1),
    )
    raters = tuple(audit.raters_in_log(db, project_id))
    found = audit.log_page(db, project_id, sought, offset=place * PAGE_EVENTS)
    if place and not found.events:
        place = max(0, (found.total - 1) // PAGE_EVENTS)
        found = audit.log_page(db, project_id, sought, offset=place * PAGE_EVENTS)
    lines = tuple(_line(event) for event in found.events)
    return LogPart(lines, place, place * PAGE_EVENTS + 1, found.total, raters)


def _moment(typed: str, days_later: int) -> str:
    """When a day begins on this machine's calendar, in UTC as the log has it; empty for none."""
    if not typed.strip():
        return ""
    try:
        day = date.fromisoformat(typed.strip()) + timedelta(days=days_later)
        begins = datetime(day.year, day.month, day.day).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise DataError(say.no_day(typed.strip())) from error
    return begins.isoformat(timespec="microseconds")


def _line(event: LoggedEvent) -> LogLine:
    notes = ((event.is_imported, say.IMPORTED), (event.is_part, say.PART))
    return LogLine(
        moment=local_time(event.created_at),
        rater=event.rater,
        done=say.done_words(event.kind, event.is_final),
        notes=tuple(words for holds, words in notes if holds),
        prompt=event.prompt,
        answer_a=event.answer_a,
        answer_b=event.answer_b,
        before=_words(event.before),
        after=_words(event.after),
    )


def _words(said: Judgement | None) -> tuple[str, str]:
    if said is None:
        return say.NO_LABEL, ""
    verdict = say.verdict_words(said.verdict, said.strength, said.is_acceptable)
    return verdict, ". ".join(filter(None, (", ".join(said.reasons), said.rationale)))
