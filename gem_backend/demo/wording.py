"""How a finding is worded in a vignette: data only, several natural variants for each.

`Sign` is a finding that is present or absent, `Measure` one or two numbers that are always
reported, `Distractor` something that scores nothing in either form of the topic's score.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sign:
    """A finding that is present with `probability`; `denied` words its absence, if it is worded.

    `unless` names another sign: where that one is present, this one is left out. A sign that is
    `always_stated` is denied in words whenever it is absent.
    """

    name: str
    probability: float
    present: tuple[str, ...]
    denied: tuple[str, ...] = ()
    unless: str = ""
    always_stated: bool = False


@dataclass(frozen=True)
class Measure:
    """Numbers that every vignette of the topic reports; one range is drawn, then a value in it.

    `ranges` holds, for each name, inclusive `(low, high)` ranges; `step` is the grid of values.
    """

    names: tuple[str, ...]
    ranges: tuple[tuple[tuple[float, float], ...], ...]
    phrases: tuple[str, ...]
    step: float = 1.0


@dataclass(frozen=True)
class Distractor:
    """A true statement that earns no points; `label` is what a slipped chain would call it."""

    label: str
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class TopicWording:
    """All wording of one topic."""

    intros: tuple[str, ...]
    questions: tuple[str, ...]
    age_ranges: tuple[tuple[int, int], ...]
    signs: tuple[Sign, ...]
    measures: tuple[Measure, ...]
    distractors: tuple[Distractor, ...]


_ASTHMA = Distractor("asthma", ("asthma", "mild asthma"))
_SMOKER = Distractor("smoker", ("smokes", "smoker"))
_REFLUX = Distractor("reflux", ("acid reflux", "takes omeprazole for reflux"))
_GOUT = Distractor("gout", ("gout", "takes allopurinol for gout"))
_MIGRAINE = Distractor("migraine", ("migraine", "gets migraines"))
_THYROID = Distractor("thyroid disease", ("underactive thyroid", "takes levothyroxine"))
_CHOLESTEROL = Distractor("high cholesterol", ("high cholesterol", "takes a statin"))
_COMMON = (_ASTHMA, _REFLUX, _GOUT, _MIGRAINE, _THYROID)

_PULSE = ("pulse {hr:g}", "heart rate {hr:g}", "HR {hr:g}")
_BREATHS = ("RR {rr:g}", "respiratory rate {rr:g}", "breathing {rr:g}/min")
_PRESSURE = ("BP {sbp:g}/{dbp:g}", "blood pressure {sbp:g}/{dbp:g}")
_CONFUSION = ("newly confused", "confused", "disoriented")
_NOT_CONFUSED = ("alert", "fully oriented", "not confused")
_HYPERTENSION = (
    "hypertension",
    "high blood pressure",
    "takes ramipril for blood pressure",
    "known hypertensive",
)
_CANCER = ("on chemotherapy", "metastatic colon cancer", "active breast cancer", "lung cancer")
_PRIOR_DVT = ("DVT in 2015", "previous DVT", "a DVT years ago")

_STROKE_IN_AF = TopicWording(
    intros=("{who} with atrial fibrillation.", "{who} in AF.", "Atrial fibrillation, {who}."),
    questions=("Stroke risk and plan?", "Need for anticoagulation?", "Stroke prevention?"),
    age_ranges=((45, 64), (65, 74), (75, 92)),
    signs=(
        Sign(
            "heart_failure",
            0.25,
            ("heart failure", "LVEF 30%", "cardiac failure"),
            ("no heart failure", "normal LVEF"),
        ),
        Sign("hypertension", 0.45, _HYPERTENSION, ("never hypertensive",)),
        Sign(
            "diabetes",
            0.3,
            ("diabetes", "type 2 diabetes", "diabetic", "takes metformin", "on insulin"),
            ("no diabetes",),
        ),
        Sign(
            "stroke",
            0.2,
            ("stroke in 2019", "previous stroke", "previous TIA", "TIA last year"),
            ("no stroke or TIA",),
        ),
        Sign(
            "vascular_disease",
            0.4,
            ("old myocardial infarction", "peripheral artery disease", "coronary stent"),
            ("clean coronary arteries",),
        ),
    ),
    measures=(),
    distractors=(*_COMMON, _SMOKER, _CHOLESTEROL),
)

_PNEUMONIA = TopicWording(
    intros=("{who} with pneumonia.", "Pneumonia in {who}.", "{who}, lobar pneumonia."),
    questions=("How severe?", "Severity and place of care?", "Where to treat?"),
    age_ranges=((22, 64), (65, 93)),
    signs=(Sign("confusion", 0.35, _CONFUSION, _NOT_CONFUSED),),
    measures=(
        Measure(("urea",), (((3, 7), (8, 16)),), ("urea {urea:g}", "blood urea {urea:g}")),
        Measure(("rr",), (((14, 29), (30, 38)),), _BREATHS),
        Measure(
            ("sbp", "dbp"), (((82, 88), (104, 150), (104, 150)), ((50, 60), (62, 88))), _PRESSURE, 2
        ),
    ),
    distractors=(*_COMMON, _SMOKER, Distractor("diabetes", ("type 2 diabetes", "diabetic"))),
)

_DEEP_VEIN_THROMBOSIS = TopicWording(
    intros=("{who} with a painful leg.", "{who}, suspected DVT.", "Possible DVT in {who}."),
    questions=("DVT probability?", "How likely is DVT?", "Next test for DVT?"),
    age_ranges=((24, 88),),
    signs=(
        Sign("active_cancer", 0.22, _CANCER, ("no cancer",)),
        Sign("leg_immobilised", 0.15, ("leg in plaster", "paralysed leg")),
        Sign("bedridden", 0.15, ("in bed for 5 days", "bedridden this week")),
        Sign(
            "surgery_within_4_weeks",
            0.18,
            ("hip surgery 2 weeks ago", "knee replacement 3 weeks ago"),
            ("no surgery",),
        ),
        Sign(
            "surgery_within_12_weeks",
            0.25,
            ("hip surgery 8 weeks ago", "knee replacement 10 weeks ago"),
            unless="surgery_within_4_weeks",
        ),
        Sign("vein_tenderness", 0.3, ("tender deep veins", "tender along the femoral vein")),
        Sign("whole_leg_swollen", 0.22, ("whole leg swollen", "swollen from groin to foot")),
        Sign("calf_swollen", 0.3, ("calf 4 cm wider", "calf up by 5 cm"), ("calves equal",)),
        Sign("pitting_oedema", 0.22, ("pitting oedema", "leg pits on pressure"), ("no oedema",)),
        Sign("collateral_veins", 0.12, ("collateral veins", "dilated superficial veins")),
        Sign("previous_dvt", 0.3, _PRIOR_DVT, ("never had a DVT",)),
        Sign(
            "other_diagnosis",
            0.3,
            ("cellulitis more likely", "ruptured cyst as likely", "muscle tear more likely"),
        ),
    ),
    measures=(),
    distractors=(*_COMMON, _SMOKER, Distractor("varicose veins", ("varicose veins",))),
)

_PULMONARY_EMBOLISM = TopicWording(
    intros=("{who}, suspected PE.", "{who} with sudden dyspnoea.", "Possible PE in {who}."),
    questions=("PE probability?", "How likely is PE?", "Next test for PE?"),
    age_ranges=((24, 65), (66, 90)),
    signs=(
        Sign("previous_vte", 0.3, (*_PRIOR_DVT, "PE in 2012"), ("never had a clot",)),
        Sign(
            "surgery_within_1_month",
            0.25,
            ("hip surgery 2 weeks ago", "broken tibia last week"),
            ("no surgery",),
        ),
        Sign("active_cancer", 0.25, _CANCER, ("no cancer",)),
        Sign("leg_pain", 0.3, ("one painful leg", "left calf pain"), ("no leg pain",)),
        Sign("haemoptysis", 0.22, ("coughs up blood", "haemoptysis"), ("no haemoptysis",)),
        Sign(
            "leg_tender_swollen",
            0.22,
            ("one calf tender and swollen", "right leg swollen, veins tender"),
        ),
    ),
    measures=(Measure(("hr",), (((58, 74), (75, 94), (95, 128)),), _PULSE),),
    distractors=(*_COMMON, _SMOKER, Distractor("long flight", ("recent long flight",))),
)

_SEPSIS = TopicWording(
    intros=("{who} with an infection.", "{who}, suspected infection.", "Febrile illness, {who}."),
    questions=("Sepsis?", "Screen for sepsis?", "Sepsis screen and plan?"),
    age_ranges=((22, 91),),
    signs=(Sign("confusion", 0.4, _CONFUSION, _NOT_CONFUSED),),
    measures=(
        Measure(
            ("temperature",),
            (((35.2, 35.9), (36.2, 37.8), (38.2, 39.8), (38.2, 39.8)),),
            ("temperature {temperature:g}", "temp {temperature:g}"),
            0.2,
        ),
        Measure(("hr",), (((62, 90), (91, 126)),), _PULSE),
        Measure(("rr",), (((12, 20), (22, 32)),), _BREATHS),
        Measure(("wbc",), (((2, 3), (4, 12), (13, 22)),), ("WBC {wbc:g}", "white cells {wbc:g}")),
        Measure(("sbp", "dbp"), (((84, 100), (102, 148)), ((50, 80),)), _PRESSURE, 2),
    ),
    distractors=(*_COMMON, _SMOKER),
)

_SORE_THROAT = TopicWording(
    intros=("{who} with a sore throat.", "Sore throat, {who}.", "{who}, throat pain."),
    questions=("Test or treat?", "Antibiotic or not?", "Strep risk and plan?"),
    age_ranges=((5, 14), (15, 44), (45, 78)),
    signs=(
        Sign("exudate", 0.55, ("pus on the tonsils", "tonsillar exudate"), ("clear tonsils",)),
        Sign(
            "tender_nodes",
            0.55,
            ("tender neck nodes", "painful anterior nodes"),
            ("no swollen nodes",),
        ),
        Sign("fever", 0.55, ("fever of 38.8", "feverish since Monday"), ("no fever",)),
        Sign(
            "cough_absent",
            0.55,
            ("no cough", "does not cough"),
            ("coughs", "dry cough"),
            always_stated=True,
        ),
    ),
    measures=(),
    distractors=(
        _ASTHMA,
        _MIGRAINE,
        Distractor("hoarse voice", ("hoarse voice", "hoarse")),
        Distractor("headache", ("headache",)),
        Distractor("runny nose", ("runny nose",)),
    ),
)

_SLEEP_APNOEA = TopicWording(
    intros=("{who} before surgery.", "{who}, sleep complaint.", "Sleep check, {who}."),
    questions=("Sleep apnoea risk?", "Risk of sleep apnoea?", "Apnoea screen?"),
    age_ranges=((24, 50), (51, 80)),
    signs=(
        Sign("snoring", 0.5, ("snores loudly", "loud snoring"), ("does not snore",)),
        Sign("tired", 0.45, ("sleepy all day", "always tired"), ("never sleepy",)),
        Sign(
            "observed_apnoea",
            0.3,
            ("stops breathing at night", "partner saw apnoea"),
            ("no pauses at night",),
        ),
        Sign("hypertension", 0.4, _HYPERTENSION, ("never hypertensive",)),
    ),
    measures=(
        Measure(("bmi",), (((22, 35), (36, 46)),), ("BMI {bmi:g}",)),
        Measure(("neck",), (((34, 40), (41, 48)),), ("neck {neck:g} cm", "collar {neck:g} cm")),
    ),
    distractors=(*_COMMON, _SMOKER, Distractor("insomnia", ("insomnia",))),
)

WORDING: dict[str, TopicWording] = {
    "af": _STROKE_IN_AF,
    "pneumonia": _PNEUMONIA,
    "dvt": _DEEP_VEIN_THROMBOSIS,
    "pe": _PULMONARY_EMBOLISM,
    "sepsis": _SEPSIS,
    "throat": _SORE_THROAT,
    "apnoea": _SLEEP_APNOEA,
}
