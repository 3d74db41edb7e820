"""One run a subject at a time, for money and not for safety: a second run waits, and then finds the work done.

Two runs that race write the same bytes; both pay for them. So a run that cannot ask, or that has waited for long,
goes on. A slot is a lease of a global concurrency limit of the Prefect server, which takes back what a dead process
held. Prefect's own context for them cannot be left while it waits, and a run must end at once when it is cancelled.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectAlreadyExists

from flows.artifacts import if_reachable
from flows.prefect_tasks import Slot

LEASE_S = 60.0
"""The least that the server takes: so long a killed run keeps others from its subjects."""
RENEW_EVERY_S = 20.0
ASK_EVERY_S = 3.0
PATIENCE_S = 6 * 3600.0


def one_at_a_time(out_url: str, say: Callable[[str], None], patience_s: float = PATIENCE_S) -> Slot:
    """Return a context for the work on a subject of an output root that no other deployed run is in at that time."""

    @contextmanager
    def slot(subject: str, ended: threading.Event) -> Iterator[None]:
        with ExitStack() as held:
            with if_reachable():
                client = held.enter_context(get_client(sync_client=True))
                name = slot_name(out_url, subject)
                lease = _take(client, name, ended, time.monotonic() + patience_s, say)
                if lease is not None:
                    held.enter_context(_kept(client, lease))
            yield

    return slot


def slot_name(out_url: str, subject: str) -> str:
    """Return the name of a subject's limit: readable, of letters that Prefect takes, one for each (root, subject)."""
    shown = re.sub(r"[^\w.+-]", "_", subject)[:40]
    key = hashlib.sha256(f"{out_url.rstrip('/')}\n{subject}".encode()).hexdigest()
    return f"cleanplate-{shown}-{key[:10]}"


def _take(
    client: SyncPrefectClient, name: str, ended: threading.Event, deadline: float, say: Callable[[str], None]
) -> UUID | None:
    """Return a lease once the run that has it gives it back, None where that takes too long.

    Raises InterruptedError where this run ends meanwhile.
    """
    with suppress(ObjectAlreadyExists):  # made by another run at the same moment
        client.upsert_global_concurrency_limit_by_name(name, 1)
    lease = _ask(client, name)
    if lease is None:
        say(f"Another run is at work on this subject ({name}): waiting for it.")
    while lease is None and time.monotonic() < deadline:
        if ended.wait(ASK_EVERY_S):
            raise InterruptedError(f"the run ended while it waited for {name}")
        lease = _ask(client, name)
    if lease is None:
        say(f"{name} did not become free: going on, which is safe and may do work twice.")
    return lease


def _ask(client: SyncPrefectClient, name: str) -> UUID | None:
    """Return a lease of a limit, None where another run has it."""
    try:
        answer = client.increment_concurrency_slots_with_lease([name], 1, "concurrency", LEASE_S)
    except httpx.HTTPStatusError as err:
        if err.response.status_code == httpx.codes.LOCKED:
            return None
        raise
    return UUID(answer.json()["lease_id"])


@contextmanager
def _kept(client: SyncPrefectClient, lease: UUID) -> Iterator[None]:
    """Renew a lease while the work goes on, and give it back; one that the server has forgotten harms nothing."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEW_EVERY_S):
            with if_reachable():
                client.renew_concurrency_lease(lease, LEASE_S)

    renewing = threading.Thread(target=renew, name="subject-slot", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join(2.0)
        with if_reachable():
            client.release_concurrency_slots_with_lease(lease)
