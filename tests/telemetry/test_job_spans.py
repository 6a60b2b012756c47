"""The span of a job in its worker."""

from pathlib import Path

from serve_app.telemetry import tracing
from tests.jobs.office import office, recording
from tests.telemetry.collector import Collector
from tests.telemetry.conftest import Begin


async def test_a_job_that_waits_for_the_graph_is_one_span_without_an_error(
    tmp_path: Path, collector: Collector, begin: Begin
) -> None:
    begin(collector.endpoint, OTEL_TRACES_SAMPLER="always_on")
    async with office(tmp_path) as opened:
        job = await opened.accepted(recording("busy", "at last"))
        await opened.until(job, "completed")
        assert opened.graph.begun == ["at last", "at last"]
    tracing.end()
    spans = collector.until(lambda spans: any(span.name == "job" for span in spans))
    (only,) = [span for span in spans if span.name == "job"]
    assert only.attributes == {"chorus.job_id": job, "chorus.file": 0}
    assert not only.is_error
