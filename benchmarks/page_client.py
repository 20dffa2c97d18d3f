"""What a browser does with the studio's page, over real HTTP and without drawing anything."""

import json
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from storage.identity import new_id


@dataclass
class Client:
    """One rater's page: what its components hold, and what was saved from it."""

    http: httpx.AsyncClient
    rater: str
    project: str
    session: str = field(default_factory=new_id)
    values: dict[int, object] = field(default_factory=dict)
    events: dict[int, dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    saves_s: list[float] = field(default_factory=list)
    polls_s: list[float] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    refused: int = 0

    async def open(self, password: str) -> None:
        """Log in, read the page's description, and do what the page does when it loads."""
        answer = await self.http.post("/login", data={"username": self.rater, "password": password})
        answer.raise_for_status()
        config = (await self.http.get("/config")).json()
        for part in config["components"]:
            self.values[part["id"]] = part["props"].get("value")
            self.ids[part["props"].get("elem_id") or part["type"]] = part["id"]
        self.events = {event["id"]: event for event in config["dependencies"]}
        for event in self._started_by("load"):
            await self.send(event)
            for after, one in self.events.items():
                if one["trigger_after"] == event and one["backend_fn"]:
                    await self.send(after)

    def _started_by(self, trigger: str, part: int | None = None) -> list[int]:
        """Return the events that a trigger (of one component) starts on the server."""
        return [
            key
            for key, event in self.events.items()
            if event["backend_fn"]
            and any(name == trigger and part in (None, one) for one, name in event["targets"])
        ]

    async def send(self, event: int) -> None:
        """Run an event as the browser does, and take its outputs over."""
        inputs, outputs = self.events[event]["inputs"], self.events[event]["outputs"]
        body = {
            "fn_index": event,
            "data": [self.values.get(part) for part in inputs],
            "session_hash": self.session,
            "event_data": None,
            "trigger_id": None,
        }
        join = f"/gradio_api/queue/join?project={self.project}"
        (await self.http.post(join, json=body)).raise_for_status()
        address = f"/gradio_api/queue/data?session_hash={self.session}"
        async with self.http.stream("GET", address) as lines:
            async for line in lines.aiter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(str(message["output"]))
                    self._take(outputs, message["output"]["data"])
                    await self._follow(message["output"].get("changed_state_ids") or [])
                    return
        raise RuntimeError("the studio closed the stream before it answered")

    async def _follow(self, changed: list[int]) -> None:
        """Run what the page runs when states have changed."""
        for part in changed:
            for event in self._started_by("change", part):
                await self.send(event)

    def _take(self, outputs: list[int], data: list[object]) -> None:
        for part, value in zip(outputs, data, strict=True):
            if isinstance(value, dict) and value.get("__type__") == "update":
                if "value" in value:
                    self.values[part] = value["value"]
            else:
                self.values[part] = value

    async def open_tab(self, name: str) -> None:
        """Open a tab of the page."""
        for event in self._started_by("select", self.ids[f"page-{name}"]):
            await self.send(event)

    @property
    def pace_s(self) -> float:
        """The seconds between two ticks of the page's timer."""
        return float(str(self.values[self.ids["timer"]]))

    async def poll(self) -> None:
        """Let the page's timer tick."""
        started = time.perf_counter()
        for event in self._started_by("tick"):
            await self.send(event)
        self.polls_s.append(time.perf_counter() - started)

    async def save(self) -> None:
        """Judge the case on screen and save; only what the page calls saved counts as saved."""
        choice = dict(self.values[self.ids["label-choice"]])  # type: ignore[call-overload]
        case = choice["case"]
        verdict = random.choice(("left", "right", "tie"))
        self.values[self.ids["label-choice"]] = choice | {"choice": verdict, "elapsed_s": 5.0}
        event = self._started_by("click", self.ids["label-save"])[0]
        started = time.perf_counter()
        await self.send(event)
        self.saves_s.append(time.perf_counter() - started)
        if "Saved" in str(self.values[self.ids["label-receipt"]]):
            self.saved.append(case)
        else:
            self.refused += 1
            print(self.values[self.ids["label-receipt"]], file=sys.stderr)
