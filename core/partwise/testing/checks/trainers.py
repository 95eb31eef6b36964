"""What every trainer must do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.data.batch import IGNORED, Batch
from partwise.data.batches import Batches
from partwise.data.encoded import EncodedSplit
from partwise.data.protocols import Split
from partwise.metric_names import LOSS, OF_EVERY_EVALUATION, OF_EVERY_UPDATE, VALID_LOSS
from partwise.modules.cross_entropy import LinearHead
from partwise.modules.hidden import Hidden
from partwise.modules.objective import NextToken
from partwise.modules.passes import batch_flow
from partwise.parts.kinds import TrainerPart
from partwise.parts.part import Part
from partwise.runs.run import Run
from partwise.testing.probes import drawn
from partwise.testing.registering import check
from partwise.testing.violation import require, skip
from partwise.training.protocols import Evaluations, NoEvaluations, Progress, Training

V, CONTEXT = 11, 8


class Bigrams(nn.Module):
    """The smallest model there is: logits of the next token by the last one. Steep, so that gradients are long."""

    context = CONTEXT
    vocabulary = V

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(drawn(3))
        self.table = nn.Parameter(torch.randn(V, 6, generator=generator))
        self.output = nn.Parameter(torch.randn(V, 6, generator=generator))
        self.dropout = nn.Dropout(dropout)
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, batch: Batch) -> Tensor:
        self.modes.append((self.training, torch.is_grad_enabled()))
        return 3 * F.linear(self.dropout(self.table[batch.tokens]), self.output)

    def loss(self, batch: Batch) -> Tensor:
        return F.cross_entropy(self(batch).flatten(0, 1), batch.targets.flatten(), reduction="sum")


class Told(Bigrams):
    """Adds a large term that depends on the tokens scored in a pass, and on a number that nothing else depends on."""

    LARGE, WEIGHT = 1000.0, 0.5

    def __init__(self, objective: NextToken) -> None:
        super().__init__(0.0)
        self.pull = nn.Parameter(torch.zeros(1))
        self.objective = objective
        self.learned_from: list[Batch] = []
        self.judged_by: list[Batch] = []

    def hidden(self, batch: Batch) -> Hidden:
        if self.training:
            self.learned_from.append(batch)
        flow = batch_flow(batch)
        flow.add_term("told", self.LARGE + batch.scored + (self.pull[0] - 3).square(), self.WEIGHT)
        flow.report("scored", batch.scored.float())
        return Hidden(3 * self.table[batch.tokens], flow, LinearHead(self.output), lambda ids: self.table[ids])

    def loss(self, batch: Batch) -> Tensor:
        self.judged_by.append(batch)
        return super().loss(batch)


class Marking(NextToken):
    """Scores no first position, and keeps the salts that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.salts: list[int | None] = []

    def pose(self, batch: Batch, salt: int | None) -> Batch:
        self.salts.append(salt)
        first = torch.zeros_like(batch.targets, dtype=torch.bool)
        first[:, 0] = True
        return replace(batch, targets=batch.targets.masked_fill(first, IGNORED))


def rows_of_many_lengths() -> Batches:
    """Texts of two to seven tokens, so that batches do not score equally many."""
    numbers = np.random.default_rng(drawn(1))
    encoded: dict[Split, EncodedSplit] = {}
    sizes: tuple[tuple[Split, int], ...] = (("train", 60), ("valid", 20))
    for split, count in sizes:
        bounds = np.cumsum([0, *numbers.integers(3, CONTEXT, size=count)])
        tokens = numbers.integers(1, V, size=bounds[-1] + 1)
        tokens[bounds] = 0
        encoded[split] = EncodedSplit(
            name=split,
            form="examples",
            tokens=tokens.astype(np.uint16),
            scored=np.ones(len(tokens), dtype=np.bool_),
            bounds=bounds.astype(np.int64),
            cuts=np.full(count, -1, dtype=np.int64),
            scored_tokens=len(tokens) - 1,
            text_bytes=len(tokens) - 1,
            unknowns=0,
            lossless=True,
            unknown_bits=None,
            data_hash="",
        )
    return Batches(encoded, "sequence", CONTEXT, 0)


def batches() -> Batches:
    """A stream that counts up, with a slip now and then."""
    numbers = np.random.default_rng(drawn(0))
    encoded: dict[Split, EncodedSplit] = {}
    sizes: tuple[tuple[Split, int], ...] = (("train", 400), ("valid", 100))
    for split, length in sizes:
        tokens = (np.arange(length) + (numbers.random(length) < 0.1)) % V
        encoded[split] = EncodedSplit(
            name=split,
            form="stream",
            tokens=tokens.astype(np.uint16),
            scored=None,
            bounds=None,
            cuts=None,
            scored_tokens=length - 1,
            text_bytes=length - 1,
            unknowns=0,
            lossless=True,
            unknown_bits=None,
            data_hash="",
        )
    return Batches(encoded, "sequence", CONTEXT, 0)


