from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from partwise import PartError, WorkError
from partwise.assembly import build
from partwise.assembly.build import assemble, make_room, materialise, materialise_within, seed_for, skeleton
from partwise.modules import fillable
from partwise.parts import ModelPart, ModelSite, NormPart, WidthSite, resolve_part
from partwise.wording import size_in_words

SITE = ModelSite(vocabulary=13)


def model(**knobs: Any) -> ModelPart:
    attention = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}}
    settings = {"use": "language_model", "width": 8, "context": 16, "position": "learned", "blocks": [attention]}
    return cast(ModelPart, resolve_part(ModelPart, settings | knobs))


def weights(part: ModelPart, seed: int = 0) -> dict[str, Tensor]:
    return cast(nn.Module, assemble(part, SITE, seed)).state_dict()


def test_a_skeleton_has_shapes_and_no_content() -> None:
    network = cast(nn.Module, skeleton(model(), SITE))
    assert {tensor.device.type for tensor in (*network.parameters(), *network.buffers())} == {"meta"}
    assert sum(parameter.numel() for parameter in network.parameters()) == sum(
        w.numel() for w in weights(model()).values()
    )


def test_a_skeleton_of_400_billion_parameters_takes_no_memory_for_them() -> None:
    layer = {
        "use": "pre_norm",
        "mixer": {"use": "multi_head", "heads": 128, "kv_heads": 8},
        "feedforward": {"use": "swiglu", "hidden": 53248},
    }
    huge = model(width=16384, depth=126, context=131072, position="rope", blocks=[layer], tie=False)
    network = cast(nn.Module, skeleton(huge, ModelSite(128256)))
    assert sum(parameter.numel() for parameter in network.parameters()) > 4e11


def test_one_seed_gives_one_set_of_weights_whatever_was_drawn_before() -> None:
    first = weights(model(), 3)
    torch.rand(5)
    second = weights(model(), 3)
    other = weights(model(), 4)
    assert all(first[name].equal(second[name]) for name in first)
    assert not first["input.embedding.weight"].equal(other["input.embedding.weight"])


class Tabled(nn.Module):
    """A layer with a table drawn at random that no checkpoint holds, drawn after the weights."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.weight = nn.Parameter(torch.empty(5))
        self.register_buffer("table", torch.empty(4), persistent=False)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        nn.init.uniform_(self.table)


def test_where_saved_weights_come_next_only_what_is_not_saved_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        trained, reopened = (nn.Sequential(nn.Linear(2, 3), Tabled()) for _ in range(2))
    materialise(trained, 7)  # type: ignore[arg-type]
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda self: pytest.fail("these weights are replaced"))
    make_room(reopened, 7)  # type: ignore[arg-type]
    assert reopened[1].table.equal(trained[1].table)
    reopened.load_state_dict(trained.state_dict())
    assert all(ours.equal(theirs) for ours, theirs in zip(reopened.parameters(), trained.parameters(), strict=True))


def test_a_table_of_the_model_itself_is_filled_where_saved_weights_come_next() -> None:
    with torch.device("meta"):
        trained, reopened = Tabled(), Tabled()
    materialise(trained, 7)  # type: ignore[type-var]
    assert make_room(reopened, 7).table.equal(trained.table)  # type: ignore[type-var]


def test_the_random_state_of_the_caller_is_left_alone() -> None:
    before = torch.get_rng_state()
    weights(model())
    assert torch.get_rng_state().equal(before)


def test_a_variant_changes_only_the_weights_of_what_it_changes() -> None:
    plain = weights(model(depth=3))
    variant = weights(
        model(
            depth=3,
            blocks=[{"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2}, "feedforward": {"use": "swiglu"}}],
        )
    )
    shared = plain.keys() & variant.keys()
    differing = {
        name for name in shared if plain[name].shape != variant[name].shape or not plain[name].equal(variant[name])
    }
    assert {"input.embedding.weight", "stack.blocks.2.mixer.project.linear.weight"} <= shared - differing
    assert differing
    assert all(".feedforward." in name for name in differing)


def test_more_layers_leave_the_first_ones_as_they_were_but_for_the_scale_of_the_depth() -> None:
    initializer = {"use": "normal", "scale_residual": False}
    shallow, deep = weights(model(depth=1, initializer=initializer)), weights(model(depth=3, initializer=initializer))
    assert all(shallow[name].equal(deep[name]) for name in shallow)


def test_layers_do_not_begin_alike() -> None:
    drawn = weights(model(depth=2))
    name = "stack.blocks.{}.mixer.output.weight"
    assert not drawn[name.format(0)].equal(drawn[name.format(1)])


class Forgetful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3))


class Root(nn.Module):
    initializer = None

    def __init__(self, child: nn.Module) -> None:
        super().__init__()
        self.inner = nn.ModuleDict({"child": child})


def test_a_module_that_cannot_fill_its_weights_is_named() -> None:
    with pytest.raises(PartError, match=r"module inner\.child \(Forgetful\) has parameters or buffers of its own"):
        materialise(Root(Forgetful()), 0)  # type: ignore[type-var]


def test_children_are_filled_before_their_parents_and_each_once() -> None:
    order = []

    class Child(nn.Linear):
        def reset_parameters(self) -> None:
            order.append("child")

    class Parent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = Child(2, 2)
            self.same = self.one

        def reset_parameters(self) -> None:
            order.append("parent")

    parent = Parent()
    order.clear()
    materialise(parent, 0)  # type: ignore[type-var]
    assert order == ["child", "parent"]


def test_a_seed_has_63_bits_and_depends_on_every_step_of_the_path() -> None:
    seeds = {seed_for(0), seed_for(1), seed_for(0, "a"), seed_for(0, "a", "b"), seed_for(0, "b", "a"), seed_for(0, 1)}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)
    digest = hashlib.sha256(b"7/stack.blocks.0").digest()
    assert seed_for(7, "stack.blocks.0") == int.from_bytes(digest[:8], "big") // 2


def test_a_model_too_large_for_the_machine_is_refused_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "free_memory", lambda device: 1000)
    with pytest.raises(WorkError, match=r"weights need .* kB and cpu has 1\.0 kB free; make it smaller"):
        assemble(model(), SITE, 0)


def test_a_failure_names_its_place_in_the_model() -> None:
    blocks = [
        {"use": "pre_norm", "mixer": "gru"},
        {"use": "repeat", "times": 2, "blocks": [{"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 3}}]},
    ]
    with pytest.raises(PartError, match="heads 3 does not divide width 8") as caught:
        skeleton(model(blocks=blocks, position="none"), SITE)
    assert caught.value.path == ("blocks", 1, "blocks", 0, "mixer")


def test_filling_is_skipped_where_there_is_nothing_to_fill() -> None:
    with build.NothingToFill():
        real = nn.Linear(3, 3)
        nn.init.normal_(real.weight, mean=100.0, std=0.1)
        assert (real.weight > 90).all()
        empty = torch.empty(2, 2, device="meta")
        assert nn.init.xavier_uniform_(empty) is empty
        assert empty.normal_() is empty
        assert nn.init.eye_(empty) is empty
    assert isinstance(resolve_part(NormPart, "rms_norm").assemble(WidthSite(4)), nn.Module)


def test_building_a_model_does_not_import_the_compiler() -> None:
    """It would take as long as importing PyTorch itself, at the start of every command."""
    program = """
