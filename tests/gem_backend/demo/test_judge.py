"""The simulated expert: faults counted in chains that are written to have them."""

import random

import pytest

from gem_backend.demo.chains import write_chain, write_slipped_chain
from gem_backend.demo.judge import (
    OUTDATED_FAULTS,
    UNREADABLE_FAULTS,
    count_faults,
    prefers_first,
)
from gem_backend.demo.vignettes import draw_vignette

CASES = [draw_vignette(random.Random(number), "train") for number in range(60)]


@pytest.mark.parametrize("case", CASES)
def test_a_current_faultless_chain_has_no_fault_and_an_outdated_one_its_price(case):
    assert count_faults(case, write_chain(case, case.topic.current)) == 0
    assert count_faults(case, write_chain(case, case.topic.older)) == OUTDATED_FAULTS


@pytest.mark.parametrize("case", CASES)
def test_a_slip_is_found_and_weighs_less_than_an_outdated_score(case):
    current = write_chain(case, case.topic.current)
    slipped = write_slipped_chain(case, case.topic.current, random.Random(0))
    if slipped is None:
        pytest.skip("this case allows no slip")
    assert 0 < count_faults(case, slipped.text) <= OUTDATED_FAULTS
    assert prefers_first(case, current, slipped.text) is True
    assert prefers_first(case, slipped.text, current) is False


def test_equal_answers_are_a_tie_and_nonsense_is_worst():
    case = CASES[0]
    current, older = (write_chain(case, p) for p in (case.topic.current, case.topic.older))
    assert prefers_first(case, current, current) is None
    assert count_faults(case, "Final Answer: 3") == UNREADABLE_FAULTS
    assert prefers_first(case, "I do not know.", older) is False


def test_a_wrong_sum_and_a_wrong_action_are_one_fault_each():
    case = next(
        c for c in CASES if "Total 1.\nFinal Answer: 1, " in write_chain(c, c.topic.current)
    )
    chain = write_chain(case, case.topic.current)
    assert count_faults(case, chain.replace("Final Answer: 1, ", "Final Answer: 1, not ")) == 1
    wrong_sum = chain.replace("Total 1.\nFinal Answer: 1, ", "Total 0.\nFinal Answer: 0, ")
    assert count_faults(case, wrong_sum) in (1, 2)  # the action may be that of 0 points too
