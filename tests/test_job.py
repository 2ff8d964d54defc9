from __future__ import annotations

from gradgauge.job import Job, subject_key
from gradgauge.runs import RunFolder
from tests.fakes import a_case, a_job


def test_a_job_reads_back_as_it_was_written(folder: RunFolder) -> None:
    job = a_job(
        folder,
        {"functions": ("relu",), "dtypes": ("float16", "float32")},
        implementations=("/somewhere",),
        only_mine=True,
        threads=1,
        limit_s=55.0,
        spent_s=1.5,
        done=(("speed", "slug"), ("memory", "other")),
        dropped={"relu/where/cpu": "killed the process"},
        unloadable={"/somewhere/relu/x.py": "killed the process"},
    )
    job.write(folder.job_json)
    assert Job.read(folder.job_json) == job


def test_a_crash_rules_out_an_implementation_on_one_device_in_every_mode() -> None:
    assert subject_key(a_case(implementation="where", mode="compiled", dtype="float16")) == "relu/where/cpu"
    assert subject_key(a_case(device="cuda:0")) != subject_key(a_case())
