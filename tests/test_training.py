"""Training: the same for every implementation, and what is wrong is found early while roundings never are."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge import networks, training
from gradgauge.attempts import Wrong
from gradgauge.calling import Call
from gradgauge.cases import Case
from gradgauge.catalog import Catalog, FunctionEntry
from gradgauge.gauge import Gauge
from gradgauge.inputs import torch_dtype
from gradgauge.networks import Network, misfit, missing_data, read_digits
from gradgauge.partings import first_difference, what_roundings_do
from gradgauge.runs import RunFolder
from gradgauge.training import Course, Tally, Training, piece_names, step_pass, train, wrong_elements
from tests.fakes import Measured, a_function, a_job, an_entry, measure_here, write_function

SHORT = Course(seeds=1, steps=30)
TERNARY = Case("ternary_activation", "reference", "eager", "forward_backward", "cpu", "float32", "64x64")
RELU = Case("relu", "reference", "eager", "forward_backward", "cpu", "float32", "64x64")


def a_training(entry: FunctionEntry, case: Case, role: str, number: int = 0, course: Course = SHORT) -> Training:
    trained_on, tested_on = read_digits()
    dtype = torch_dtype(case.dtype, case.function)
    return Training(case, entry, course, role, 0, number, trained_on.to("cpu", dtype), tested_on.to("cpu", dtype))


def ternary(catalog: Catalog, role: str, number: int = 0, course: Course = SHORT) -> Training:
    return a_training(catalog.functions["ternary_activation"], TERNARY, role, number, course)


def call_of(entry: FunctionEntry, name: str) -> Call:
    return entry.implementations[name].implementation.call


def steeper(call: Call, factor: float) -> Call:
    """Return the call with its gradient times a factor."""

    def called(x: Tensor) -> Tensor:
        y = call(x)
        assert isinstance(y, Tensor)
        return y.detach() + factor * (y - y.detach())

    return called


def test_the_digits_are_always_the_same_and_exact_in_every_dtype() -> None:
    trained_on, tested_on = read_digits()
    assert (len(trained_on.labels), len(tested_on.labels)) == (1437, 360)
    assert trained_on.images.shape == (1437, 64)
    assert (float(trained_on.images.min()), float(trained_on.images.max())) == (-1.0, 1.0)
    assert sorted(set(tested_on.labels.tolist())) == list(range(10))
    assert torch.equal(trained_on.to("cpu", torch.bfloat16).images.double(), trained_on.images)
    assert torch.equal(read_digits()[0].images, trained_on.images)


def test_no_digits_are_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_data() == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert missing_data() == "needs scikit-learn, which is not installed: pip install 'gradgauge[training]'"


def one_output(call: Callable[..., Any], **fields: Any) -> FunctionEntry:
    return an_entry(a_function(**fields), reference=call)


STAIRCASE = {"breakpoints": (-1.0, 1.0)}


@pytest.mark.parametrize(
    ("entry", "role", "why"),
    [
        (one_output(torch.relu), "activation", ""),
        (one_output(torch.relu, breakpoints=(0.0,)), "weights", "two breakpoints or more, not 1"),
        (one_output(torch.tanh, **STAIRCASE), "weights", ""),
        (one_output(torch.log), "activation", "finite wherever a network may take it"),
        (one_output(lambda x: x.sum(dim=-1)), "activation", r"one of its shape, not \[(2,)\]"),
        (one_output(lambda x: (x, x), **STAIRCASE), "weights", r"one of its shape, not \[(2, 4), (2, 4)\]"),
    ],
)
def test_what_cannot_have_a_role_says_why(entry: FunctionEntry, role: str, why: str) -> None:
    told = misfit(entry, role)
    assert why.replace("\\", "") in told
    assert bool(told) is bool(why)


def test_latent_weights_inhabit_all_pieces(catalog: Catalog) -> None:
    one = ternary(catalog, "weights")
    network = one.network(call_of(one.entry, "reference"))
    assert (network.centre, network.scale) == (0.0, 8.0)
    outcome = train(one, call_of(one.entry, "reference"))
    shares = {piece: share for piece, share, _ in outcome.tally.shares()}
    assert set(shares) == {"x < −5", "−5 ≤ x < 5", "x ≥ 5"}
    assert min(shares.values()) > 0.25
    assert math.isclose(sum(shares.values()), 1.0)


def test_an_uneven_staircase_is_met_in_its_middle() -> None:
    network = Network.of("weights", torch.tanh, a_function(breakpoints=(1.0, 2.0, 5.0)))
    assert (network.centre, network.scale) == (3.0, 3.2)


@pytest.mark.parametrize("role", ["activation", "weights"])
def test_every_implementation_starts_from_the_same_numbers_and_meets_the_same_batches(
    catalog: Catalog, role: str
) -> None:
    one = ternary(catalog, role)
    met: list[list[Tensor]] = []
    for name in ("reference", "published"):
        moments = one.moments(call_of(one.entry, name))
        torch.manual_seed(len(met))  # what the process has drawn by now does not matter
        first = next(moments)
        met.append([*(each.detach().clone() for each in first.parameters), first.batch.images, first.batch.labels])
        met[-1].append(next(moments).batch.labels)
    assert all(torch.equal(left, right) for left, right in zip(*met, strict=True))
    assert not torch.equal(met[0][-1], met[0][-2])
    other = next(ternary(catalog, role, number=1).moments(call_of(one.entry, "reference")))
    assert not torch.equal(other.parameters[0], met[0][0])
    assert not torch.equal(other.batch.labels, met[0][5])


def test_an_epoch_meets_every_digit_at_most_once(catalog: Catalog) -> None:
    batches = ternary(catalog, "activation").batches()
    images = torch.cat([next(batches).images for _ in range(1437 // 64)])
    met, known = ({tuple(image) for image in found.tolist()} for found in (images, read_digits()[0].images.float()))
    assert len(met) >= len(images) - (1437 - len(known))


def test_training_is_the_same_a_second_time_and_learns(catalog: Catalog) -> None:
    one = a_training(catalog.functions["relu"], RELU, "activation")
    first, second = (train(one, torch.relu) for _ in range(2))
    assert first.losses == second.losses
    assert (first.accuracy, first.loss) == (second.accuracy, second.loss)
    assert first.accuracy is not None
    assert first.accuracy > 0.7
    assert len(first.losses) == 30
    assert first.broke_at is None


def test_training_takes_one_thread_and_gives_the_others_back(catalog: Catalog) -> None:
    one = a_training(catalog.functions["relu"], RELU, "activation", course=Course(steps=2))
    threads, seen = torch.get_num_threads(), []

    def spied(x: Tensor) -> Tensor:
        seen.append(torch.get_num_threads())
        return torch.relu(x)

    train(one, spied)
    first_difference(one, spied, what_roundings_do(one))
    assert set(seen) == {1}
    assert torch.get_num_threads() == threads


def test_a_step_is_what_stochastic_descent_with_momentum_says(catalog: Catalog) -> None:
    one = ternary(catalog, "weights")
    states, gradients = [], []
    for moment in one.moments(call_of(one.entry, "reference")):
        states.append(torch.cat([each.detach().double().flatten() for each in moment.parameters]))
        gradients.append(moment.gradient)
        if len(states) == 3:
            break
    rate, momentum = one.rate, one.course.momentum
    assert torch.allclose(states[1], states[0] - rate * gradients[0], atol=1e-6)
    assert torch.allclose(states[2], states[1] - rate * (momentum * gradients[0] + gradients[1]), atol=1e-6)


CORRECT = [
    ("relu", "activation", "native"),
    ("relu", "activation", "masked_function"),
    ("ternary_activation", "activation", "where"),
    ("ternary_activation", "weights", "where"),
    ("ternary_activation", "weights", "masked_function"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("function", "role", "name"), CORRECT)
def test_what_is_right_never_parts_in_a_whole_course_from_several_seeds(
    catalog: Catalog, function: str, role: str, name: str
) -> None:
    entry = catalog.functions[function]
    case = TERNARY if function == "ternary_activation" else RELU
    for number in range(4):
        one = a_training(entry, case, role, number, Course())
        assert first_difference(one, call_of(entry, name), what_roundings_do(one)) is None


@pytest.mark.parametrize("role", ["activation", "weights"])
def test_values_an_ulp_off_do_not_part(catalog: Catalog, role: str) -> None:
    one = ternary(catalog, role)
    reference, eps = call_of(one.entry, "reference"), torch.finfo(torch.float32).eps

    def rounded_up(x: Tensor) -> Tensor:
        y = reference(x)
        assert isinstance(y, Tensor)
        return y * (1 + eps)

    assert first_difference(one, rounded_up, what_roundings_do(one)) is None


@pytest.mark.parametrize(("factor", "found"), [(1.001, True), (1.0, False), (float("nan"), True), (float("inf"), True)])
@pytest.mark.parametrize("role", ["activation", "weights"])
def test_a_gradient_that_is_a_thousandth_off_parts_at_once(
    catalog: Catalog, role: str, factor: float, found: bool
) -> None:
    one = ternary(catalog, role)
    wrong = steeper(call_of(one.entry, "reference"), factor)
    step = first_difference(one, wrong, what_roundings_do(one))
    assert (step is not None and step <= 3) is found
    assert found or step is None


def test_the_published_gradient_parts_where_its_wrong_piece_is_met(catalog: Catalog) -> None:
    on_weights = ternary(catalog, "weights")
    published = call_of(on_weights.entry, "published")
    assert first_difference(on_weights, published, what_roundings_do(on_weights)) == 1
    # As an activation nothing lies below −5 yet.
    early = ternary(catalog, "activation")
    assert first_difference(early, published, what_roundings_do(early)) is None


def test_roundings_grow_and_do_not_shrink(catalog: Catalog) -> None:
    one = ternary(catalog, "weights")
    roundings = what_roundings_do(one)
    assert len(roundings) == 30
    assert roundings == sorted(roundings)
    eps = torch.finfo(torch.float32).eps
    size = math.hypot(*(float(each.detach().norm()) for each in one.parameters(one.network(torch.tanh))))
    assert roundings[0] == pytest.approx(eps * size, rel=0.01)


def test_slopes_are_wrong_by_piece_and_never_at_a_kink(catalog: Catalog) -> None:
    entry = catalog.functions["ternary_activation"]
    x = torch.tensor([-200.0, -30.0, -10.0, -5.0, 0.0, 5.0, 6.0, 200.0])
    assert wrong_elements(entry, call_of(entry, "published"), x).tolist() == [True, False, True, *[False] * 4, True]
    assert not wrong_elements(entry, call_of(entry, "where"), x).any()
    relu = catalog.functions["relu"]
    for name in relu.implementations:
        assert not wrong_elements(relu, call_of(relu, name), torch.tensor([-1.0, 0.0, 1.0])).any()
    assert wrong_elements(relu, steeper(torch.relu, 1.02), torch.tensor([-1.0, 1.0])).tolist() == [False, True]


def test_elements_are_counted_by_piece_and_a_breakpoint_belongs_to_its_right() -> None:
    tally = Tally(a_function(breakpoints=(-5.0, 5.0)))
    x = torch.tensor([[-6.0, -5.0], [5.0, 7.0]])
    tally.add(x, torch.tensor([[True, False], [False, True]]))
    tally.add(torch.zeros(4), torch.zeros(4, dtype=torch.bool))
    assert tally.shares() == [("x < −5", 1 / 8, 1 / 8), ("−5 ≤ x < 5", 5 / 8, 0.0), ("x ≥ 5", 2 / 8, 1 / 8)]
    assert piece_names((0.0,)) == ["x < 0", "x ≥ 0"]
    whole = Tally(a_function())
    whole.add(x, torch.zeros(2, 2, dtype=torch.bool))
    assert whole.shares() == [("all x", 1.0, 0.0)]


def test_a_loss_that_is_not_finite_ends_training_and_says_when(catalog: Catalog) -> None:
    one = a_training(catalog.functions["relu"], RELU, "activation")
    calls = iter(range(100))

    def breaks(x: Tensor) -> Tensor:
        return torch.relu(x) if next(calls) < 6 else x * float("nan")

    outcome = train(one, breaks)
    assert outcome.broke_at is not None
    assert 1 < outcome.broke_at == len(outcome.losses) <= 7
    assert (outcome.accuracy, outcome.loss) == (None, None)
    assert sum(share for _, share, _ in outcome.tally.shares()) == 1.0


def test_a_call_of_another_shape_is_wrong(catalog: Catalog) -> None:
    one = a_training(catalog.functions["relu"], RELU, "activation")
    with pytest.raises(Wrong, match=r"returned a tensor of shape \(64, 1\) for one of \(64, 64\)"):
        train(one, lambda x: x[:, :1])


def test_a_timed_step_leaves_the_parameters_and_says_whose_it_is(catalog: Catalog) -> None:
    one = ternary(catalog, "weights")
    seen: list[Tensor] = []

    def spied(x: Tensor) -> Tensor:
        seen.append(x.detach().clone())
        return torch.tanh(x)

    beats: list[int] = []
    step_pass(one, spied, lambda: beats.append(1)).call(3)
    assert beats == [1]
    assert len(seen) == 6
    assert all(torch.equal(seen[0], later) for later in seen[2::2])


def shorten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(training, "COURSE", Course(seeds=2, steps=25))
    patch.setattr(Gauge, "block_budget_s", lambda self: 0.0)


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


CHOSEN = {"suites": ("training",), "devices": ("cpu",)}
WRONG_PY = '''"""Wrong in its gradient."""
from gradgauge.model import Implementation

def call(x):
    y = x.clamp(min=0)
    return y.detach() + 1.5 * (y - y.detach())

IMPLEMENTATION = Implementation(call=call)
'''
RAISES_PY = WRONG_PY.replace("    y = x", "    raise RuntimeError('no')\n    y = x")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    mine, folder = tmp_path_factory.mktemp("mine"), RunFolder.create(tmp_path_factory.mktemp("trained"))
    (mine / "relu").mkdir()
    (mine / "relu" / "wrong.py").write_text(WRONG_PY, encoding="utf-8")
    (mine / "relu" / "raising.py").write_text(RAISES_PY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        return measure_here(folder, a_job(folder, CHOSEN, implementations=(str(mine),)))


@pytest.mark.slow
def test_the_suite_files_what_training_came_to(measured: Measured) -> None:
    assert {line["suite"] for line in measured.records} <= {"training", "catalog"}
    keys = [
        repr({key: line[key] for key in line if key not in ("value", "detail", "verdict")}) for line in measured.records
    ]
    assert len(keys) == len(set(keys))
    where = measured.find("training_accuracy", function="relu", implementation="where")
    assert [line["labels"] for line in where if line["value"]] == [
        {"role": "activation", "seed": "0"},
        {"role": "activation", "seed": "1"},
    ]
    assert [line["verdict"] for line in where] == ["measured", "measured", "not-applicable"]
    assert "two breakpoints or more" in where[-1]["detail"]
    reference = measured.find("training_accuracy", function="relu", implementation="reference")
    assert [line["value"] for line in where] == [line["value"] for line in reference]
    parted = {
        name: [
            line["value"] for line in measured.find("training_first_difference", function="relu", implementation=name)
        ]
        for name in ("where", "native", "wrong")
    }
    assert parted == {"where": [None, None], "native": [None, None], "wrong": [1, 1]}
    (never, _) = measured.find("training_first_difference", function="relu", implementation="where")
    assert (never["verdict"], never["detail"]) == ("measured", "never in 25 steps")
    own = measured.find("training_first_difference", function="relu", implementation="reference")
    assert {line["verdict"] for line in own} == {"not-applicable"}
    totals = [
        line for line in measured.find("training_wrong_share", implementation="wrong") if "piece" not in line["labels"]
    ]
    assert all(0.3 < line["value"] < 0.7 for line in totals)


@pytest.mark.slow
def test_the_suite_tells_what_raises_and_what_does_not_apply(measured: Measured) -> None:
    (failed,) = [line for line in measured.records if line["verdict"] == "fail"]
    assert failed["detail"] == "training raised RuntimeError: no"
    assert failed["labels"] == {"role": "activation", "seed": "0"}
    assert measured.find("training_step_time", implementation="raising") == []
    products = measured.find("training_accuracy", function="multiply")
    assert {line["detail"] for line in products} == {"an activation has one input, multiply has 2"}
    assert {line["verdict"] for line in products} == {"not-applicable"}


@pytest.mark.slow
def test_the_suite_files_curves_times_and_pieces(measured: Measured) -> None:
    curves = [line for line in measured.series if line["series"].startswith("training_loss/weights/")]
    assert {line["series"] for line in curves} == {"training_loss/weights/0", "training_loss/weights/1"}
    assert {tuple(line["x"]) for line in curves} == {(10.0, 20.0, 25.0)}
    assert {line["implementation"] for line in curves} == {"reference", "where", "masked_function", "published"}
    times = measured.find("training_step_time", function="ternary_activation")
    assert len(times) == 8
    assert all(line["value"] > 0 and line["samples"] >= 7 for line in times)
    assert {line["labels"]["role"] for line in times} == {"activation", "weights"}
    published = measured.find("training_wrong_share", function="ternary_activation", implementation="published")
    by_piece = {
        line["labels"]["piece"]: line["value"]
        for line in published
        if line["labels"]["role"] == "weights" and line["labels"]["seed"] == "0" and "piece" in line["labels"]
    }
    assert by_piece.pop("x < −5") > 0.1
    assert set(by_piece.values()) == {0.0}


@pytest.mark.slow
@pytest.mark.usefixtures("_short")
def test_a_second_run_finds_the_same_figures(folder: RunFolder, tmp_path: Path) -> None:
    chosen = {**CHOSEN, "functions": ("ternary_activation",), "implementations": ("published",)}
    runs = [measure_here(each, a_job(each, chosen)) for each in (folder, RunFolder.create(tmp_path / "again"))]
    first, second = (
        [line | {"run": ""} for line in run.records if line["metric"] != "training_step_time"] for run in runs
    )
    assert first == second
    assert {line["implementation"] for line in first} == {"reference", "published"}


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (
            {"modes": ("compiled",)},
            "networks are trained eagerly on contiguous tensors, not compiled on contiguous ones",
        ),
        ({"layouts": ("strided",)}, "not eager on strided ones"),
        ({"shapes": ("8",)}, "a network trains on batch × hidden units, at most 1437 × any number, not 8"),
        ({"shapes": ("2000x8",)}, "not 2000x8"),
    ],
)
@pytest.mark.usefixtures("_short")
def test_a_case_that_nothing_trains_in_says_so(
    folder: RunFolder, tmp_path: Path, chosen: dict[str, tuple[str, ...]], told: str
) -> None:
    root = write_function(tmp_path / "mine")
    job = a_job(folder, {**CHOSEN, "functions": ("twice",), **chosen}, implementations=(str(root),), only_mine=True)
    measured = measure_here(folder, job)
    lines = [line for line in measured.records if line["metric"] == "training_accuracy" and told in line["detail"]]
    assert lines
    assert {line["verdict"] for line in lines} == {"not-applicable"}


@pytest.mark.usefixtures("_short")
def test_without_the_digits_the_suite_is_unavailable(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "missing_data", lambda: "needs scikit-learn")
    measured = measure_here(folder, a_job(folder, {**CHOSEN, "functions": ("relu",), "implementations": ("where",)}))
    assert {(line["metric"], line["verdict"], line["detail"]) for line in measured.records} == {
        ("training_accuracy", "unavailable", "needs scikit-learn")
    }
