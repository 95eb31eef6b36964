"""Trackers: where a run reports its progress, besides the JSON lines that every run writes."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, PositiveInt

from partwise import PartError
from partwise.parts import TrackerPart

from .chance import undisturbed

if TYPE_CHECKING:
    from .mlflow_runs import MlflowTracker
    from .tensorboard_events import TensorBoardTracker
    from .trackio_runs import TrackioTracker
    from .wandb_runs import WandbTracker

Name = Annotated[str, Field(min_length=1)]


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


class Wandb(TrackerPart):
    """Logs to Weights & Biases; needs `pip install 'partwise[wandb]'`.

    Its files are in the run's directory, `wandb/`. Without a network the run is logged there alone, to be sent by
    `wandb sync`.
    """

    name = "wandb"
    project: Name = "partwise"
    """Project that the run is filed under; it is created if needed."""
    entity: Name | None = None
    """User or team that the project belongs to. null: what wandb's own settings say."""
    group: Name | None = None
    """Name that related runs have in common, such as those of a study."""
    tags: tuple[Name, ...] = ()
    """Labels of the run."""
    mode: Literal["online", "offline"] | None = None
    """Whether figures are sent at once, or kept in files until `wandb sync`. null: what WANDB_MODE says."""
    every: PositiveInt = 10
    """One in this many updates is logged; evaluations are always logged."""

    def build(self, site: None) -> WandbTracker:
        _require("wandb", self.name)
        with undisturbed():
            from .wandb_runs import WandbTracker

        return WandbTracker(self.project, self.entity, self.group, self.tags, self.mode, self.every)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(mode="offline")
        yield cls(project="positions", entity="lab", group="rope", tags=("small",), mode="offline", every=3)


class Trackio(TrackerPart):
    """Logs to a local database of trackio, for `trackio show`; needs `pip install 'partwise[trackio]'`.

    The environment variable TRACKIO_DIR says where the database is.
    """

    name = "trackio"
    project: Name = "partwise"
    """Project that the run is filed under; it is created if needed."""
    group: Name | None = None
    """Name that related runs have in common, such as those of a study."""
    every: PositiveInt = 10
    """One in this many updates is logged; evaluations are always logged."""

    def build(self, site: None) -> TrackioTracker:
        _require("trackio", self.name)
        with undisturbed():
            from .trackio_runs import TrackioTracker

        return TrackioTracker(self.project, self.group, self.every)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls()
        yield cls(project="positions", group="rope", every=3)


def _require(package: str, name: str) -> None:
    if find_spec(package) is None:
        raise PartError(f"{name} needs the package {package}, which is not installed: pip install 'partwise[{name}]'")


PARTS = (Mlflow, TensorBoard, Trackio, Wandb)
