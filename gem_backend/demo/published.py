"""Seven clinical questions, each with an older and a current published score.

Weights and cut-offs are those of the cited sources; labels are shortened. `older` and `current`
say which form came first and which one replaced it in the cited guideline, nothing more.

For teaching the method only. Not a medical device, and not for clinical use.
"""

from gem_backend.demo.scores import (
    Condition,
    CutOff,
    Protocol,
    Topic,
    measured,
    sign,
)

_HEART_FAILURE = sign("heart failure", 1, "heart_failure")
_HYPERTENSION = sign("hypertension", 1, "hypertension")
_DIABETES = sign("diabetes", 1, "diabetes")
_STROKE_OR_TIA = sign("stroke or TIA", 2, "stroke")

STROKE_IN_AF = Topic(
    key="af",
    title="Stroke risk in atrial fibrillation",
    older=Protocol(
        name="CHADS2 (2001)",
        criteria=(
            _HEART_FAILURE,
            _HYPERTENSION,
            measured("age {age:g}", Condition("age", 1, low=75)),
            _DIABETES,
            _STROKE_OR_TIA,
        ),
        cut_offs=(
            CutOff(0, "aspirin"),
            CutOff(1, "aspirin or warfarin"),
            CutOff(2, "warfarin"),
        ),
        source=(
            "Weights: Gage et al., JAMA 2001;285:2864. "
            "Treatment: Fuster et al., ACC/AHA/ESC guideline, Circulation 2006;114:e257."
        ),
    ),
    current=Protocol(
        name="CHA2DS2-VA (2024)",
        criteria=(
            _HEART_FAILURE,
            _HYPERTENSION,
            measured("age {age:g}", Condition("age", 2, low=75), Condition("age", 1, low=65)),
            _DIABETES,
            _STROKE_OR_TIA,
            sign("vascular disease", 1, "vascular_disease"),
        ),
        cut_offs=(
            CutOff(0, "no anticoagulant"),
            CutOff(1, "consider anticoagulant"),
            CutOff(2, "anticoagulate"),
        ),
        source=(
            "Van Gelder et al., ESC guideline on atrial fibrillation, Eur Heart J 2024;45:3314: "
            "recommended at 2 or more (class I), should be considered at 1 (class IIa)."
        ),
    ),
)

_CURB_CRITERIA = (
    sign("confusion", 1, "confusion"),
    measured("urea {urea:g}", Condition("urea", 1, low=7.1)),
    measured("RR {rr:g}", Condition("rr", 1, low=30)),
    measured(
        "BP {sbp:g}/{dbp:g}",
        Condition("sbp", 1, low=0, high=89),
        Condition("dbp", 1, low=0, high=60),
    ),
)

PNEUMONIA = Topic(
    key="pneumonia",
    title="Severity of community-acquired pneumonia",
    older=Protocol(
        name="CURB (2001)",
        criteria=_CURB_CRITERIA,
        cut_offs=(CutOff(0, "treat as non-severe"), CutOff(2, "treat as severe")),
        source=(
            "British Thoracic Society guideline, Thorax 2001;56 Suppl IV:iv1 (severe at two or "
            "more of four core features), after Neill et al., Thorax 1996;51:1010."
        ),
    ),
    current=Protocol(
        name="CURB-65 (2003)",
        criteria=(*_CURB_CRITERIA, measured("age {age:g}", Condition("age", 1, low=65))),
        cut_offs=(
            CutOff(0, "treat at home"),
            CutOff(2, "treat in hospital"),
            CutOff(3, "treat as severe"),
        ),
        source=(
            "Lim et al., Thorax 2003;58:377; kept by the British Thoracic Society guideline, "
            "Thorax 2009;64 Suppl III:iii1. Urea in mmol/L, above 7."
        ),
    ),
)

_WELLS_START = (
    sign("cancer", 1, "active_cancer"),
    sign("leg immobilised", 1, "leg_immobilised", absent="leg mobile"),
)
_WELLS_LEG = (
    sign("tender veins", 1, "vein_tenderness"),
    sign("whole leg swollen", 1, "whole_leg_swollen", absent="leg not swollen"),
    sign("calf +3 cm", 1, "calf_swollen", absent="calf equal"),
    sign("pitting", 1, "pitting_oedema"),
    sign("collaterals", 1, "collateral_veins"),
)
_WELLS_ALTERNATIVE = sign("other diagnosis", -2, "other_diagnosis")

