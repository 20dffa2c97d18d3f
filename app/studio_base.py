"""What every use case stands on: the open data folder, the desks, and who is there."""

from pathlib import Path
from typing import Self

from app.access import Access
from app.demo_project import ensure_demo_project
from app.desks.agreement import AgreementDesk
from app.desks.batch import BatchDesk
from app.desks.calibration import CalibrationDesk
from app.desks.disputes import DisputesDesk
from app.desks.drafts import DraftsDesk
from app.desks.imports import ImportDesk
from app.desks.meanings import MeaningsDesk
from app.desks.priority import PriorityDesk
from app.desks.raters import RatersDesk
from app.desks.rereading import RereadingDesk
from app.desks.reveals import RevealsDesk
from app.desks.runs import RunsDesk, StudioModel
from app.desks.sampling import SamplingDesk
from app.devices import Devices
from app.handed_out import HandedOut
from app.supervision import Supervisor
from app.tasks import Tasks
from gem_backend.engine import BUSY, Device, Engine, EngineConfig
from gem_backend.errors import EngineError
from gem_backend.model_folder import find_model, find_sentence_model
from gem_backend.types import (
    Case,
    Comparison,
)
from storage import (
    pairs,
)
from storage.opening import open_database
from storage.sides import case_for

DATABASE_FILE = "studio.duckdb"


class StudioBase:
    """An open data folder with the model, and whoever is at the page.

    Args:
        data_dir: the folder that holds labels, runs and everything else; made if it is not there.
        model: "demo", a local model folder or a hub name.
        device: where the engine computes.
        trust_remote_code: run code that comes with the model.
        sentence_model: a folder with a model that groups answers by meaning; None for none.

    Raises:
        ModelLoadError: there is no such model folder, or no such sentence model.
        StorageError: the data folder is in use or cannot be opened.
    """

    def __init__(
        self,
        data_dir: Path,
        model: str = "demo",
        *,
        device: Device = "auto",
        trust_remote_code: bool = False,
        sentence_model: Path | None = None,
    ) -> None:
        source = find_model(model)
        if sentence_model is not None:
            sentence_model = find_sentence_model(sentence_model)
        is_folder = model != "demo" and isinstance(source, Path)
        self._model = str(Path(model).expanduser().resolve()) if is_folder else model
        self._exports_dir = data_dir / "exports"
        self._db = open_database(data_dir / DATABASE_FILE)
        ensure_demo_project(self._db)
        self.access = Access(self._db)
        self.drafts = DraftsDesk(self._db)
        self._handed_out = HandedOut()
        self._raters = RatersDesk(self._db, self.access)
        self._disputes = DisputesDesk(self._db, self.access)
        self._reveals = RevealsDesk(self._db)
        devices = Devices.find(device)
        gpu = devices.of_engine if devices.of_engine in devices.gpus else ""
        self._engine = Engine(
            EngineConfig(self._model, device, trust_remote_code, sentence_model, gpu)
        )
        self._tasks = Tasks()
        self._agreement = AgreementDesk(self._db, self._tasks)
        self._supervisor = Supervisor(self._db, devices, on_free=self._hand_device_on)
        self._runs = RunsDesk(
            self._db,
            self._engine,
            self._supervisor,
            StudioModel(self._model, source, device, trust_remote_code),
            data_dir / "runs",
        )
        self._sampling = SamplingDesk(self._db, self._engine, self._tasks)
        self._rereading = RereadingDesk(self._db, self._engine, self._tasks)
        self._meanings = MeaningsDesk(self._engine, self._tasks)
        self.has_sentence_model = sentence_model is not None
        self._batch = BatchDesk(self._db, self._sampling, self._tasks, self._model)
        self._calibration = CalibrationDesk(self._db, self._engine, self._tasks, self._model)
        self._imports = ImportDesk(self._db, self._tasks)
        self._priority = PriorityDesk(self._db, self._engine, self._tasks, self._calibration)
        self._supervisor.start()
        if not self._supervisor.line().is_engine_free:
            self._engine.hold()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the engine and the database go; runs go on by themselves."""
        self._imports.close()
        self._batch.close()
        self.drafts.close()
        self._supervisor.close()
        self._engine.release()
        self._db.close()

    @property
    def _rater(self) -> str:
        return self.access.current().rater

    @property
    def model(self) -> str:
        """The name by which records know the studio's model."""
        return self._model

    def warm_up(self) -> None:
        """Load the model in the background, unless a run has the device."""
        if not self._engine.is_held:
            self._tasks.start("engine", lambda _: self._engine.warm_up())

    def _hand_device_on(self) -> None:
        self._runs.hand_on(self._take_device_back)

    def _take_device_back(self) -> None:
        self._engine.let_go()
        self.warm_up()

    def _refuse_during_run(self) -> None:
        if self._engine.is_held:
            raise EngineError(BUSY, "Busy")

    def _shown(self, comparison: Comparison) -> Case:
        others = self._handed_out.by_others(comparison.project_id, self._rater)
        return case_for(self._db, comparison, self._rater, others)

    def is_judged(self, case: Case) -> bool:
        """Whether a label of the rater's on a case holds; a repeat asks for a second one."""
        return pairs.is_judged(self._db, case, self._rater)
