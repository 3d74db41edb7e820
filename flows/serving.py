"""Serving: the deployments of `infra/prefect.yaml` by one process on one machine, without work pools."""

from __future__ import annotations

import asyncio
import os
import signal
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engines import ENVIRONMENT
from flows.parameters import settings_of
from flows.settings import MatteSettings
from flows.show import plain_console
from manifests.errors import UsageError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment
    from prefect.events import DeploymentEventTrigger
    from prefect.runner import Runner

QUIET = ("PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK", "OMP_WAIT_POLICY", "RAY_USAGE_STATS_ENABLED")
"""Of the engines' environment: all but the silence, since the logs of runs are read on Prefect's pages."""
LASTING = {
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}
"""So that whose turn it is outlives a reboot, and a run that died can be told by its silence."""
UPLOADED = "cleanplate.subject.uploaded"
"""The event that a subject is complete, with its name in the payload as `subject`."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What is served: values that forms are filled with, when nights begin, and how many runs go on at once.

    `more` is TOML, the other settings of nightly and matte-captures.
    """

    capture: str | None = None
    out: str | None = None
    cron: str | None = None
    timezone: str = "UTC"
    at_once: int = 1
    port: int = 4200
    more: str = ""


def run_serve(settings: ServeSettings) -> int:
    """Serve the deployments until Ctrl-C or SIGTERM, which cancel the runs under way; return 0.

    Raises UsageError for a schedule or settings that cannot be, and Fault where no server can be started.
    """
    check_schedule(settings)
    settings_of(MatteSettings, {}, settings.more)
    for name, value in ({name: ENVIRONMENT[name] for name in QUIET} | LASTING).items():
        os.environ.setdefault(name, value)
    from prefect.runner import Runner

    from flows.server import prefect_pages

    served = make_deployments(settings)
    with prefect_pages(settings.port) as url:
        runner = Runner(name="cleanplate", limit=settings.at_once)
        for deployment in served:
            runner.add_deployment(deployment)
        _say(url, served, settings)
        asyncio.run(_until_stopped(runner))
    plain_console().print("Stopped; what runs have finished is kept, and the next run goes on there.")
    return 0


def read_config(path: Path) -> str:
    """Return the text of a file of settings; raises UsageError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"--config {path} cannot be read: {err}.") from err


def check_schedule(settings: ServeSettings) -> None:
    """Raise UsageError where nights cannot begin as they are said to."""
    if settings.cron is None:
        return
    if settings.capture is None or settings.out is None:
        raise UsageError("--cron: nobody fills in the form at night: give --capture-default and --out-default, too.")
    if settings.timezone not in zoneinfo.available_timezones():
        raise UsageError(f"--timezone {settings.timezone}: a name such as Europe/Berlin is wanted.")
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=settings.cron, timezone=settings.timezone)
    except ValueError as err:
        raise UsageError(
            f'--cron "{settings.cron}": minute, hour, day of the month, month, day of the week are wanted, such as '
            '"0 2 * * *" for every night at two.'
        ) from err


def make_deployments(settings: ServeSettings) -> list[RunnerDeployment]:
    """Return what is served: the same as in `infra/prefect.yaml`, each one run at a time."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from flows import deployed, deployed_fit

    known = {"capture": settings.capture, "out": settings.out, "more": settings.more}
    said = {name: value for name, value in known.items() if value}
    only_capture = {name: value for name, value in said.items() if name == "capture"}
    only_out = {name: value for name, value in said.items() if name == "out"}
    nights = None if settings.cron is None else Cron(settings.cron, timezone=settings.timezone)

    def deployment(flow: Any, name: str, parameters: dict[str, str], **extra: Any) -> RunnerDeployment:
        return RunnerDeployment.from_flow(
            flow,
            name,
            parameters=parameters,
            tags=["cleanplate"],
            concurrency_limit=ConcurrencyLimitConfig(limit=1),
            entrypoint_type=EntrypointType.MODULE_PATH,
            **extra,
        )

    return [
        deployment(deployed.nightly, "nightly", said, schedule=nights),
        deployment(deployed.matte_captures, "matte-captures", said, triggers=[_when_uploaded()]),
        deployment(deployed.reprocess_subject, "reprocess-subject", only_out),
        deployment(deployed.report, "report", only_out),
        deployment(deployed_fit.fit_model, "fit-model", only_capture),
    ]


def _when_uploaded() -> DeploymentEventTrigger:
    from prefect.events import DeploymentEventTrigger

    return DeploymentEventTrigger(
        name="matte a subject that was uploaded",
        expect={UPLOADED},
        match={"prefect.resource.id": "cleanplate.subject.*"},
        for_each={"prefect.resource.id"},
        parameters={"subjects": {"__prefect_kind": "jinja", "template": "{{ event.payload.subject }}"}},
    )


async def _until_stopped(runner: Runner) -> None:
    """Poll for runs until a signal comes; then cancel those under way, so that they end as at any cancelling."""
    polling = asyncio.ensure_future(runner.start())
    await asyncio.sleep(0)  # the runner's own handler of SIGTERM is in place now, and ours takes its place
    signalled = asyncio.Event()
    with _signals_set(signalled):
        waiting = asyncio.ensure_future(signalled.wait())
        await asyncio.wait({polling, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if signalled.is_set():
            await runner.astop()
        waiting.cancel()
        await polling


@contextmanager
def _signals_set(event: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _say(url: str, served: list[RunnerDeployment], settings: ServeSettings) -> None:
    console = plain_console()
    console.print(f"Prefect's pages: {url}   (forms, schedules, runs, reports)", soft_wrap=True)
    console.print(f"For commands at another terminal: export PREFECT_API_URL={url}/api", soft_wrap=True)
    for deployment in served:
        console.print(f"  {deployment.flow_name}/{deployment.name}", soft_wrap=True)
    night = "no schedule" if settings.cron is None else f'nightly at "{settings.cron}" {settings.timezone}'
    console.print(f"Serving, {night}, {settings.at_once} at once. Ctrl-C stops, and cancels what runs.", soft_wrap=True)
