"""Compile in a process of its own what the worker will need, while the worker checks what is eager.

Nothing is measured here: kernels land in the disk cache, where the worker finds them. On two cores this halves the
wait for a cold cache. A suite that reads a clock stops it first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gradgauge.cases import Case
from gradgauge.job import Job
from gradgauge.lifeline import die_with_parent


class CompileAhead:
    """The helper process; `stop` may be called at any time and more than once."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, job_file: Path, cases: Sequence[Case]) -> None:
        """Start on the compiled CPU cases, from the last to the first: the worker comes from the other end."""
        compiled = [case.to_json() for case in cases if case.mode == "compiled" and case.device == "cpu"]
        if not compiled:
            return
        command = [sys.executable, "-m", "gradgauge.ahead", str(job_file)]
        # Threads that spin between parallel regions would take the worker's cores for nothing.
        patient = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env=patient)
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            pipe.write(json.dumps(compiled[::-1]).encode())

    def stop(self) -> None:
        """Kill it; what it compiled stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


WARM_AFTER = 4
"""When so many cases found all their kernels in the disk cache, the others' are taken to be there, too."""


def compile_ahead(job: Job, cases: Sequence[Case]) -> None:
    """Run value, gradient and inference of each case once; what raises is for the worker to report.

    Gives up where the disk cache is warm: it would only take the worker's cores.
    """
    import torch

    from gradgauge.attempts import attempt
    from gradgauge.compilation import cache_traffic, compile_call, forget_compiled
    from gradgauge.session import Session
    from gradgauge.situations import main_situation
    from gradgauge.trials import Trial

    session = Session(job)
    if job.threads:
        torch.set_num_threads(job.threads)  # inductor writes the number into the kernels

    def once(case: Case) -> None:
        entry = session.entry(case)
        call = compile_call(entry.implementations[case.implementation].implementation.call)
        for truth, way in main_situation(case, entry, job.seed).trials:
            trial = Trial(case, call, truth, way).finish()
            with torch.inference_mode():
                call(*trial.inputs)

    for number, case in enumerate(cases, 1):
        attempt("compiling ahead", partial(once, case))
        forget_compiled()
        hits, misses = cache_traffic()
        if number >= WARM_AFTER and hits and not misses:
            return


if __name__ == "__main__":
    die_with_parent()
    os.nice(5)
    compile_ahead(Job.read(Path(sys.argv[1])), [Case.from_json(keys) for keys in json.load(sys.stdin)])
