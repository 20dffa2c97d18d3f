"""What a graphics processor computes is what the processor computes, and a whole run goes there."""

import json

import pytest
import torch

from gem_backend import demo
from gem_backend.config import LoraSettings, SamplingConfig, SegaConfig
from gem_backend.entropy import score_tokens
from gem_backend.forward import base_model
from gem_backend.one_pass import one_pass_backward
from gem_backend.policy import load_policy
from gem_backend.reporter import Reporter
from gem_backend.sampling import PolicySampler
from gem_backend.train import run_training
from gem_backend.trainer import with_adapter
from tests.gem_backend.test_run import TINY, make_run

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]

PROMPTS = tuple(
    json.loads(line)["prompt"] for line in demo.PROJECT_FILE.read_text("utf-8").splitlines()[:6]
)
SETTINGS = SamplingConfig(num_candidates=4, max_new_tokens=64)


@pytest.fixture(scope="module")
def policies():
    """The embedded model in float32 on both, under the same adapter."""
    both = [load_policy("demo", device=device, dtype="float32") for device in ("cpu", "cuda")]
    return [with_adapter(policy, LoraSettings(), 0) for policy in both]


@pytest.fixture(scope="module")
def groups(policies):
    return PolicySampler(policies[0]).draw(PROMPTS, SETTINGS).groups


def flat(groups):
    return [sequence for group in groups for sequence in group]


def test_entropies_and_log_probs_are_the_processors(policies, groups):
    here, there = (score_tokens(policy.model, flat(groups)) for policy in policies)
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(other.entropy_T, one.entropy_T, atol=1e-4, rtol=0)
        torch.testing.assert_close(other.logprob_T, one.logprob_T, atol=1e-4, rtol=0)


def test_the_gradient_is_the_processors(policies, groups):
    found = []
    for policy in policies:
        one_pass_backward(policy.model, groups, mean_entropy, SegaConfig(), 1024)
        parameters = [p for p in policy.model.parameters() if p.requires_grad]
        found.append(torch.cat([p.grad.flatten().cpu().double() for p in parameters]))
        policy.model.zero_grad(set_to_none=True)
    here, there = found
    assert here.norm() > 0
    assert (there - here).norm() < 1e-3 * here.norm()


def mean_entropy(_group, _number, statistics):
    return float(statistics.entropy_T.mean())


def test_answers_are_drawn_and_scored_in_bfloat16(policies, groups):
    """Rounded weights move an entropy a little."""
    policy = load_policy("demo", device="cuda")
    assert base_model(policy.model).dtype == torch.bfloat16
    candidates = PolicySampler(policy).sample(PROMPTS, SETTINGS)
    assert [len(group) for group in candidates] == [4] * len(PROMPTS)
    assert len({one.text for group in candidates for one in group}) > len(PROMPTS)
    exact = score_tokens(base_model(policies[1].model), flat(groups))
    rounded = score_tokens(policy.model, flat(groups))
    gap = torch.cat([a.entropy_T - b.entropy_T for a, b in zip(exact, rounded, strict=True)])
    assert gap.abs().mean() < 0.02


def test_a_run_goes_to_its_end_there(tmp_path):
    run = make_run(tmp_path / "run", TINY.model_copy(update={"device": "cuda"}))
    reporter = Reporter(run)
    reporter.end(*run_training(run, reporter, resume=False))
    assert run.status().state == "done"
    assert run.result().after.preference_accuracy.n == 16
    assert (run.adapter_dir / "adapter_model.safetensors").exists()
