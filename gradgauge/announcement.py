"""What a worker tells its parent before the first case: plan, catalog, environment, metrics."""

from __future__ import annotations

import os
import time
from dataclasses import asdict

from gradgauge.description import describe_catalog
from gradgauge.environment import describe_environment
from gradgauge.records import AVAILABILITY
from gradgauge.session import Session


def announce(session: Session, items: int) -> None:
    """Write the `planned` event; the first also files what cannot run on this machine."""
    if session.catalog.functions and not session.fitting:
        session.say("refused", message=_no_case(session))
        return
    if session.folder and not session.folder.records_jsonl.exists():
        for record in session.availability_records():
            session.file(record)
    metrics = {AVAILABILITY.name: AVAILABILITY} | {
        metric.name: metric for suite in session.suites.values() for metric in suite.metrics
    }
    fresh_cache = bool(os.environ.get("GRADGAUGE_FRESH_CACHE"))
    session.say(
        "planned",
        items=items,
        catalog=describe_catalog(session.catalog, session.devices),
        environment=describe_environment(session.devices, fresh_cache=fresh_cache),
        metrics={name: metric.to_json() for name, metric in metrics.items()},
        suites={name: suite.question for name, suite in session.suites.items()},
        first_metrics={name: [suite.metrics[0].name, suite.metrics[0].unit] for name, suite in session.suites.items()},
        planned=[{"suite": name, **case.to_json()} for name, cases in session.planned.items() for case in cases],
        left_out=[*session.job.timing.impossible(session.devices), *session.left_out],
    )
    session.began = time.monotonic()
    if session.folder:
        session.ahead.start(session.folder.job_json, session.planned.get("gradients", []))


def _no_case(session: Session) -> str:
    chosen = {axis: values for axis, values in asdict(session.job.selection).items() if values}
    flags = " ".join(
        f"--{axis.removesuffix('es') if axis == 'passes' else axis.removesuffix('s')} {value}"
        for axis, values in chosen.items()
        for value in values
    )
    return f"no case fits {flags or 'the choice'} with preset {session.job.preset}: try another shape, layout or suite"
