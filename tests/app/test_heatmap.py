import math
import re

import numpy as np
import pytest

from app.look import style
from app.ordering import Weighing
from app.views.heatmap import (
    FALL_DARK,
    FALL_LIGHT,
    LEVELS,
    RAMP_DARK,
    RAMP_LIGHT,
    RISE_DARK,
    RISE_LIGHT,
    SCALE_MAX_NATS,
    WINDOW_TOKENS,
    difference_level,
    fork_units,
    heat,
    ink,
    legend_html,
    level,
    luminance,
    ramp,
    units,
    window_entropy,
)
from app.views.rankings import agreement_html, ranking
from app.views.trace import entropy_trace, trace_title
from gem_backend.config import ScoringConfig
from gem_backend.types import Candidate, Provenance, Span, Spans
from tests.app.fakes import GOOD, POOR, make_candidate

HOSTILE = (
    "${alert(1)}",
    "`",
    "<img src=x onerror=alert(1)>",
    r"\frac{a}{b}",
    r"\u12",
    "שלום",
    "{{value}}",
    "</script>",
    "&amp;",
)


def tiny(texts, entropies=None, spans=None, is_finished=False):
    count = len(texts)
    return Candidate(
        candidate_id="c",
        prompt="q",
        text="".join(texts),
        answer="",
        token_ids=tuple(range(count)),
        token_texts=tuple(texts),
        token_entropy=tuple(entropies or [0.5] * count),
        token_logprob=(math.log(0.5),) * count,
        top_tokens=tuple(f"{t}{rank}" for t in range(count) for rank in range(5)),
        top_probs=(0.5, 0.2, 0.1, 0.1, 0.1) * count,
        spans=spans or Spans(Span(0, count - 1), Span(count - 1, count), True),
        is_finished=is_finished,
        provenance=Provenance("demo", None, 0, 0.9, 1.0),
    )


def test_texts_reach_the_browser_unchanged():
    drawn = heat(tiny(HOSTILE))
    assert tuple(drawn["texts"]) == HOSTILE


def test_units_concatenate_to_the_text():
    candidate = make_candidate(GOOD)
    assert "".join(unit.text for unit in units(candidate.token_texts)) == candidate.text


def test_byte_pieces_join_the_token_that_completes_the_character():
    drawn = heat(tiny(["a", "", "", "é", "b"], [0.1, 0.2, 1.5, 0.3, 0.4]))
    assert drawn["texts"] == ["a", "é", "b"]
    assert drawn["pieces"] == [1, 3, 1]
    assert drawn["entropy"] == [0.1, 1.5, 0.4]
    assert drawn["probability"][1] == 0.125  # three pieces of one half each


def test_joined_pieces_show_the_alternatives_of_the_least_sure_piece():
    drawn = heat(tiny(["", "é", "b"], [0.2, 1.5, 0.3]))
    first_five = [drawn["words"][index] for index in drawn["tops"][:5]]
    assert first_five == ["10", "11", "12", "13", "14"]


def test_parts_name_reasoning_marker_answer_and_end():
    spans = Spans(Span(0, 2), Span(3, 4), True)
    drawn = heat(tiny(["a", "b", "Final Answer:", "5", ""], spans=spans, is_finished=True))
    assert drawn["parts"] == "ccmfe"


def test_pieces_left_over_at_the_length_limit_are_marked_cut():
    drawn = heat(tiny(["a", "b", ""], spans=Spans(Span(0, 1), Span(1, 2), True)))
    assert drawn["parts"] == "cfx"


def test_end_token_stays_apart_from_pieces_before_it():
    drawn = heat(tiny(["a", "", ""], spans=Spans(Span(0, 1), Span(1, 2), True), is_finished=True))
    assert drawn["pieces"] == [1, 1, 1]


def test_fork_tokens_become_places_of_units():
    assert fork_units(tiny(["a", "", "é", "b"]), (1, 3)) == [1, 2]


def test_a_window_is_the_mean_of_a_token_and_those_after_it():
    """Width 3 over 0, 3, 6, 0: (0+3+6)/3, (3+6+0)/3, (6+0)/2, 0."""
    assert window_entropy([0.0, 3.0, 6.0, 0.0], 3) == [3.0, 3.0, 3.0, 0.0]
    entropy = np.random.default_rng(0).gamma(0.5, 1.0, 50)
    naive = [entropy[at : at + WINDOW_TOKENS].mean() for at in range(50)]
    np.testing.assert_allclose(window_entropy(entropy.tolist()), naive, atol=1e-12)
    assert window_entropy([]) == []