DEEP_VEIN_THROMBOSIS = Topic(
    key="dvt",
    title="Probability of deep vein thrombosis",
    older=Protocol(
        name="Wells DVT (1997)",
        criteria=(
            *_WELLS_START,
            sign("bed rest or surgery", 1, "bedridden", "surgery_within_4_weeks"),
            *_WELLS_LEG,
            _WELLS_ALTERNATIVE,
        ),
        cut_offs=(
            CutOff(-2, "low, single ultrasound"),
            CutOff(1, "moderate, repeat ultrasound"),
            CutOff(3, "high, venography if negative"),
        ),
        source=(
            "Wells et al., Lancet 1997;350:1795: surgery within 4 weeks; low at 0 or less, "
            "moderate at 1 or 2, high at 3 or more."
        ),
    ),
    current=Protocol(
        name="Wells DVT (2003)",
        criteria=(
            *_WELLS_START,
            sign(
                "bed rest or surgery",
                1,
                "bedridden",
                "surgery_within_4_weeks",
                "surgery_within_12_weeks",
            ),
            *_WELLS_LEG,
            sign("previous DVT", 1, "previous_dvt"),
            _WELLS_ALTERNATIVE,
        ),
        cut_offs=(CutOff(-2, "unlikely, D-dimer"), CutOff(2, "likely, ultrasound")),
        source=(
            "Wells et al., N Engl J Med 2003;349:1227: surgery within 12 weeks, previous DVT "
            "added; likely at 2 or more. Kept by NICE guideline NG158 (2020)."
        ),
    ),
)

PULMONARY_EMBOLISM = Topic(
    key="pe",
    title="Probability of pulmonary embolism",
    older=Protocol(
        name="revised Geneva (2006)",
        criteria=(
            measured("age {age:g}", Condition("age", 1, low=66)),
            sign("previous VTE", 3, "previous_vte"),
            sign("surgery or fracture", 2, "surgery_within_1_month"),
            sign("cancer", 2, "active_cancer"),
            sign("leg pain", 3, "leg_pain"),
            sign("haemoptysis", 2, "haemoptysis"),
            measured("pulse {hr:g}", Condition("hr", 5, low=95), Condition("hr", 3, low=75)),
            sign("leg tender and swollen", 4, "leg_tender_swollen", absent="leg not tender"),
        ),
        cut_offs=(
            CutOff(0, "low, D-dimer"),
            CutOff(4, "intermediate, D-dimer"),
            CutOff(11, "high, CT"),
        ),
        source="Le Gal et al., Ann Intern Med 2006;144:165: low 0-3, intermediate 4-10, high 11+.",
    ),
    current=Protocol(
        name="simplified Geneva (2008)",
        criteria=(
            measured("age {age:g}", Condition("age", 1, low=66)),
            sign("previous VTE", 1, "previous_vte"),
            sign("surgery or fracture", 1, "surgery_within_1_month"),
            sign("cancer", 1, "active_cancer"),
            sign("leg pain", 1, "leg_pain"),
            sign("haemoptysis", 1, "haemoptysis"),
            measured("pulse {hr:g}", Condition("hr", 2, low=95), Condition("hr", 1, low=75)),
            sign("leg tender and swollen", 1, "leg_tender_swollen", absent="leg not tender"),
        ),
        cut_offs=(CutOff(0, "unlikely, D-dimer"), CutOff(3, "likely, CT")),
        source=(
            "Klok et al., Arch Intern Med 2008;168:2131; two levels as in Konstantinides et al., "
            "ESC guideline, Eur Heart J 2020;41:543: unlikely 0-2, likely 3 or more."
        ),
    ),
)

