"""Tokens drawn by vLLM servers, which somebody else has started, by their addresses.

A server takes a run's adapter by its folder, so it has to see the run's files, and has to be
started for that: ``VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 vllm serve MODEL --enable-lora
--max-lora-rank RANK``. What prompts say goes to these addresses and nowhere else.
"""

import contextlib
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import httpx

from gem_backend.config import SamplingConfig
from gem_backend.errors import EngineError
from gem_backend.generation import OnProgress, Row, end_ids
from gem_backend.handed_adapter import Adapter, HandedAdapter
from gem_backend.policy import Policy
from gem_backend.token_engine import Drawn, row_seed

AT_ONCE = 64  # requests under way at a server; it makes batches of them
TIMEOUT_S = 600.0


class VllmServers:
    """One or several servers of the same model; each answer is drawn by one of them.

    Args:
        urls: such as "http://127.0.0.1:8000".
        folder: where adapters are handed over.
        name: of the run.

    Raises:
        EngineError: a server does not answer, or serves no model.
    """

    def __init__(self, urls: Sequence[str], folder: Path, name: str) -> None:
        limits = httpx.Limits(max_connections=AT_ONCE * len(urls))
        self._client = httpx.Client(timeout=TIMEOUT_S, limits=limits, trust_env=False)
        self._urls = list(dict.fromkeys(url.rstrip("/") for url in urls))
        self._models = {url: self._base_model(url) for url in self._urls}
        versions = {str(self._ask("GET", url, "/version")["version"]) for url in self._urls}
        self.version = f"vllm {', '.join(sorted(versions))}"
        self.adapters = HandedAdapter(folder, name)
        self._loaded: Adapter | None = None

    def close(self) -> None:
        """Take the run's adapter back from the servers and end the connections."""
        with contextlib.suppress(EngineError):
            self._unload()
        self.adapters.clear()
        self._client.close()

    def draw(
        self,
        policy: Policy,
        rows: Sequence[Row],
        config: SamplingConfig | None,
        on_progress: OnProgress | None = None,
        *,
        has_logprobs: bool = False,
    ) -> list[Drawn]:
        """See ``TokenEngine``.

        Raises:
            EngineError: a server is gone, or refuses.
        """
        adapter = self._hand_over(policy)
        shared = {
            "temperature": config.temperature if config else 0.0,
            "top_p": config.top_p if config else 1.0,
            "stop_token_ids": end_ids(policy),
            "return_token_ids": True,
            "skip_special_tokens": False,
            "logprobs": 0 if has_logprobs else None,
        }

        def ask(url: str, row: Row) -> Drawn:
            own = {
                "model": adapter.name if adapter else self._models[url],
                "prompt": list(row.prompt_ids),
                "max_tokens": row.max_new_tokens,
                "seed": row_seed(row),
            }
            [choice] = self._ask("POST", url, "/v1/completions", shared | own)["choices"]
            logprobs = choice["logprobs"]["token_logprobs"] if has_logprobs else ()
            return Drawn(tuple(choice["token_ids"]), tuple(logprobs))

        pool = ThreadPoolExecutor(AT_ONCE * len(self._urls))
        try:
            turns = zip(itertools.cycle(self._urls), rows, strict=False)
            waiting = [pool.submit(ask, url, row) for url, row in turns]
            for done, _ in enumerate(as_completed(waiting), 1):
                if on_progress is not None:
                    on_progress(done, len(waiting))
            return [one.result() for one in waiting]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _hand_over(self, policy: Policy) -> Adapter | None:
        """Have every server load the adapter as it stands, in place of the one before."""
        adapter = self.adapters.hand_over(policy)
        if adapter is not None and adapter != self._loaded:
            self._unload()
            for url in self._urls:
                wanted = {"lora_name": adapter.name, "lora_path": adapter.folder}
                self._ask("POST", url, "/v1/load_lora_adapter", wanted)
            self._loaded = adapter
        return adapter

    def _unload(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is None:
            return
        for url in self._urls:
            self._ask("POST", url, "/v1/unload_lora_adapter", {"lora_name": loaded.name})

    def _base_model(self, url: str) -> str:
        models = self._ask("GET", url, "/v1/models")["data"]
        base = [str(one["id"]) for one in models if not one.get("parent")]
        if not base:
            raise EngineError(f"The vLLM server at {url} serves no model.")
        return base[0]

    def _ask(self, method: str, url: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        try:
            answer = self._client.request(method, url + path, json=body)
        except httpx.HTTPError as error:
            raise EngineError(
                f"The vLLM server at {url} does not answer ({type(error).__name__})."
            ) from error
        if answer.is_success:
            is_json = "json" in answer.headers.get("content-type", "")
            return answer.json() if is_json else answer.text
        if path.endswith("lora_adapter") and answer.status_code == httpx.codes.NOT_FOUND:
            raise EngineError(
                f"The vLLM server at {url} takes no adapters; start it with --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1."
            )
        raise EngineError(f"The vLLM server at {url} refuses: {answer.text[:200]}")
