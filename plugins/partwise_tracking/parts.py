"""Trackers: where a run reports its progress, besides the JSON lines that every run writes."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self

from pydantic import PositiveInt

from partwise import PartError
from partwise.parts import TrackerPart

if TYPE_CHECKING:
    from .mlflow_runs import MlflowTracker
    from .tensorboard_events import TensorBoardTracker


class TensorBoard(TrackerPart):
    """Writes event files for TensorBoard; needs `pip install 'partwise[tensorboard]'`."""

    name = "tensorboard"
    directory: str | None = None
    """Directory for the event files of all runs, each in a folder named like its run. null: in the run itself."""
    every: PositiveInt = 1
    """One in this many updates is written; evaluations are always written."""

    def build(self, site: None) -> TensorBoardTracker:
        _require("tensorboard", self.name)
        from .tensorboard_events import TensorBoardTracker

        return TensorBoardTracker(self.directory, self.every)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(directory="board", every=3)


class Mlflow(TrackerPart):
    """Logs to an MLflow server or database; needs `pip install 'partwise[mlflow]'`."""

    name = "mlflow"
    uri: str | None = None
    """Address of the server, or a database such as "sqlite:///mlflow.db". null: what MLflow's own settings say."""
    experiment: str = "partwise"
    """Experiment that the run is filed under; it is created if needed."""
    every: PositiveInt = 10
    """One in this many updates is logged; evaluations are always logged."""

    def build(self, site: None) -> MlflowTracker:
        _require("mlflow", self.name)
        from .mlflow_runs import MlflowTracker

        return MlflowTracker(self.uri, self.experiment, self.every)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(uri="sqlite:///mlflow.db")
        yield cls(uri="sqlite:///mlflow.db", experiment="positions", every=3)


def _require(package: str, name: str) -> None:
    if find_spec(package) is None:
        raise PartError(f"{name} needs the package {package}, which is not installed: pip install 'partwise[{name}]'")


PARTS = (Mlflow, TensorBoard)
