"""Inspecting: what lies under an output root, and which weights are at hand, printed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from flows.settings import EnumerateSettings, weights_folder
from flows.show import plain_console, reasons_of, show_cameras
from flows.show_manifest import chosen_subjects, manifest_rows
from manifests.decisions import Decision, read_decisions
from manifests.errors import UsageError, WeightsRefused
from manifests.failures import read_failures
from manifests.plan import CameraStatus, camera_statuses, read_plan
from manifests.root import read_root
from manifests.runs import read_runs
from manifests.storage import Folder, open_folder
from models.errors import ModelError
from models.registry import ALIAS, DEFAULT, entry, full_name, names


def print_status(out_url: str, settings: EnumerateSettings, as_json: bool) -> int:
    """Print how far an output root is, and return the exit code that says so in short."""
    out = open_folder(out_url, settings.store_options)
    found = _look(out, settings)
    if as_json:
        print(json.dumps(_status_record(found), indent=1, default=str))
    else:
        _show_status(found)
    cameras = found.cameras
    if any(camera.n_pending for camera in cameras):
        return 1
    return 3 if any(camera.n_failed for camera in cameras) else 0


def print_weights() -> None:
    """Print all models with their weights."""
    from models.weights import PACKAGED, WEIGHTS, locate

    folder = weights_folder()
    table = Table(title=f"Models, with weights in {folder}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("model", "plate", "licence", "at hand", "weights"):
        table.add_column(name, no_wrap=name == "model", overflow="fold")
    for name in names():
        known = entry(name)
        plate = "yes" if known.uses_plate else "no"
        if known.weights is None:
            table.add_row(name, plate, "", "yes", "none needed")
            continue
        weights, at_hand = WEIGHTS[name], locate(name, folder)
        # a source of another format has another name
        file_name = weights.file_name if at_hand is None else at_hand.name
        where = "no" if at_hand is None else "in the package" if name in PACKAGED else "yes"
        table.add_row(name, plate, weights.licence, where, file_name)
    console = plain_console()
    console.print(table)
    for file_name, sha256 in {s.file_name: s.sha256 for weights in WEIGHTS.values() for s in weights.sources}.items():
        if sha256 is not None:
            console.print(f"SHA-256 known beforehand: {file_name} {sha256[:12]}...")
    console.print(
        "Fetch one with: cleanplate weights fetch NAME. Use a local file with: --weights FILE.\n"
        f"--model {ALIAS} is {DEFAULT}, which needs no download."
    )


def fetch_weights(name: str) -> None:
    """Fetch a model's weights, with a line for each source and a progress bar; raises WeightsRefused and UsageError."""
    from models.errors import UnknownModel
    from models.weights import WEIGHTS, fetch

    name = full_name(name)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = plain_console()
    if name in names() and entry(name).weights is None:
        console.print(f"{name} needs no weights.")
        return
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task(name, total=None)
            found = fetch(
                name,
                weights_folder(),
                lambda done, total: progress.update(bar, completed=done, total=total),
                lambda line: progress.console.print(line, soft_wrap=True),
            )
    except UnknownModel as err:
        raise UsageError(str(err)) from err
    except ModelError as err:
        raise WeightsRefused(str(err)) from err
    console.print(f"{found.path}\nSHA-256 {found.sha256}\nLicence {WEIGHTS[name].licence}", soft_wrap=True)
    if found.first_use:
        console.print("No hash of this file is published: this one was recorded, and another will be refused.")


def verify_weights(file: Path, model: str | None) -> None:
    """Print which models a file fits and its hash; raises WeightsRefused if none, or not the one that was named."""
    from models.checkpoints import check_fits, identify, load_state_dict
    from models.fitted import weights_of
    from models.weights import file_sha256

    if not file.exists():
        raise UsageError(f"{file}: there is no such file.")
    try:
        file = weights_of(file)
        if model is not None:
            check_fits(full_name(model), file)
        fits = identify(load_state_dict(file))
    except ModelError as err:
        raise WeightsRefused(str(err)) from err
    typer.echo(f"SHA-256 {file_sha256(file)}")
    if not fits:
        raise WeightsRefused(f"{file} fits none of the models {', '.join(names())}.")
    typer.echo(f"{file} fits {', '.join(fits)}.")