class KilledError(Exception):
    """Stands for a process that ends at once."""


Trained = tuple[Run, list[Progress], list[int]]
"""A run, what was reported, and the steps at which a checkpoint was kept."""


def trained(
    part: Part,
    directory: Path,
    seed: int = 0,
    die_at: int | None = None,
    dropout: float = 0.1,
    model: Bigrams | None = None,
    texts: Batches | None = None,
    evaluations: Evaluations | None = None,
) -> Trained:
    """Trains, or continues to; `die_at` is the step after which the process is killed."""
    reports: list[Progress] = []
    kept: list[int] = []
    run = Run.create(directory, {}, {}, {})
    save = run.write_checkpoint

    def spy(step: int, *rest: Any) -> None:
        kept.append(step)
        save(step, *rest)

    run.write_checkpoint = spy  # type: ignore[method-assign, assignment]

    def report(progress: Progress) -> None:
        reports.append(progress)
        if progress.step == die_at:
            raise KilledError

    trainer: Any = part.assemble(None)
    pupil: Any = model or Bigrams(dropout)
    judges = evaluations or NoEvaluations()
    trainer.fit(Training(pupil, texts or batches(), run, seed, torch.device("cpu"), report, evaluations=judges))
    return run, reports, kept


def weights(run: Run) -> dict[str, Tensor]:
    """The final weights of a run."""
    model = Bigrams()
    run.load_weights(model)
    return model.state_dict()


@contextmanager
def folder() -> Iterator[Path]:
    """A directory for the time of a check."""
    with TemporaryDirectory() as name:
        yield Path(name)


@check("trainer", per="example", slow=True)
def it_trains_to_the_end(part: TrainerPart) -> None:
    """It finishes its run, reports every step with the figures promised, and leaves weights that have learned."""
    with folder() as directory:
        run, reports, _ = trained(part, directory)
        require(run.finished, "it leaves its run unfinished")
        require(
            [progress.step for progress in reports] == list(range(1, reports[-1].steps + 1)),
            "not every step is reported",
        )
        planned, made = part.planned_updates(), len(reports)
        require(planned in (None, made), f"planned_updates() gives {planned}, and it makes {made}")
        for progress in reports:
            missing = set(OF_EVERY_UPDATE) - set(progress.metrics)
            require(not missing, f"a report lacks {missing}")
        last = run.rows()[-1]
        missing = set(OF_EVERY_EVALUATION) - set(last)
        require(not missing, f"the last row lacks {missing}")
        first = Bigrams().state_dict()
        require(any(not tensor.equal(first[name]) for name, tensor in weights(run).items()), "it trains nothing")


@check("trainer", per="example", slow=True)
def training_is_a_function_of_the_seed(part: Part) -> None:
    """The same seed gives the same weights to the bit, whatever was drawn before; another seed gives others."""
    with folder() as directory:
        one, *_ = trained(part, directory / "one")
        torch.rand(7)
        other, *_ = trained(part, directory / "other")
        third, *_ = trained(part, directory / "third", seed=1)
        for name, tensor in weights(one).items():
            require(tensor.equal(weights(other)[name]), f"a second training from the same seed gives another {name}")
        require(
            any(not tensor.equal(weights(third)[name]) for name, tensor in weights(one).items()),
            "the seed does nothing",
        )


@check("trainer", per="example", slow=True)
def a_killed_run_ends_with_the_same_bits(part: Part) -> None:
    """Killed after any step and started again, training ends with the weights and metrics of a whole run."""
    with folder() as directory:
        whole, reports, _ = trained(part, directory / "whole")
        for step in range(1, len(reports) + 1):
            place = directory / f"killed-{step}"
            with suppress(KilledError):
                trained(part, place, die_at=step)
            again, *_ = trained(part, place)
            for name, tensor in weights(whole).items():
                require(tensor.equal(weights(again)[name]), f"killed after step {step} and resumed, {name} differs")
            require(again.rows() == whole.rows(), f"killed after step {step} and resumed, the metrics differ")


class Listening:
    """Evaluations that are due at the second update and the last; each gives the weights that it is to judge."""

    def __init__(self, model: Bigrams) -> None:
        self.model = model
        self.asked: list[tuple[int, bool]] = []
        self.sums: dict[int, float] = {}

    def due(self, step: int, last: bool) -> bool:
        return last or step == 2

    def figures(self, step: int, last: bool) -> dict[str, float]:
        self.asked.append((step, last))
        if not self.due(step, last):
            return {}
        self.sums[step] = float(self.model.table.detach().sum())
        return {"heard.sum": self.sums[step]}


