"""The books of a run: the output root, the recipe that stands, the decisions, and the pool that carries them out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from flows.engines import prepare_engines, use_ray_token
from flows.listing import pinned_rule
from flows.recipes import Source, override_recipe, resolve_recipe
from flows.resolve import (
    Machine,
    WeightsFile,
    Workforce,
    as_fitted,
    resolve_machine,
    resolve_weights,
    resolve_workforce,
)
from flows.settings import MatteSettings
from flows.stored_weights import local_weights
from flows.watch import Watcher
from manifests.decisions import Decision, Selection, append_decision, read_decisions, standing_recipe
from manifests.errors import RecipeDiffers
from manifests.ledger import list_receipts, read_ledger
from manifests.manifest import listed_subjects, read_manifest
from manifests.plan import SubjectPlan, failed_frames, read_plan, read_plans
from manifests.recipe import Recipe
from manifests.records import STATUSES, Shard, ShardFailure, ShardSummary
from manifests.root import Root, claim_root, read_root
from manifests.runs import new_run_id
from manifests.storage import Folder
from manifests.traffic import Traffic

if TYPE_CHECKING:
    from matting_tasks.cluster import Cluster
    from matting_tasks.worker import WorkerSettings


class Pool(Protocol):
    """Whoever mattes shards."""

    @property
    def n_workers(self) -> int:
        """Count the workers of now, at least one."""

    def matte(self, groups: Iterable[Sequence[Shard]]) -> Iterator[ShardSummary | ShardFailure]:
        """Yield outcomes as they come; the shards of a group are matted in lockstep."""

    def close(self) -> None:
        """Let go of what is in hand."""

    def traffic(self) -> Mapping[str, Traffic]:
        """Return what the workers asked of the stores, by URL; complete once the pool is closed."""


@dataclass(frozen=True, slots=True)
class Books:
    """All that a run knows before it plans; nothing is written until `claim`.

    `proposed` are the last of `decisions`: they count in the plan, and `claim` writes them. `weights` are the files at
    hand by their sha256.
    """

    out: Folder
    capture_url: str
    settings: MatteSettings
    selection: Selection
    root: Root
    decisions: tuple[Decision, ...]
    recipe: Recipe
    machine: Machine
    workforce: Workforce
    weights: Mapping[str, str]
    source: Source
    proposed: tuple[Decision, ...] = ()

    def claim(self) -> Books:
        """Write root.json unless it is there, and the proposed decisions; return the books as they then are.

        Raises RecipeDiffers if another run was first, with another recipe.
        """
        standing = claim_root(self.out, self.root)
        if standing.recipe != self.root.recipe:
            raise RecipeDiffers(_differing(self.out.url, standing.recipe, self.root.recipe, 0))
        written = self.decisions[: len(self.decisions) - len(self.proposed)]
        for decision in self.proposed:
            made = append_decision(self.out, written, decision.selection, decision.recipe, decision.reason)
            written = (*written, made)
        return self.refreshed()

    def refreshed(self) -> Books:
        """Return the books with the decisions that other runs have made meanwhile."""
        return replace(self, decisions=read_decisions(self.out, self.root.decision), proposed=())

    def newer(self) -> list[Decision]:
        """Return the decisions that other runs have made since these books were read."""
        return [one for one in self.refreshed().decisions if one.number > self.decisions[-1].number]

    def plan(self, subject: str) -> SubjectPlan | None:
        """Return the plan of a subject for the selection, or None where it has no manifest."""
        return read_plan(self.out, subject, self.decisions, self.selection, self.root.grid)

    def plans(self, subjects: Iterable[str]) -> Iterator[SubjectPlan]:
        """Yield the plans of subjects, one by one; while another run compacts, done shards may look pending in them."""
        return read_plans(self.out, subjects, self.decisions, self.selection, self.root.grid)

    def stands_elsewhere(self, recipe: Recipe) -> bool:
        """Tell whether any selected frame is decided by another recipe."""
        others = {decision.number for decision in self.decisions if decision.recipe != recipe}
        if not others:
            return False
        subjects = (subject for subject in listed_subjects(self.out) if self.selection.has_subject(subject))
        return any(shard.decision in others for plan in self.plans(subjects) for shard in plan.selected)

    def propose(self, selection: Selection, recipe: Recipe, reason: str) -> Books:
        """Return the books with one more decision."""
        decision = Decision(self.decisions[-1].number + 1, selection, recipe, reason)
        return replace(self, decisions=(*self.decisions, decision), proposed=(*self.proposed, decision))

    def open_pool(self, recipe: Recipe, weights: str | None) -> Pool:
        """Open a pool of workers for one recipe, on Ray or in this process."""
        from matting_tasks.worker import WorkerSettings

        settings = WorkerSettings(
            recipe=recipe,
            weights=weights,
            capture_url=self.capture_url,
            out_url=self.out.url,
            device=self.machine.device,
            n_threads=self.workforce.n_threads,
            storage_options=self.settings.store_options,
        )
        if self.settings.executor == "local":
            from matting_tasks.in_process import InProcessPool

            return InProcessPool(settings)
        from matting_tasks.cluster import start_ray
        from matting_tasks.pool import RayPool

        start_ray(self.settings.ray_address, max(self.machine.n_cores, self.settings.workers or 1))
        force = self.workforce
        if self.settings.ray_address is None:
            return RayPool(settings, force.n_workers, force.n_cpus, force.n_gpus)
        return self._open_cluster_pool(settings)

    def _open_cluster_pool(self, settings: WorkerSettings) -> Pool:
        """Open a pool on the nodes of a joined cluster that have what its workers need; raises NodesUnfit."""
        from matting_tasks.nodes import Nodes
        from matting_tasks.pool import RayPool
        from matting_tasks.preflight import Wanted, versions_here

        listed = listed_subjects(self.out)
        manifest = read_manifest(self.out, listed[0]) if listed else None
        wanted = Wanted(
            recipe=settings.recipe,
            weights=settings.weights,
            capture_url=settings.capture_url,
            out_url=settings.out_url,
            sample=None if manifest is None or not len(manifest.frames) else manifest.frames.path[0],
            probe=new_run_id(),
            versions=versions_here(),
            storage_options=settings.storage_options,
        )
        force = self.workforce
        nodes = Nodes(wanted, force.n_cpus, force.n_gpus)
        nodes.check()
        if self.settings.workers is not None:
            nodes.ask_for(self.settings.workers)
        return RayPool(settings, self.settings.workers, force.n_cpus, force.n_gpus, nodes)


@contextmanager
def open_books(
    out: Folder,
    capture_url: str,
    settings: MatteSettings,
    selection: Selection,
    watcher: Watcher,
    base: Recipe | None = None,
) -> Iterator[Books]:
    """Read an output root, settle the recipe of a run over `selection`, and leave Ray when the run is over.

    With `base`, the recipe is that one with only those knobs changed that were said; without, it must be the one that
    stands: raises RecipeDiffers where the root was made by another and `--replace` was not said.
    """
    file = local_weights(settings.weights, settings.store_options, watcher.say)
    settings = as_fitted(settings, file)
    root = read_root(out)
    decisions = () if root is None else read_decisions(out, root.decision)
    pinned = base or (standing_recipe(decisions, selection) if decisions else None)
    trusted = None if pinned is None else pinned.weights_sha256
    with _ray(settings, watcher) as cluster:
        machine = resolve_machine(settings, pinned, cluster)
        workforce = resolve_workforce(settings, machine)
        source = _source(out)
        recipe = resolve_recipe(settings, pinned, machine, trusted, source)
        if pinned is not None and base is None and not settings.replace:
            _refuse_other(out, selection, pinned, recipe)  # before weights are fetched for nothing
        weights = resolve_weights(settings.model, file, trusted, watcher.say, watcher.fetched)
        recipe = replace(recipe, weights_sha256=None if weights is None else weights.sha256)
        files = [weights]
        if recipe.fallback is not None:
            found = _fallback_weights(settings, recipe.fallback, watcher)
            recipe = replace(recipe, fallback=replace(recipe.fallback, weights_sha256=found.sha256 if found else None))
            files.append(found)
        elif base is not None and base.fallback is not None and settings.missing_plate_weights is not None:
            found = _fallback_weights(settings, base.fallback, watcher)
            base = replace(base, fallback=replace(base.fallback, weights_sha256=found.sha256 if found else None))
            files.append(found)
        at_hand = {file.sha256: str(file.path) for file in files if file is not None}
        recipe = recipe if base is None else override_recipe(base, settings, recipe)
        root = root or Root(recipe, capture_url, pinned_rule(out, settings.fingerprint))
        decisions = decisions or (root.decision,)
        plans = out, capture_url, settings, selection, root, decisions
        books = Books(*plans, recipe, machine, workforce, at_hand, source)
        if pinned is not None and base is None and not settings.replace:
            _refuse_other(out, selection, pinned, recipe)
        if settings.replace and books.stands_elsewhere(recipe):
            books = books.propose(selection, recipe, "replace")
        yield books


def _source(out: Folder) -> Source:
    """Return what the manifest says of the capture, from any subject: all have it in common."""
    listed = listed_subjects(out)
    manifest = read_manifest(out, listed[0]) if listed else None
    return Source() if manifest is None else Source(manifest.layout, manifest.numbering)


def _fallback_weights(settings: MatteSettings, fallback: Recipe, watcher: Watcher) -> WeightsFile | None:
    file = local_weights(settings.missing_plate_weights, settings.store_options, watcher.say)
    return resolve_weights(fallback.model, file, fallback.weights_sha256, watcher.say, watcher.fetched)


def retry_failed(books: Books, selection: Selection, statuses: Collection[str] = STATUSES) -> Books:
    """Propose that the selected frames whose rows have such a status, and not ok, are matted again by their recipes."""
    listed: dict[Recipe, dict[str, list[tuple[str, str, int]]]] = {}
    by_number = {decision.number: decision for decision in books.decisions}
    subjects = [subject for subject in listed_subjects(books.out) if selection.has_subject(subject)]
    for plan in read_plans(books.out, subjects, books.decisions, selection, books.root.grid):
        for number, rows in failed_frames(books.out, plan).items():
            triples = [(row.sequence, row.camera, row.frame) for row in rows if row.status in statuses]
            if not triples:
                continue
            listed.setdefault(by_number[number].recipe, {}).setdefault(plan.subject, []).extend(triples)
    for recipe, frames in listed.items():
        books = books.propose(Selection(listed=frames), recipe, "retry-failed")
    return books


def _refuse_other(out: Folder, selection: Selection, standing: Recipe, asked: Recipe) -> None:
    """Raise RecipeDiffers where the recipe that is asked for is not the one that stands."""
    if asked == standing:
        return
    subjects = [subject for subject in listed_subjects(out) if selection.has_subject(subject)]
    listed = list_receipts(out)
    n_shards = sum(len(read_ledger(out, subject, listed).failed) for subject in subjects)
    raise RecipeDiffers(_differing(out.url, standing, asked, n_shards))


def _differing(url: str, standing: Recipe, asked: Recipe, n_shards: int) -> str:
    differences = "\n".join(f"  {line}" for line in standing.differences(asked))
    return (
        f"{url} was made by another recipe, {standing.recipe_id}; {n_shards} shards are done there:\n{differences}\n"
        "To go on as before, say those values again. To matte all selected frames anew by this recipe, add --replace. "
        "To keep both, name another --out."
    )


@contextmanager
def _ray(settings: MatteSettings, watcher: Watcher) -> Iterator[Cluster | None]:
    """Leave Ray when a run is over; yield what a joined cluster has, None on this machine alone.

    On this machine Ray is started by the first pool, so that a run with nothing to do does without.
    """
    prepare_engines()
    if settings.executor == "local":
        yield None
        return
    if settings.ray_address is not None:
        use_ray_token()
    from matting_tasks.cluster import look_at_cluster, start_ray, stop_ray

    try:
        if settings.ray_address is None:
            yield None
        else:
            watcher.say(f"Joining Ray at {settings.ray_address}")
            start_ray(settings.ray_address, 0)
            yield look_at_cluster()
    finally:
        stop_ray()
