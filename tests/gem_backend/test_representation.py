"""What the base model makes of answers, against the slow way."""

import numpy as np
import pytest
import torch

from gem_backend.entropy import score_tokens
from gem_backend.forward import TokenSequence, base_model
from gem_backend.representation import base_views

SEQUENCES = [
    TokenSequence((256, 3, 4), (5, 6, 7, 257)),
    TokenSequence((256, 9), (8,)),
    TokenSequence((256, 1, 2, 3, 4, 5), tuple(range(20))),
]


@pytest.mark.parametrize("budget", [1, 12, 10_000])
def test_views_are_the_base_models_whatever_the_budget(adapted_policy, budget):
    views = base_views(adapted_policy.model, SEQUENCES, budget)
    with adapted_policy.model.disable_adapter(), torch.no_grad():
        scored = score_tokens(adapted_policy.model, SEQUENCES)
        for view, expected, sequence in zip(views, scored, SEQUENCES, strict=True):
            ids = torch.tensor([sequence.prompt_ids + sequence.completion_ids])
            hidden = base_model(adapted_policy.model).get_decoder()(ids).last_hidden_state[0]
            mean = hidden[len(sequence.prompt_ids) - 1 : -1].mean(0).numpy()
            assert view.logprob_T.tolist() == pytest.approx(expected.logprob_T.tolist(), abs=1e-4)
            assert np.allclose(view.representation_D, mean, atol=1e-4)


def test_the_adapter_is_on_again_and_made_a_difference(adapted_policy):
    view = base_views(adapted_policy.model, SEQUENCES)[0]
    with_adapter = score_tokens(adapted_policy.model, SEQUENCES)[0]
    assert not torch.allclose(view.logprob_T, with_adapter.logprob_T, atol=1e-3)