@check("trainer", per="example", slow=True)
def it_runs_the_evaluations_of_the_recipe(part: Part) -> None:
    """They run after the updates at which they are due, on the weights that are kept, and their figures are logged."""
    with folder() as directory:
        model = Bigrams()
        listening = Listening(model)
        run, reports, _ = trained(part, directory, model=model, evaluations=listening)
        if not model.modes:
            skip("it calls the model in other processes")
        ran = [(step, last) for step, last in listening.asked if listening.due(step, last)]
        wanted = [(step, step == len(reports)) for step in range(1, len(reports) + 1) if step in (2, len(reports))]
        require(ran == wanted, f"of {len(reports)} updates it runs evaluations after {ran}, and not after {wanted}")
        logged = {row["step"]: row["heard.sum"] for row in run.rows() if "heard.sum" in row}
        require(logged == listening.sums, "their figures are not in the rows of their updates")
        told = {one.step: one.metrics["heard.sum"] for one in reports if "heard.sum" in one.metrics}
        require(told == listening.sums, "their figures are not in the reports of their updates")
        kept = float(weights(run)["table"].sum())
        require(listening.sums[len(reports)] == kept, "the last of them judges other weights than the run keeps")


@check("trainer", per="example", slow=True)
def it_trains_in_training_mode(part: Part) -> None:
    """The model is in training mode in every pass that is learned from, and in evaluation mode in every other."""
    with folder() as directory:
        model = Bigrams()
        trained(part, directory, model=model)
        if not model.modes:
            skip("it calls the model in other processes")
        learning = [training for training, graded in model.modes if graded]
        judging = [training for training, graded in model.modes if not graded]
        off = len(learning) - sum(learning)
        require(not off, f"in {off} of {len(learning)} passes that it learns from, the model is in evaluation mode")
        require(not any(judging), f"in {sum(judging)} of {len(judging)} evaluations the model is in training mode")


@check("trainer", per="example", slow=True)
def evaluations_leave_training_alone(part: TrainerPart) -> None:
    """However often it evaluates, it learns the same: an evaluation draws and leaves behind nothing."""
    seldom, often = (part.with_evaluations_every(updates) for updates in (10**6, 1))
    if seldom == often:
        skip("how often it evaluates cannot be chosen: see with_evaluations_every")
    with folder() as directory:
        losses: list[list[object]] = []
        for one in (seldom, often):
            _, reports, _ = trained(one, directory / str(len(losses)))
            losses.append([progress.metrics[LOSS] for progress in reports])
        require(losses[0] == losses[1], "its training losses depend on how often it evaluates")


@check("trainer", per="example", slow=True)
def terms_join_the_loss_of_training_alone(part: Part) -> None:
    """What modules add to the loss is learned from, weighed by tokens, and logged; no loss that is told contains it."""
    texts = rows_of_many_lengths()
    with folder() as directory:
        model, first = Told(NextToken()), Told(NextToken())
        _, reports, _ = trained(part, directory / "whole", model=model, texts=texts)
        if not model.learned_from and not model.modes:
            skip("it calls the model in other processes")
        require(model.learned_from, "it trains without hidden(batch), objective and terms: see TrainingLoss")
        require(model.pull.item() != 0, "nothing is learned from a term of the loss")
        with suppress(KilledError):
            trained(part, directory / "first", model=first, texts=texts, die_at=1)
        tokens = [int(batch.scored) for batch in first.learned_from]
        mean = sum(count * count for count in tokens) / sum(tokens)
        for name, expected in (("told", Told.LARGE + mean + 9), ("scored", mean)):
            figure = reports[0].metrics.get(name)
            require(isinstance(figure, float), f"a term or report {name!r} of a module is no figure of the update")
            right = isinstance(figure, float) and abs(figure - expected) < 2e-3
            require(right, f"passes of {tokens} tokens report a mean {name!r} of {figure:g}; by tokens {expected:g}")
        for progress in reports:
            for name in (LOSS, VALID_LOSS):
                loss = progress.metrics.get(name)
                small = not isinstance(loss, float) or loss < Told.LARGE / 4
                require(small, f"{name} contains a term of the loss")


@check("trainer", per="example", slow=True)
def every_batch_is_as_the_objective_poses_it(part: Part) -> None:
    """It learns from batches that the objective has posed, with a salt for each update, and evaluates on them, too."""
    with folder() as directory:
        objective, again = Marking(), Marking()
        model = Told(objective)
        _, reports, _ = trained(part, directory / "whole", model=model)
        if not objective.salts and not model.modes:
            skip("it calls the model in other processes")
        for batches, use in ((model.learned_from, "learns from"), (model.judged_by, "evaluates on")):
            posed = all(bool((batch.targets[:, 0] == IGNORED).all()) for batch in batches)
            require(posed, f"it {use} batches that the objective has not posed")
        salts = set(objective.salts) - {None}
        require(len(salts) >= len(reports), f"{len(reports)} updates have {len(salts)} salts; each has its own")
        require(None in objective.salts, "evaluation poses its batches with a salt; None poses them always alike")
        with suppress(KilledError):
            trained(part, directory / "killed", model=Told(again), die_at=1)
        trained(part, directory / "killed", model=Told(again))
        require(set(again.salts) - {None} == salts, "a run that was killed and resumed has other salts")
