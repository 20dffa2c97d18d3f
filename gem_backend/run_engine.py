"""The engine that draws a run's answers, where that is not the run's own process."""

from collections.abc import Sequence
from pathlib import Path

from gem_backend.canary import CanaryFigures, check_canary
from gem_backend.config import RunConfig
from gem_backend.forward import context_length
from gem_backend.model_folder import find_model
from gem_backend.policy import Policy
from gem_backend.prompting import encode_prompt
from gem_backend.run_dir import RunDir
from gem_backend.token_engine import TokenEngine
from gem_backend.vllm_child import VllmSettings
from gem_backend.vllm_engine import VllmEngine
from gem_backend.vllm_server import VllmServers

CANARY_PROMPTS = 4


def start_engine(
    run: RunDir, config: RunConfig, policy: Policy, prompts: Sequence[str]
) -> tuple[TokenEngine, CanaryFigures]:
    """Start vLLM for a run's policy, or find its servers, and see that the adapter reaches it.

    Args:
        run: where adapters are handed over.
        config: the run's settings.
        policy: with an adapter.
        prompts: some of the run's; at least one.

    Raises:
        EngineError: vLLM is not installed, cannot load the model or does not see the adapter, or a
            server does not answer.
    """
    ids = [
        encode_prompt(policy.tokenizer, prompt, config.prompt)
        for prompt in prompts[:CANARY_PROMPTS]
    ]
    engine = open_engine(config, policy, run.path / "engine", run.path.resolve().name)
    try:
        return engine, check_canary(policy, engine, ids)
    except BaseException:
        engine.close()
        raise


def open_engine(config: RunConfig, policy: Policy, folder: Path, name: str) -> TokenEngine:
    """Start what ``config`` names besides transformers, without a look whether it sees the adapter.

    Args:
        config: the run's settings.
        policy: with an adapter.
        folder: where adapters are handed over.
        name: of the run, for servers that serve others too.

    Raises:
        EngineError: vLLM is not installed or cannot load the model, or a server does not answer.
    """
    if config.engine_urls:
        return VllmServers(config.engine_urls, folder, name)
    longest = config.max_length + config.sampling.max_new_tokens
    settings = VllmSettings(
        model=str(find_model(config.model)),
        device=policy.device.type,
        dtype=str(policy.model.dtype).removeprefix("torch."),
        max_model_len=min(longest, context_length(policy.model) or longest),
        lora_rank=config.lora.rank,
        trust_remote_code=config.trust_remote_code,
    )
    return VllmEngine(settings, folder)
