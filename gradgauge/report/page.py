"""A run's page: its sections under the questions that they answer."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from gradgauge.report.blocks import Callout, Mark
from gradgauge.report.data import RunData
from gradgauge.report.discovery import discover
from gradgauge.report.document import Chip, Document, Part, Piece, render
from gradgauge.report.formatting import plural
from gradgauge.report.questions import Question
from gradgauge.report.scopes import Vocabulary
from gradgauge.report.summary import drifting, failing, state_of

_GATE_TONES = {"passed": Mark("✓", "gate: passed", "good"), "failed": Mark("✗", "gate: failed", "bad")}


def render_page(run: RunData) -> str:
    """Return the report as HTML. Everything that comes from the run is escaped; only our own drawings are markup."""
    with _records_out_of_collection():
        return render(_document(run))


@contextmanager
def _records_out_of_collection() -> Iterator[None]:
    """Spare the garbage collector what is there already: of 100,000 records, each of its rounds takes half a second."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _document(run: RunData) -> Document:
    description = run.description
    state = state_of(run)
    incomplete = "This run is incomplete." if not description.complete else "This run is not whole."
    banner = Callout(
        "bad", f"{incomplete} What follows shows only what was recorded.", items=tuple((s,) for s in state)
    )
    return Document(
        title=f"gradgauge · {description.run_id}",
        heading="Which implementation, and are its gradients right?",
        facts=_facts(run),
        chips=_chips(run, state),
        parts=_parts(run),
        vocabulary=Vocabulary.of([run]),
        banner=banner if state else None,
    )


def _parts(run: RunData) -> list[Part]:
    """Return a part for each question, what is wrong first where anything is."""
    pieces: dict[Question, list[Piece]] = {question: [] for question in Question}
    for section in discover():
        blocks = section.render(run)
        if blocks:
            pieces[section.question].append(Piece(section.name, section.title, blocks))
    ordered = sorted(Question, key=lambda question: question is not Question.WRONG) if _is_wrong(run) else Question
    return [Part(question.anchor, question.title, pieces[question], _nothing(question, run)) for question in ordered]


def _is_wrong(run: RunData) -> bool:
    return bool(failing(run) or drifting(run) or state_of(run) or (run.gate and str(run.gate.status) == "failed"))


def _nothing(question: Question, run: RunData) -> str:
    if question is Question.WRONG and run.records:
        return f"Nothing failed in {plural(len(run.records), 'record')}."
    return question.unanswered


def _chips(run: RunData, state: list[str]) -> list[Chip]:
    wrong, anchor = failing(run), Question.WRONG.anchor
    chips = [Chip(Mark("✗", "not whole" if run.description.complete else "incomplete", "bad"))] if state else []
    chips += [] if state else [Chip(Mark("✓", "complete", "good"))]
    if wrong:
        chips.append(Chip(Mark("✗", f"{len(wrong)} wrong", "bad"), anchor))
    elif not state:
        chips.append(Chip(Mark("✓", "nothing failed", "good"), anchor))
    if drifting(run):
        chips.append(Chip(Mark("≈", "the machine did not hold still", "warn"), anchor))
    if run.gate:
        status = str(run.gate.status)
        said = f"gate: {status.replace('-', ' ')}"
        chips.append(Chip(_GATE_TONES.get(status, Mark("?", said, "warn")), "gate"))
    return [*chips, Chip(Mark("·", plural(len(run.records), "record"), "plain"), "records" if run.records else "")]


def _facts(run: RunData) -> list[tuple[str, str]]:
    description = run.description
    facts = [
        ("Run", description.run_id),
        ("Started", description.start),
        ("Preset", description.preset),
        ("Seed", description.seed),
        ("Machine", machine_of(run)),
    ]
    return [(name, value) for name, value in facts if value]


def machine_of(run: RunData) -> str:
    """Return what names the accelerators that were measured on and the processor, wherever the environment has it."""
    environment = run.description.environment
    measured = {record.case.device for record in run.records}
    listed = environment.get("accelerators") if isinstance(environment, dict) else None
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    names = [entry.get("name") for entry in entries if entry.get("device") in measured]
    wanted = ("cpu_model", "model", "gpu_name", "cpu")
    processor = next((text for key in wanted for text in _texts(environment, key)), "")
    return ", ".join(dict.fromkeys(name for name in (*names, processor) if name and isinstance(name, str)))


def _texts(value: object, wanted: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    here = [item for key, item in value.items() if key == wanted and isinstance(item, str)]
    return here + [text for item in value.values() for text in _texts(item, wanted)]
