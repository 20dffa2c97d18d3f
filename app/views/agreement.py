"""Agreement among raters and label health as HTML."""

from collections.abc import Iterator
from html import escape
from urllib.parse import quote

from app.desks.agreement import AgreementView
from app.text import agreement as say
from app.text import shortened
from app.text.runs import interval, percent
from app.views import tables
from gem_backend.agreement import PairAgreement, RaterAgreement
from gem_backend.consistency import ContradictedCase
from gem_backend.judged import ShareCheck
from gem_backend.label_health import LabelHealth, TimeCheck
from gem_backend.types import Estimate

_DASH = "\N{EN DASH}"


def agreement_html(view: AgreementView) -> str:
    """Return every coefficient with interval, n and a sentence; undefined ones explain themselves.

    Two raters have Cohen's kappa and Krippendorff's alpha, more have Fleiss' kappa too.
    """
    if view.num_raters < 2:
        return tables.empty(say.ONE_RATER)
    rows = [_coefficient(say.KRIPPENDORFF, view.krippendorff)]
    if view.num_raters > 2:
        rows.insert(0, _coefficient(say.FLEISS, view.fleiss))
    rows += [_of_two(pair) for pair in view.pairs]
    table = tables.table("gem-agreement", say.AGREEMENT_HEAD, rows, say.AGREEMENT_TITLE)
    if len(view.pairs) == view.num_pairs:
        return table
    return f"{table}{_hint(say.most_common_pairs(len(view.pairs), view.num_pairs))}"


def state_html(view: AgreementView | None, is_busy: bool) -> str:
    """Return what is to be said of figures that are missing or outdated; empty for others."""
    if view is None:
        return _hint(say.COMPUTING if is_busy else say.NOT_WORKED_OUT)
    return _hint(say.OUTDATED) if view.is_outdated else ""


def _hint(words: str) -> str:
    return f'<p role="status" class="gem-quiet">{escape(words)}</p>'


def _of_two(pair: PairAgreement) -> str:
    row = _coefficient(say.raters_of(pair.first, pair.second), pair.kappa)
    if pair.raw is None:
        return row
    raw = f"{say.RAW} {percent(pair.raw.value)}"
    return row.replace("</th>", f'<span class="gem-hint">{escape(raw)}</span></th>', 1)


def _coefficient(name: str, found: RaterAgreement) -> str:
    value, span = say.UNDEFINED, _DASH
    if found.estimate is not None:
        value = f"{found.estimate.value:.2f}"
        span = f"{found.estimate.low:.2f} to {found.estimate.high:.2f}"
    return _row(name, value, span, found.n, found.note)


def health_html(view: AgreementView) -> str:
    """Return the checks of the whole project, then those of each rater where there are several."""
    parts = [_health_table(say.ALL_RATERS, view.health.project)]
    if len(view.health.raters) > 1:
        parts += [
            f"<details><summary>{escape(rater)}</summary>{_health_table(rater, checks)}</details>"
            for rater, checks in view.health.raters.items()
        ]
    return "".join(parts)


def _health_table(rater: str, checks: LabelHealth) -> str:
    caption = f"{say.HEALTH_TITLE}: {rater}"
    table = tables.table("gem-health", say.HEALTH_HEAD, _checks(checks), caption)
    return table + _circle(checks) + _contradicted(checks)


def _circle(checks: LabelHealth) -> str:
    example = checks.cycles.example
    if example is None:
        return ""
    answers = "".join(f"<li>{escape(shortened(answer))}</li>" for answer in example.answers)
    return (
        f'<h3 class="gem-subtitle">{say.CYCLE_TITLE}</h3>'
        f'<p class="gem-cases">{say.CYCLE_QUESTION}: “{escape(shortened(example.prompt))}”</p>'
        f'<ol class="gem-cases">{answers}</ol><p class="gem-quiet">{say.CYCLE_ROUND}</p>'
    )


def _contradicted(checks: LabelHealth) -> str:
    if not checks.contradicted:
        return ""
    lines = "".join(f"<li>{escape(_in_words(one))}</li>" for one in checks.contradicted)
    number = checks.contradictions.count - len(checks.contradicted)
    more = f'<p class="gem-quiet">{say.more_cases(number)}</p>' if number else ""
    return (
        f'<h3 class="gem-subtitle">{say.CONTRADICTED_TITLE}</h3>'
        f'<ul class="gem-cases">{lines}</ul>{more}'
    )


def _in_words(one: ContradictedCase) -> str:
    answers = (shortened(one.answer_a), shortened(one.answer_b))
    verdicts = [say.verdict_on(verdict, *answers) for verdict in one.verdicts]
    return say.contradicted(one.rater, shortened(one.prompt), verdicts)


def health_sentence(checks: LabelHealth) -> str:
    """Return what to look at before a run, or that there is nothing, each with n and interval."""
    consistent = (checks.cycles.share, checks.contradictions)
    leaning = (checks.side, checks.length)
    found = [check for check in consistent if check.count]
    found += [check for check in leaning if check.excludes_half]
    known = [check for check in (*consistent, *leaning) if check.estimate is not None]
    if not known:
        return say.HEALTH_UNKNOWN
    lead = say.HEALTH_LOOK if found else say.HEALTH_FINE
    return " ".join([lead, *map(_with_figures, found or known)])


def health_paragraph(project_id: str, checks: LabelHealth) -> str:
    """Return the same with the way to the cases on Data."""
    address = f"?project={quote(project_id, safe='')}&tab=data#label-health"
    sentence = _unbroken(health_sentence(checks))
    return (
        f'<p class="gem-health-line"><b>{say.HEALTH_TITLE}.</b> {sentence} '
        f'<a href="{escape(address)}">{say.HEALTH_PLACE}</a></p>'
    )


def _unbroken(sentence: str) -> str:
    """The sentence as HTML in which no figure is parted from its sign at a line's end."""
    return escape(sentence).replace(" %", "&nbsp;%").replace("n = ", "n&nbsp;=&nbsp;")


def _with_figures(check: ShareCheck) -> str:
    figure = check.estimate
    if figure is None:
        return check.note
    return f"{check.note.removesuffix('.')} ({percent(figure.value)}, {interval(figure)})."


def _checks(checks: LabelHealth) -> Iterator[str]:
    yield _share(say.CYCLES, checks.cycles.share)
    yield _share(say.CONTRADICTIONS, checks.contradictions)
    yield _share(say.SIDE, checks.side)
    yield _share(say.LENGTH, checks.length)
    yield _share(say.STYLE, checks.style_only)
    yield _time(checks.time)


def _share(name: str, check: ShareCheck) -> str:
    value, span = _DASH, _DASH
    if check.estimate is not None:
        value = percent(check.estimate.value)
        span = f"{100 * check.estimate.low:.0f} to {percent(check.estimate.high)}"
    return _row(name, value, span, check.n, check.note)


def _time(check: TimeCheck) -> str:
    value, span = _DASH, _DASH
    if check.median_s is not None:
        value, span = f"{check.median_s.value:.0f} s", _seconds(check.median_s)
    return _row(say.TIME, value, span, check.n, check.note)


def _seconds(figure: Estimate) -> str:
    return f"{figure.low:.0f} to {figure.high:.0f} s"


def _row(name: str, value: str, span: str, n: int, note: str) -> str:
    return (
        f'<tr><th scope="row">{escape(name)}</th><td class=gem-num><b>{escape(value)}</b></td>'
        f"<td class=gem-num>{escape(span)}</td><td class=gem-num>{n:,}</td>"
        f"<td>{escape(note)}</td></tr>"
    )
