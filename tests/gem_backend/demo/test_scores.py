"""Published weights and cut-offs, checked against patients worked out by hand from the sources."""

import pytest

from gem_backend.demo.published import (
    DEEP_VEIN_THROMBOSIS,
    PNEUMONIA,
    PULMONARY_EMBOLISM,
    SEPSIS,
    SLEEP_APNOEA,
    SORE_THROAT,
    STROKE_IN_AF,
    TOPICS,
)
from gem_backend.demo.scores import action_for, final_answer, total_points


def test_stroke_scores_of_a_76_year_old_with_everything():
    """All criteria met at age 76.

    CHADS2: C1 + H1 + A1 + D1 + S2 = 6 (its maximum).
    CHA2DS2-VA: C1 + H1 + A2 + D1 + S2 + V1 = 8 (its maximum).
    """
    patient = dict.fromkeys(
        ("heart_failure", "hypertension", "diabetes", "stroke", "vascular_disease"), 1.0
    )
    patient["age"] = 76.0

    assert final_answer(STROKE_IN_AF.older, patient) == "6, warfarin"
    assert final_answer(STROKE_IN_AF.current, patient) == "8, anticoagulate"


@pytest.mark.parametrize(
    ("age", "older", "current"),
    [
        (64, "0, aspirin", "0, no anticoagulant"),
        (65, "0, aspirin", "1, consider anticoagulant"),
        (74, "0, aspirin", "1, consider anticoagulant"),
        (75, "1, aspirin or warfarin", "2, anticoagulate"),
    ],
)
def test_stroke_scores_count_age_alone_as_published(age, older, current):
    """Age only. CHADS2: 1 from 75. CHA2DS2-VA: 1 from 65 to 74, 2 from 75; sex never counts."""
    patient = {"age": float(age)}

    assert final_answer(STROKE_IN_AF.older, patient) == older
    assert final_answer(STROKE_IN_AF.current, patient) == current


def test_pneumonia_scores_at_their_limits():
    """Age 65, alert, urea 7 (not above 7), RR 30 (30 or more), BP 90/60 (diastolic 60 or less).

    CURB: urea 0 + RR 1 + BP 1 = 2, severe. CURB-65: the same 2 + age 1 = 3, severe.
    """
    patient = {"age": 65.0, "urea": 7.0, "rr": 30.0, "sbp": 90.0, "dbp": 60.0}

    assert final_answer(PNEUMONIA.older, patient) == "2, treat as severe"
    assert final_answer(PNEUMONIA.current, patient) == "3, treat as severe"


def test_pneumonia_scores_of_a_younger_patient():
    """Age 64, confused (1), urea 8 (1), RR 29 (0), BP 90/61 (0): 2 in both, severe in CURB only."""
    patient = {"age": 64.0, "confusion": 1.0, "urea": 8.0, "rr": 29.0, "sbp": 90.0, "dbp": 61.0}

    assert final_answer(PNEUMONIA.older, patient) == "2, treat as severe"
    assert final_answer(PNEUMONIA.current, patient) == "2, treat in hospital"


def test_wells_dvt_scores_after_surgery_eight_weeks_ago():
    """Surgery 8 weeks ago, previous DVT, pitting oedema.

    1997: surgery only within 4 weeks, previous DVT no criterion: oedema 1, moderate.
    2003: surgery within 12 weeks 1 + previous DVT 1 + oedema 1 = 3, likely.
    """
    patient = {"surgery_within_12_weeks": 1.0, "previous_dvt": 1.0, "pitting_oedema": 1.0}

    assert final_answer(DEEP_VEIN_THROMBOSIS.older, patient) == "1, moderate, repeat ultrasound"
    assert final_answer(DEEP_VEIN_THROMBOSIS.current, patient) == "3, likely, ultrasound"


def test_wells_dvt_scores_subtract_two_for_another_diagnosis():
    """Cancer 1 + tender veins 1 + calf 1 = 3 (high, likely); another diagnosis - 2 = 1."""
    patient = {"active_cancer": 1.0, "vein_tenderness": 1.0, "calf_swollen": 1.0}
    assert final_answer(DEEP_VEIN_THROMBOSIS.older, patient) == "3, high, venography if negative"

    patient["other_diagnosis"] = 1.0
    assert final_answer(DEEP_VEIN_THROMBOSIS.older, patient) == "1, moderate, repeat ultrasound"
    assert final_answer(DEEP_VEIN_THROMBOSIS.current, patient) == "1, unlikely, D-dimer"