@dataclass(slots=True)
class _Found:
    """What lies under an output root, for a selection; `decisions` is empty where nothing was matted yet."""

    out_url: str
    capture_url: str
    decisions: tuple[Decision, ...]
    cameras: list[CameraStatus]
    failures: list[dict[str, Any]]
    by_decision: Counter[int]
    runs: list[dict[str, Any]]


def _look(out: Folder, settings: EnumerateSettings) -> _Found:
    subjects = chosen_subjects(out, settings)
    root = read_root(out)
    found = _Found(out.url, "" if root is None else root.capture_url, (), [], [], Counter(), read_runs(out))
    if root is None:
        rows = [row for subject in subjects for row in manifest_rows(out, subject, settings.selection)]
        found.cameras = [
            CameraStatus(row["subject"], row["sequence"], row["camera"], row["n_frames"], 0, row["n_frames"])
            for row in rows
            if row["n_frames"]
        ]
        return found
    found.decisions = read_decisions(out, root.decision)
    for subject in subjects:
        plan = read_plan(out, subject, found.decisions, settings.selection, root.grid)
        if plan is None:
            continue
        found.capture_url = plan.manifest.capture_url
        found.cameras += camera_statuses(out, plan)
        pending = {shard.shard_id for shard in plan.pending}
        found.failures += [record for shard, record in read_failures(out, subject).items() if shard in pending]
        for shard in plan.selected:
            found.by_decision[shard.decision] += len(shard.rows)
    return found


def _status_record(found: _Found) -> dict[str, Any]:
    decisions = [
        {
            "number": decision.number,
            "reason": decision.reason,
            "selection": str(decision.selection),
            "recipe": json.loads(decision.recipe.to_json()),
            "recipe_id": decision.recipe.recipe_id,
            "n_frames": found.by_decision[decision.number],
        }
        for decision in found.decisions
    ]
    return {
        "out": found.out_url,
        "capture": found.capture_url,
        "cameras": [asdict(camera) for camera in found.cameras],
        "decisions": decisions,
        "failures": found.failures,
        "runs": found.runs,
    }


def _show_status(found: _Found) -> None:
    console = plain_console()
    console.print(f"Output root {found.out_url}\nCapture     {found.capture_url or 'not matted yet'}", soft_wrap=True)
    show_cameras(console, found.cameras)
    table = Table(title="Decisions", title_justify="left")
    for name in ("number", "reason", "selection", "model", "recipe", "decides frames"):
        table.add_column(name, no_wrap=name in ("model", "recipe"), overflow="fold")
    for decision in found.decisions:
        recipe, counted = decision.recipe, str(found.by_decision[decision.number])
        names = (decision.reason, str(decision.selection), recipe.model, recipe.recipe_id)
        table.add_row(str(decision.number), *names, counted)
    console.print(table)
    table = Table(title="Runs, the last ten", title_justify="left")
    for name in ("run", "state", "user", "host", "frames written"):
        table.add_column(name, no_wrap=name == "run", overflow="fold")
    for run in found.runs[-10:]:
        state = "running, or killed" if run["state"] == "running" else str(run["state"])
        table.add_row(run["run"], state, run.get("user"), run.get("host"), str(run.get("n_written", "?")))
    console.print(table)
    for reason in reasons_of(found.cameras):
        console.print(f"! {reason}", soft_wrap=True)
    for failure in found.failures[:12]:
        console.print(f"! shard {failure['shard_id']}: {failure['kind']}: {failure['message']}", soft_wrap=True)
