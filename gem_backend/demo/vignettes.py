"""The seeded vignette generator: one patient, one clinical question, in natural wording.

A vignette never says which form of a score to use: that is the judgement which the expert's pairs
teach. Every vignette belongs to exactly one split, decided by a hash of its clinical content (not
of its wording), so no patient of one split can reappear, reworded, in another.
"""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gem_backend.demo.published import TOPICS
from gem_backend.demo.scores import Topic
from gem_backend.demo.wording import WORDING, Distractor, Measure, Sign, TopicWording

Split = Literal["pretrain", "train", "held_out", "pool", "cases"]

_SPLIT_SHARES: tuple[tuple[Split, int], ...] = (
    ("pretrain", 60),
    ("train", 68),
    ("held_out", 84),
    ("pool", 94),
    ("cases", 100),
)
"""Upper ends, in per cent, of the hash range that each split owns."""

_ADULT_AGE = 18
_DENIAL_PROBABILITY = 0.12
_MAX_PRESENT_SIGNS = 5
_MAX_STATEMENTS = 7
_TOPIC_BY_KEY = {topic.key: topic for topic in TOPICS}


@dataclass(frozen=True)
class Vignette:
    """One synthetic patient with the question that is asked about them.

    `findings` holds age, sex (`male`), every sign that is present and every measured value;
    `distractors` are the labels of statements in the prompt that score nothing.
    """

    topic_key: str
    findings: Mapping[str, float]
    distractors: tuple[str, ...]
    prompt: str

    @property
    def topic(self) -> Topic:
        """The clinical question with its two published scores."""
        return _TOPIC_BY_KEY[self.topic_key]

    @property
    def split(self) -> Split:
        """The one split that owns this clinical content."""
        return split_of(self.topic_key, self.findings)


def split_of(topic_key: str, findings: Mapping[str, float]) -> Split:
    """Name the split that owns a clinical content, whatever its wording."""
    content = topic_key + "|" + ",".join(f"{name}={findings[name]:g}" for name in sorted(findings))
    bucket = int.from_bytes(hashlib.sha256(content.encode()).digest()[:8], "big") % 100
    return next(split for split, upper in _SPLIT_SHARES if bucket < upper)


def draw_vignette(rng: random.Random, split: Split, topic_key: str | None = None) -> Vignette:
    """Draw one vignette that belongs to `split`.

    Args:
        rng: source of all randomness; the same state gives the same vignette.
        split: the split that must own the clinical content.
        topic_key: the clinical question; drawn uniformly when None.
    """
    key = topic_key or rng.choice(TOPICS).key
    wording = WORDING[key]
    while True:
        findings = _draw_findings(rng, wording)
        if split_of(key, findings) == split:
            return _word_vignette(rng, key, findings)


def _draw_findings(rng: random.Random, wording: TopicWording) -> dict[str, float]:
    """Draw age, sex, signs and measured values."""
    findings: dict[str, float] = {"age": float(rng.randint(*rng.choice(wording.age_ranges)))}
    if rng.random() < 0.5:
        findings["male"] = 1.0
    present = [s for s in wording.signs if rng.random() < s.probability]
    present = sorted(rng.sample(present, min(len(present), _MAX_PRESENT_SIGNS)), key=_sign_name)
    names = {s.name for s in present}
    findings.update({s.name: 1.0 for s in present if s.unless not in names})
    for measure in wording.measures:
        findings.update(_draw_measure(rng, measure))
    return findings


def _sign_name(item: Sign) -> str:
    """Sort key of a sign."""
    return item.name


def _draw_measure(rng: random.Random, measure: Measure) -> dict[str, float]:
    """Draw one value on the grid for each name of a measure."""
    values = {}
    for name, ranges in zip(measure.names, measure.ranges, strict=True):
        low, high = rng.choice(ranges)
        steps = round((high - low) / measure.step)
        values[name] = round(low + measure.step * rng.randint(0, steps), 1)
    if "dbp" in values:
        values["dbp"] = min(values["dbp"], values["sbp"] - 24)
    return values


def _word_vignette(rng: random.Random, key: str, findings: dict[str, float]) -> Vignette:
    """Put findings, denials and distractors into words."""
    wording = WORDING[key]
    statements = [rng.choice(m.phrases).format(**findings) for m in wording.measures]
    statements += [rng.choice(s.present) for s in wording.signs if s.name in findings]
    absent = [s for s in wording.signs if s.name not in findings and s.denied]
    statements += [rng.choice(s.denied) for s in absent if s.always_stated]
    optional = [s for s in absent if not s.always_stated and rng.random() < _DENIAL_PROBABILITY]
    statements += [rng.choice(s.denied) for s in optional[: _MAX_STATEMENTS - len(statements)]]
    distractors = _draw_distractors(rng, wording, room=_MAX_STATEMENTS - len(statements))
    statements += [rng.choice(d.phrases) for d in distractors]
    rng.shuffle(statements)
    intro = rng.choice(wording.intros).format(who=_word_patient(rng, findings))
    text = _join_intro(rng, intro, _sentences(rng, statements))
    parts = [_capitalise(text), rng.choice(wording.questions)]
    labels = tuple(d.label for d in distractors)
    return Vignette(key, MappingProxyType(findings), labels, " ".join(parts))


def _draw_distractors(rng: random.Random, wording: TopicWording, room: int) -> list[Distractor]:
    """Draw none, one or two distractors, as many as there is room for."""
    count = min(rng.choice((0, 1, 1, 1, 2)), max(room, 0))
    return rng.sample(wording.distractors, count)


def _word_patient(rng: random.Random, findings: Mapping[str, float]) -> str:
    """Name the patient by age and sex."""
    age, is_male = f"{findings['age']:g}", "male" in findings
    if findings["age"] < _ADULT_AGE:
        noun = "boy" if is_male else "girl"
    else:
        noun = "man" if is_male else "woman"
    return rng.choice((f"{age}-year-old {noun}", f"{noun} of {age}", f"{noun} aged {age}"))


def _sentences(rng: random.Random, statements: list[str]) -> list[str]:
    """Split the statements into one or two sentences."""
    if not statements:
        return []
    cut = rng.randint(2, len(statements) - 2) if len(statements) >= 4 else len(statements)
    groups = [group for group in (statements[:cut], statements[cut:]) if group]
    return [_join(rng, group) + "." for group in groups]


def _join_intro(rng: random.Random, intro: str, sentences: list[str]) -> str:
    """Put the introduction before the sentences, sometimes within the first of them."""
    if sentences and " with " in intro and rng.random() < 0.3:
        intro, sentences = f"{intro.removesuffix('.')}, {sentences[0]}", sentences[1:]
    return " ".join([intro, *map(_capitalise, sentences)])


def _join(rng: random.Random, statements: list[str]) -> str:
    """List statements with commas, sometimes with "and" before the last one.

    Never after a denial: "no stroke and asthma" would be ambiguous.
    """
    is_plain = not any(s.startswith(("no ", "not ", "never ", "does not ")) for s in statements)
    if is_plain and len(statements) > 1 and rng.random() < 0.35:
        return ", ".join(statements[:-1]) + " and " + statements[-1]
    return ", ".join(statements)


def _capitalise(text: str) -> str:
    """Raise the first letter only; abbreviations keep their case."""
    return text[:1].upper() + text[1:]