import sys
from partwise.assembly import assemble
from partwise.parts import ModelPart
from partwise.parts import resolve_part
from partwise.parts import ModelSite
block = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 2, "weighing": "talking_heads"}}
recurrent = {"use": "recurrent", "mixer": "lstm"}
part = {"use": "language_model", "width": 8, "context": 16, "position": "learned", "blocks": [block, recurrent]}
assemble(resolve_part(ModelPart, part), ModelSite(13), 0)
heavy = {"sympy", "torch._dynamo"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (16e9, "16.0 GB"), (8e17, "800.0 PB")],
)
def test_sizes_in_words(count: float, words: str) -> None:
    assert size_in_words(count) == words


def test_tied_parameters_of_someone_elses_module_stay_tied() -> None:
    with torch.device("meta"):
        table, head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        head.weight = table.weight
        both = nn.ModuleDict({"table": table, "head": head})
    materialise(both, seed=0)  # type: ignore[arg-type]
    assert head.weight is table.weight
    assert len(list(both.parameters())) == 1


@pytest.mark.parametrize("width", [10**12, 2**64 - 1])
def test_sizes_beyond_what_can_be_counted_are_refused_in_words(width: int) -> None:
    with pytest.raises(PartError, match="more bytes than 64 bits can count; make the model smaller") as caught:
        skeleton(model(width=width), SITE)
    assert caught.value.path is not None


class Drawn(nn.Module):
    """Draws its weights, and those of all that is in it, in its constructor."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])


class Above(nn.Module):
    """A module that fills a child anew, beside layers one of which it fills again and two that share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), fillable(Drawn)]
        )
        self.tied = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.tied[1].weight = self.tied[0].weight
        self.head = nn.Linear(3, 3)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.head.weight)


def test_submodules_that_are_filled_one_after_the_other_are_those_of_a_whole() -> None:
    def skeleton_of() -> Above:
        with torch.device("meta"):
            return Above()

    whole, pieces = skeleton_of(), skeleton_of()
    materialise(cast(Any, whole), 5)
    drawn = cast(Drawn, pieces.layers[2])
    for piece in (pieces.layers[1], pieces.layers[0]):
        assert materialise_within(cast(Any, pieces), piece, 5) is piece
    assert materialise_within(cast(Any, pieces), drawn.layers[1], 5) is drawn, "it draws all that is in it at once"
    kept = {name: one.clone() for name, one in pieces.layers.state_dict().items()}
    torch.rand(3)
    assert materialise_within(cast(Any, pieces), pieces, 5) is pieces
    for name, one in whole.state_dict().items():
        assert one.equal(pieces.state_dict()[name]), name
    assert all(one.equal(pieces.layers.state_dict()[name]) for name, one in kept.items())
    assert pieces.tied[0].weight is pieces.tied[1].weight


def test_a_submodule_whose_weights_are_loaded_next_draws_none() -> None:
    with torch.device("meta"):
        model = nn.ModuleDict({"table": Tabled(), "other": nn.Linear(2, 2)})
    materialise_within(cast(Any, model), model["table"], 0, drawn=False)
    assert model["other"].weight.is_meta
    assert not any(tensor.is_meta for tensor in (*model["table"].parameters(), *model["table"].buffers()))
