from html import escape

from app.desks.agreement import agreement_view
from app.text import agreement as say
from app.views.agreement import agreement_html, health_html
from gem_backend.label_health import JudgedCase

HOSTILE = "<img src=x onerror=alert(1)>"


def ratings(*verdicts):
    """One case for each word; a letter of it for each rater."""
    return [
        (f"case {number}", f"rater {place}", letter)
        for number, word in enumerate(verdicts)
        for place, letter in enumerate(word)
    ]


def test_one_rater_has_nothing_to_agree_with():
    assert say.ONE_RATER in agreement_html(agreement_view(ratings("a", "b")))
    assert say.ONE_RATER in agreement_html(agreement_view([]))


def test_two_raters_have_cohens_kappa_with_interval_and_n():
    """Both say a, a, b, b but for one of eight cases: po 7/8, pe 1/2, kappa 3/4."""
    html = agreement_html(agreement_view(ratings("aa", "aa", "aa", "aa", "bb", "bb", "bb", "ba")))
    assert escape(say.raters_of("rater 0", "rater 1")) in html
    assert "<b>0.75</b>" in html
    assert f"{say.RAW} 88" in html
    assert escape(say.FLEISS) not in html


def test_three_raters_have_fleiss_kappa_too():
    html = agreement_html(agreement_view(ratings("aaa", "bbb", "aab")))
    assert escape(say.FLEISS) in html
    assert html.count(escape(say.COHEN)) == 3


def test_an_undefined_figure_says_why():
    html = agreement_html(agreement_view(ratings("aa", "aa")))
    assert f"<b>{say.UNDEFINED}</b>" in html
    assert "same" in html


def test_a_raters_name_is_text_and_nothing_else():
    said = [("1", HOSTILE, "a"), ("1", "bob", "a"), ("2", HOSTILE, "b"), ("2", "bob", "a")]
    cases = [JudgedCase(case, "Q", "yes", "no", rater, verdict) for case, rater, verdict in said]
    view = agreement_view(said, cases)
    for html in (agreement_html(view), health_html(view)):
        assert "<img" not in html
        assert "&lt;img" in html


def test_health_has_every_check_for_all_and_for_each_rater():
    cases = [
        JudgedCase("1", "Q", "yes", "no", rater, "a", left="a", elapsed_s=4.0)
        for rater in ("ann", "bob")
    ]
    html = health_html(agreement_view([], cases))
    checks = (say.CYCLES, say.CONTRADICTIONS, say.SIDE, say.LENGTH, say.STYLE, say.TIME)
    assert [html.count(check) for check in checks] == [3] * 6
    assert "<summary>ann</summary>" in html