SEPSIS = Topic(
    key="sepsis",
    title="Suspected infection: screen for sepsis",
    older=Protocol(
        name="SIRS (1992)",
        criteria=(
            measured(
                "temperature {temperature:g}",
                Condition("temperature", 1, low=38.1),
                Condition("temperature", 1, low=0, high=35.9),
            ),
            measured("pulse {hr:g}", Condition("hr", 1, low=91)),
            measured("RR {rr:g}", Condition("rr", 1, low=21)),
            measured(
                "WBC {wbc:g}",
                Condition("wbc", 1, low=12.1),
                Condition("wbc", 1, low=0, high=3.9),
            ),
        ),
        cut_offs=(CutOff(0, "not sepsis"), CutOff(2, "sepsis")),
        source=(
            "Bone et al., ACCP/SCCM consensus, Chest 1992;101:1644: sepsis is infection with two "
            "or more of temperature above 38 or below 36, pulse above 90, respiratory rate above "
            "20, white cells above 12 or below 4 (10^9/L)."
        ),
    ),
    current=Protocol(
        name="qSOFA (2016)",
        criteria=(
            measured("RR {rr:g}", Condition("rr", 1, low=22)),
            sign("confusion", 1, "confusion"),
            measured("BP {sbp:g}/{dbp:g}", Condition("sbp", 1, low=0, high=100)),
        ),
        cut_offs=(CutOff(0, "keep monitoring"), CutOff(2, "check organ failure")),
        source=(
            "Singer et al., Sepsis-3, JAMA 2016;315:801. The Surviving Sepsis Campaign (Evans et "
            "al., Crit Care Med 2021;49:e1063) advises against it as the only screening tool."
        ),
    ),
)

_CENTOR_CRITERIA = (
    sign("tonsillar exudate", 1, "exudate"),
    sign("tender nodes", 1, "tender_nodes"),
    sign("fever", 1, "fever"),
    sign("cough absent", 1, "cough_absent", absent="cough present"),
)

SORE_THROAT = Topic(
    key="throat",
    title="Sore throat: streptococcal infection",
    older=Protocol(
        name="Centor (1981)",
        criteria=_CENTOR_CRITERIA,
        cut_offs=(
            CutOff(0, "no antibiotic"),
            CutOff(2, "rapid test"),
            CutOff(4, "antibiotic"),
        ),
        source=(
            "Weights: Centor et al., Med Decis Making 1981;1:239, in adults. Strategy: Cooper "
            "et al., Ann Intern Med 2001;134:509 (test at 2 or 3, treat at 4)."
        ),
    ),
    current=Protocol(
        name="McIsaac (1998)",
        criteria=(
            *_CENTOR_CRITERIA,
            measured(
                "age {age:g}",
                Condition("age", -1, low=45),
                Condition("age", 1, low=3, high=14),
            ),
        ),
        cut_offs=(
            CutOff(-1, "no antibiotic"),
            CutOff(2, "throat culture"),
            CutOff(4, "consider antibiotic"),
        ),
        source=(
            "McIsaac et al., CMAJ 1998;158:75: nothing at 1 or less, culture at 2 or 3, at 4 or "
            "more culture or treat on clinical grounds. Totals are the plain sum, -1 to 5."
        ),
    ),
)

_STOP_CRITERIA = (
    sign("snoring", 1, "snoring"),
    sign("tired", 1, "tired", absent="not tired"),
    sign("apnoea seen", 1, "observed_apnoea", absent="no apnoea seen"),
    sign("hypertension", 1, "hypertension"),
)

SLEEP_APNOEA = Topic(
    key="apnoea",
    title="Risk of obstructive sleep apnoea",
    older=Protocol(
        name="STOP (2008)",
        criteria=_STOP_CRITERIA,
        cut_offs=(CutOff(0, "low risk"), CutOff(2, "high risk")),
        source="Chung et al., Anesthesiology 2008;108:812: high risk at two or more of four.",
    ),
    current=Protocol(
        name="STOP-Bang (2012)",
        criteria=(
            *_STOP_CRITERIA,
            measured("BMI {bmi:g}", Condition("bmi", 1, low=35.1)),
            measured("age {age:g}", Condition("age", 1, low=51)),
            measured("neck {neck:g}", Condition("neck", 1, low=40.1)),
            sign("male", 1, "male", absent="female"),
        ),
        cut_offs=(
            CutOff(0, "low risk"),
            CutOff(3, "intermediate risk"),
            CutOff(5, "high risk"),
        ),
        source=(
            "Items: Chung et al., Anesthesiology 2008;108:812 (BMI above 35, age above 50, neck "
            "above 40 cm, male). Levels: Chung et al., Br J Anaesth 2012;108:768."
        ),
    ),
)

TOPICS: tuple[Topic, ...] = (
    STROKE_IN_AF,
    PNEUMONIA,
    DEEP_VEIN_THROMBOSIS,
    PULMONARY_EMBOLISM,
    SEPSIS,
    SORE_THROAT,
    SLEEP_APNOEA,
)
