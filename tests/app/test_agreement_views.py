from html import escape

import pytest

from app.desks.agreement import agreement_view
from app.text import agreement as say
from app.views.agreement import agreement_html, health_html, health_sentence
from gem_backend.judged import JudgedCase

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


def circle(rater="ann", prompt=HOSTILE):
    """Rest is better than aspirin, which is better than tea, which is better than rest."""
    around = ("Rest.", "Aspirin.", HOSTILE)
    for better, worse in zip(around, around[1:] + around[:1], strict=True):
        yield JudgedCase(better, prompt, better, worse, rater, "a")


def again(number, verdicts, rater="bob"):
    """One case that a rater judged several times."""
    for verdict in verdicts:
        yield JudgedCase(f"p{number}", f"Q{number}", "Yes.", HOSTILE, rater, verdict)


def test_health_shows_one_circle_from_the_first_answer_round():
    html = health_html(agreement_view([], [*circle()]))
    shown = html[html.index(say.CYCLE_TITLE) :]
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "<img" not in html
    assert shown.count("<li>") == 3
    around = "".join(shown.split("<li>")[1:] * 2)
    assert around.index("Rest.") < around.index("Aspirin.", around.index("Rest."))
    assert "Rest.</li>Aspirin.</li>&lt;img" in around
    assert say.CYCLE_ROUND in shown
    assert say.CYCLE_TITLE not in health_html(agreement_view([], [*again(1, "aa")]))


def test_health_lists_ten_contradicted_cases_and_counts_the_others():
    cases = [one for number in range(12) for one in again(number, ("a", "b", "tie"))]
    html = health_html(agreement_view([], cases))
    assert "and 2 more" in html
    first = say.contradicted(
        "bob", "Q0", ["preferred “Yes.”", f"preferred “{HOSTILE}”", "found both equally good"]
    )
    assert escape(first) in html
    assert html.count("<li>") == 10
    assert "and " not in health_html(agreement_view([], [*again(1, "ab")])).split("<ul")[1]


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ([], [say.HEALTH_UNKNOWN]),
        (
            [*again(1, "ab"), *again(2, "aa")],
            ["changed for 1 of 2 pairs", "50 %, 95 % interval 9 to 91 %", say.HEALTH_LOOK],
        ),
        ([*circle(prompt="Q")], ["in a circle in 1 of 1 prompts", say.HEALTH_LOOK]),
        (
            [JudgedCase(f"{n}", f"{n}", "yes", "no", "ann", "a", left="a") for n in range(20)],
            ["left was preferred in 20 of 20", "longer answer was preferred in 20 of 20"],
        ),
        (
            [JudgedCase(f"{n}", f"{n}", "yes", "no!", "ann", "ab"[n % 2], left="a")
             for n in range(20)],
            [say.HEALTH_FINE, "left was preferred in 10 of 20", "50 %, 95 % interval 30 to 70 %"],
        ),
    ],
)  # fmt: skip
def test_health_in_a_sentence_says_what_to_look_at_with_n_and_interval(cases, words):
    sentence = health_sentence(agreement_view([], cases).health.project)
    assert [word for word in words if word not in sentence] == []


def test_health_has_every_check_for_all_and_for_each_rater():
    cases = [
        JudgedCase("1", "Q", "yes", "no", rater, "a", left="a", elapsed_s=4.0)
        for rater in ("ann", "bob")
    ]
    html = health_html(agreement_view([], cases))
    checks = (say.CYCLES, say.CONTRADICTIONS, say.SIDE, say.LENGTH, say.STYLE, say.TIME)
    assert [html.count(check) for check in checks] == [3] * 6
    assert "<summary>ann</summary>" in html