def test_geneva_scores_of_a_patient_with_everything():
    """All criteria met, pulse 95.

    Revised: age 1 + VTE 3 + surgery 2 + cancer 2 + leg pain 3 + haemoptysis 2 + pulse 5 + leg 4
    = 22 (its maximum). Simplified: 1 each and 2 for the pulse = 9 (its maximum).
    """
    signs = (
        "previous_vte",
        "surgery_within_1_month",
        "active_cancer",
        "leg_pain",
        "haemoptysis",
        "leg_tender_swollen",
    )
    patient = {**dict.fromkeys(signs, 1.0), "age": 66.0, "hr": 95.0}

    assert final_answer(PULMONARY_EMBOLISM.older, patient) == "22, high, CT"
    assert final_answer(PULMONARY_EMBOLISM.current, patient) == "9, likely, CT"


@pytest.mark.parametrize(
    ("hr", "older", "current"), [(74, 0, 0), (75, 3, 1), (94, 3, 1), (95, 5, 2)]
)
def test_geneva_scores_count_the_pulse_as_published(hr, older, current):
    """Age 65 does not count (over 65 does). Pulse 75 to 94: 3 and 1; 95 or more: 5 and 2."""
    patient = {"age": 65.0, "hr": float(hr)}

    assert total_points(PULMONARY_EMBOLISM.older, patient) == older
    assert total_points(PULMONARY_EMBOLISM.current, patient) == current


def test_sepsis_scores_disagree_on_a_fast_pulse_and_fever():
    """Temperature 38.2 (1), pulse 91 (1), RR 21 (1), WBC 12 (0); BP 101, alert.

    SIRS: 3, sepsis. qSOFA: RR 21 (0, needs 22) + alert 0 + BP 101 (0, needs 100) = 0.
    """
    patient = {"temperature": 38.2, "hr": 91.0, "rr": 21.0, "wbc": 12.0, "sbp": 101.0, "dbp": 70.0}

    assert final_answer(SEPSIS.older, patient) == "3, sepsis"
    assert final_answer(SEPSIS.current, patient) == "0, keep monitoring"


def test_sepsis_scores_count_low_values():
    """Temperature 35.8 (1), pulse 90 (0), RR 22 (1), WBC 3 (1); BP 100, confused.

    SIRS: 3, sepsis. qSOFA: RR 1 + confusion 1 + BP 1 = 3.
    """
    patient = {"temperature": 35.8, "hr": 90.0, "rr": 22.0, "wbc": 3.0, "sbp": 100.0, "dbp": 60.0}
    patient["confusion"] = 1.0

    assert final_answer(SEPSIS.older, patient) == "3, sepsis"
    assert final_answer(SEPSIS.current, patient) == "3, check organ failure"


@pytest.mark.parametrize(
    ("age", "older", "current"),
    [
        (14, "4, antibiotic", "5, consider antibiotic"),
        (15, "4, antibiotic", "4, consider antibiotic"),
        (44, "4, antibiotic", "4, consider antibiotic"),
        (45, "4, antibiotic", "3, throat culture"),
    ],
)
def test_throat_scores_differ_by_age(age, older, current):
    """All four Centor criteria are met: 4. McIsaac adds 1 up to age 14, takes 1 from age 45."""
    signs = ("exudate", "tender_nodes", "fever", "cough_absent")
    patient = {**dict.fromkeys(signs, 1.0), "age": float(age)}

    assert final_answer(SORE_THROAT.older, patient) == older
    assert final_answer(SORE_THROAT.current, patient) == current


def test_mcisaac_can_be_negative():
    """No criterion at age 60: 0 - 1 = -1, nothing to do."""
    assert final_answer(SORE_THROAT.current, {"age": 60.0}) == "-1, no antibiotic"


def test_apnoea_scores_of_a_large_man():
    """Snores 1, hypertension 1: STOP 2, high risk.

    STOP-Bang adds BMI 36 (1), age 51 (1), neck 41 (1), male (1): 6, high risk.
    """
    patient = {"snoring": 1.0, "hypertension": 1.0, "bmi": 36.0, "age": 51.0, "neck": 41.0}
    patient["male"] = 1.0

    assert final_answer(SLEEP_APNOEA.older, patient) == "2, high risk"
    assert final_answer(SLEEP_APNOEA.current, patient) == "6, high risk"


def test_apnoea_scores_at_their_limits():
    """Woman, tired 1, apnoea seen 1, BMI 35, age 50, neck 40: none of the last three is above."""
    patient = {"tired": 1.0, "observed_apnoea": 1.0, "bmi": 35.0, "age": 50.0, "neck": 40.0}

    assert final_answer(SLEEP_APNOEA.older, patient) == "2, high risk"
    assert final_answer(SLEEP_APNOEA.current, patient) == "2, low risk"


def test_every_protocol_names_its_source_and_rising_cut_offs():
    for topic in TOPICS:
        for protocol in (topic.older, topic.current):
            limits = [cut_off.at_least for cut_off in protocol.cut_offs]
            assert limits == sorted(set(limits))
            assert any(character.isdigit() for character in protocol.source)


def test_a_total_below_the_first_cut_off_gets_its_action():
    assert action_for(DEEP_VEIN_THROMBOSIS.older, -3) == "low, single ultrasound"
