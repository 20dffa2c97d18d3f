"""The pretraining corpus: vignettes with chains that are often outdated and sometimes slipped."""

import random
from dataclasses import dataclass

from gem_backend.demo.chains import write_chain, write_slipped_chain
from gem_backend.demo.vignettes import draw_vignette

OLDER_SHARE = {
    "af": 0.77,
    "pneumonia": 0.77,
    "dvt": 0.77,
    "pe": 0.35,
    "sepsis": 0.77,
    "throat": 0.42,
    "apnoea": 0.77,
}
"""Share of pretraining chains that follow the older score, for each topic."""

SLIP_SHARE = 0.18
"""Share of pretraining chains with one slip, where the vignette allows one."""


@dataclass(frozen=True)
class Example:
    """One pretraining text: a vignette's prompt and one chain for it."""

    prompt: str
    chain: str


def draw_examples(rng: random.Random, count: int) -> list[Example]:
    """Draw `count` pretraining examples, reproducibly for one state of `rng`."""
    return [_draw_example(rng) for _ in range(count)]


def _draw_example(rng: random.Random) -> Example:
    """Draw one vignette of the pretraining split and one imperfect chain for it."""
    vignette = draw_vignette(rng, "pretrain")
    is_older = rng.random() < OLDER_SHARE[vignette.topic_key]
    protocol = vignette.topic.older if is_older else vignette.topic.current
    if rng.random() < SLIP_SHARE:
        slipped = write_slipped_chain(vignette, protocol, rng)
        if slipped is not None:
            return Example(vignette.prompt, slipped.text)
    return Example(vignette.prompt, write_chain(vignette, protocol))