def test_a_phase_is_the_mean_of_its_tokens_and_the_marker_has_none():
    """Reasoning 0.2 and 0.4, marker 9, answer 1: means 0.3 and 1; ln 8 is the whole ramp."""
    candidate = tiny(
        ["a", "b", "Final Answer:", "5"],
        [0.2, 0.4, 9.0, 1.0],
        spans=Spans(Span(0, 2), Span(3, 4), True),
    )
    drawn = heat(candidate)
    assert drawn["phases"] == {"c": 0.3, "f": 1.0}
    assert drawn["levels"]["phase"] == [3, 3, 0, 8]


def test_levels_of_what_was_written_are_those_of_its_probability():
    """Three pieces of one half each are 1 in 8: the top of the ramp; one half is a third of it."""
    drawn = heat(tiny(["a", "", "", "é"], [0.0, 0.0, 0.0, 0.0]))
    assert drawn["levels"]["surprise"] == [6, LEVELS]
    assert drawn["levels"]["token"] == [0, 0]


@pytest.mark.parametrize(
    ("entropy", "expected"),
    [
        (0.0, 0),
        (0.0999, 0),
        (0.1, 1),
        (SCALE_MAX_NATS / 2, LEVELS // 2),
        (SCALE_MAX_NATS, LEVELS),
        (11.0, LEVELS),
        (math.nan, 0),
    ],
)
def test_levels_are_fixed_steps_in_nats(entropy, expected):
    assert level(entropy) == expected


@pytest.mark.parametrize("stops", [RAMP_LIGHT, RAMP_DARK])
def test_text_on_every_tint_has_aa_contrast(stops):
    for step in range(LEVELS):
        fill = ramp(stops, step / (LEVELS - 1))
        light, dark = sorted((luminance(fill), luminance(ink(fill))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize(("stops", "sign"), [(RAMP_LIGHT, -1), (RAMP_DARK, 1)])
def test_lightness_moves_one_way_along_the_ramp(stops, sign):
    values = [sign * luminance(ramp(stops, step / (LEVELS - 1))) for step in range(LEVELS)]
    assert values == sorted(values)


def test_style_sheet_tints_every_level_in_light_and_dark():
    rules = style()
    assert all(rules.count(f".h{step}{{") == 2 for step in range(1, LEVELS + 1))


def legend(shown):
    """The scale of one of the things that the colour can show."""
    return re.search(f'<figure class="gs-legend gs-of-{shown}">.*?</figure>', legend_html())[0]


def test_legend_gives_choices_and_nats():
    assert "2 choices<small>0.7</small>" in legend("entropy")
    assert "below 0.1 nothing is tinted" in legend("entropy")


def test_legend_of_what_was_written_gives_probabilities_and_nats():
    """A probability of 1 in 4 is ln 4 = 1.4 nats; exp(-0.1) is 90 %."""
    assert "1 in 4<small>1.4</small>" in legend("surprise")
    assert "1 in 8 or less<small>2.1</small>" in legend("surprise")
    assert "below 0.1, which is over 90 %, nothing is tinted" in legend("surprise")
    assert "choices" not in legend("surprise")


def test_legend_of_a_difference_runs_from_surer_to_less_sure_in_nats():
    """Its ends are ln 4 = 1.4 nats; all levels are on it, and a cue beside the colour in words."""
    drawn = legend("difference")
    fills = re.findall(r'<i class="(\w+)">', drawn)
    assert fills == [f"l{step}" for step in range(8, 0, -1)] + [f"g{step}" for step in range(1, 9)]
    assert re.findall(r"<small>(.*?)</small>", drawn) == ["−1.4", "−0.7", "0", "+0.7", "+1.4"]  # noqa: RUF001
    assert re.findall(r"left:([\d.]+)%", drawn) == ["0.0", "25.0", "50.0", "75.0", "100.0"]
    assert '<span class="l8">surer: dots</span>' in drawn
    assert '<span class="g8">less sure: double line</span>' in drawn
    assert "in nats" in drawn


def test_cards_come_best_first_with_both_terms():
    group = [
        tiny(["a", "b", "c"], [0.2, 0.2, 1.0]),
        tiny(["a", "b", "c"], [0.2, 1.2, 0.1]),
    ]
    group = [
        Candidate(**{**{f: getattr(c, f) for f in c.__slots__}, "candidate_id": f"c{i}"})
        for i, c in enumerate(group)
    ]
    shown = ranking(group, Weighing(ScoringConfig(lambda_fork=2.0, top_m=0.5)))
    best = shown["cards"]["c1"]
    assert shown["order"] == ["c1", "c0"]
    # -0.1 + 2 x 1.2, by hand
    assert (best["rank"], best["score"]) == ("Rank 1 of 2", "S = +2.30 nats")
    assert best["terms"] == ["Answer: −0.10 (surer is higher)", "Forks: +2.40 = 2.0 × 1.20"]  # noqa: RUF001
    assert best["peaks"] == [1]


def test_uncommitted_candidate_says_so():
    candidate = make_candidate(POOR.replace("Final Answer:", "So"))
    card = ranking([candidate], Weighing(ScoringConfig()))["cards"][candidate.candidate_id]
    assert "no committed answer" in card["badges"]


def test_agreement_quotes_the_common_answer_escaped():
    answers = ["<b>5</b>", "<b>5</b>", "<i>4</i>", "4?", "4?"]
    group = [make_candidate(f"x\nFinal Answer: {a}", i, f"c{i}") for i, a in enumerate(answers)]
    agree = '<h2 class="gs-agreement">2 of 5 answers agree: <q>&lt;b&gt;5&lt;/b&gt;</q></h2>'
    assert agreement_html(group) == (
        f'{agree}<p class="gem-quiet">The others: <bdi>4?</bdi> (2); '
        "<bdi>&lt;i&gt;4&lt;/i&gt;</bdi> (1)</p>"
    )
    unsaid = [make_candidate("no answer", 9, "c9")]
    assert agreement_html(group[:2] + unsaid).endswith("The others: no committed answer (1)</p>")
    assert agreement_html(group[:2]) == agree.replace("2 of 5", "2 of 2")


def test_trace_shades_the_answer_and_marks_the_forks():
    candidate = tiny(["a", "b", "c", "d"], [0.1, 2.0, 0.3, 0.2])
    figure = entropy_trace(candidate, (1,), "Rank 1 of 1")
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (3.5, 4.5)
    assert list(figure.data[1].x) == [2]
    assert figure.layout.yaxis.title.text == "entropy (nats)"


def test_trace_title_states_the_finding_with_n():
    candidate = tiny(["a", "b", "c", "d"], [0.1, 2.0, 0.3, 0.2])
    assert trace_title(candidate, "Rank 1 of 1") == (
        "Rank 1 of 1: least sure at “b” (2.0 nats)<br>The answer averages 0.20 nats (n = 1 tokens)"
    )


def test_trace_escapes_tokens():
    candidate = tiny(["a", "<a href='javascript:1'>", "c"], [0.1, 2.0, 0.1])
    figure = entropy_trace(candidate, (), "x")
    assert "<a" not in figure.layout.title.text
    assert not any("<" in label for label in figure.data[0].customdata)


@pytest.mark.parametrize(
    ("nats", "step"),
    [
        (0.0, 0),
        (0.09, 0),
        (-0.09, 0),
        (0.1, 1),
        (-0.1, -1),
        (0.18, 2),
        (-0.7, -5),
        (1.38, 8),
        (-9, -8),
    ],
)
def test_a_difference_has_eight_steps_each_way_up_to_ln_4(nats, step):
    """A step is ln 4 / 8 = 0.173 nats, so 0.18 begins the second and 0.7 the fifth."""
    assert difference_level(nats) == step


def test_a_card_read_by_another_model_shows_what_changes():
    """The second unit holds two tokens: 1.5 at most, then 0.4, so it falls by 1.1 nats."""
    texts, before, after = ["a", "", "é", "b"], [0.1, 0.2, 1.5, 0.3], [0.1, 0.4, 0.3, 1.0]
    drawn = heat(tiny(texts, before), tiny(texts, after))
    assert drawn["other"] == [0.1, 0.4, 1.0]
    assert drawn["levels"]["difference"] == [0, -7, 5]
    assert heat(tiny(texts, before))["other"] == []
    assert "difference" not in heat(tiny(texts, before))["levels"]


@pytest.mark.parametrize("stops", [RISE_LIGHT, RISE_DARK, FALL_LIGHT, FALL_DARK])
def test_words_on_a_difference_can_be_read_and_more_stands_out_more(stops):
    fills = [ramp(stops, step / 7) for step in range(8)]
    for fill in fills:
        light, dark = sorted((luminance(fill), luminance(ink(fill))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
    values = [luminance(fill) for fill in fills]
    assert values in (sorted(values), sorted(values, reverse=True))
