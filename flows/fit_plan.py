"""The plan of a fit: settings, a capture and folders become files on this machine that a training can read."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from flows.enumerate import enumerate_capture
from flows.fit_settings import FitSettings
from flows.resolve import cpu_has_bf16, resolve_weights
from flows.settings import EnumerateSettings, weights_folder
from flows.stored_weights import local_weights
from flows.telling import count
from manifests.errors import UsageError, WeightsRefused
from manifests.manifest import drop_manifest, read_manifest
from manifests.storage import TEMPORARY, Folder, open_folder
from manifests.storage_memory import MemoryFolder
from matting_tasks.device import gpu_has_bf16
from matting_tasks.fit.pictures import find_pictures
from matting_tasks.fit.plan import IMAGENET, SCRATCH, FitPlan
from models.checkpoints import identify, load_state_dict
from models.errors import ModelError
from models.fitted import parameters_of, weights_of
from models.imagenet import fetch_imagenet
from models.parameters import Parameter
from models.registry import ALIAS, DEFAULT, entry, full_name, names_without_weights
from models.weights import file_sha256

Say = Callable[[str], None]

PLATES = "plates"
HELD_OUT_OF = 6  # one picture in so many is kept to judge by
MINUTES = 60.0
RATE_FROM_WEIGHTS = 0.3  # of the rates of a stage


def make_plan(capture: str | None, out: Path, settings: FitSettings, device: str, say: Say) -> FitPlan:
    """Bring all that a fit needs to this machine, and say what it is. Raises UsageError, WeightsRefused and OSError."""
    plates = copy_plates(capture, out / PLATES, settings, say) if capture is not None else ()
    pictures, held = _pictures(settings, say)
    start = _start(settings, say)
    return FitPlan(
        model=settings.model,
        start=start,
        plates=tuple(str(path.absolute()) for path in plates),
        pictures=tuple(map(str, pictures)),
        held_pictures=tuple(map(str, held)),
        foregrounds=tuple(str(Path(place).absolute()) for place in settings.foregrounds or ()),
        stages=tuple(settings.stages or ()),
        parameters={**_parameters_of_start(settings, start), **settings.given_parameters},
        minutes=settings.minutes or (None if settings.steps else MINUTES),
        steps=settings.steps,
        rate=settings.rate or (RATE_FROM_WEIGHTS if _knows_all(settings.model, start) else 1.0),
        seed=settings.seed,
        size_px=settings.sizes,
        n_examples=settings.examples,
        n_held_out=settings.held_out,
        validate_every=settings.validate_every,
        precision=_precision(settings.precision, device),
        n_processes=_n_processes(settings),
        n_workers=settings.workers,
        beside=_beside(settings, say),
        name=settings.name or "",
        licence=settings.licence or "",
    )


def fetch_start(settings: FitSettings, say: Say) -> Path | None:
    """Return the file of the ImageNet backbone where a fit begins from it, fetched once. Raises WeightsRefused."""
    if settings.start != IMAGENET:
        return None
    try:
        return fetch_imagenet(weights_folder(), tell=say).path
    except ModelError as err:
        raise WeightsRefused(f"{err}. A fit can begin from others: --from {ALIAS} or --from {SCRATCH}.") from err


def copy_plates(capture: str, folder: Path, settings: FitSettings, say: Say) -> list[Path]:
    """Copy the plates of a capture beside the fit, those of the selected subjects and cameras, and return their paths.

    A copy's name has the hash of what it holds, so that another picture is another plate. One that is missing or cannot
    be read is said. Raises UsageError where there is no plate at all.
    """
    source = open_folder(capture, settings.store_options)
    chosen = _spread(list(_plates(source, settings, say)), settings.most_plates)
    if not chosen:
        raise UsageError(
            f"{capture} has no plate that can be used. Without --capture other backgrounds are learned from."
        )
    folder.mkdir(parents=True, exist_ok=True)
    copied = []
    for name, path in chosen:
        try:
            copied.append(_copied(source, path, folder, name))
        except (FileNotFoundError, PermissionError) as err:
            say(f"{path} cannot be read ({err}), and is left out")
    if not copied:
        raise UsageError(f"none of the plates of {capture} can be read.")
    say(f"{count(len(copied), 'plate')} of {capture} in {folder}")
    return copied


def _copied(source: Folder, path: str, folder: Path, name: str) -> Path:
    """Copy a file of the capture, whole or not at all, to a name that has its hash. Raises OSError."""
    temporary = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        source.copy_to(path, temporary)
        target = folder / f"{name}_{file_sha256(temporary)[:8]}{PurePosixPath(path).suffix.lower()}"
        if not target.is_file():
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _plates(source: Folder, settings: FitSettings, say: Say) -> Iterator[tuple[str, str]]:
    """Yield a name and the path in the capture of every plate that can be used. Raises UsageError."""
    listed = EnumerateSettings(
        subjects=settings.subjects, cameras=settings.cameras, layout=settings.layout, plate=settings.plate
    )
    books, unknown = MemoryFolder(), set(settings.cameras or ())
    for one in enumerate_capture(source, books, listed):
        manifest = read_manifest(books, one.subject)
        drop_manifest(books, one.subject)
        for camera, plate in sorted(manifest.plates.items() if manifest is not None else ()):
            if settings.cameras is not None and camera not in settings.cameras:
                continue
            unknown.discard(camera)
            if plate.status != "ok" or plate.path is None:
                say(f"subject {one.subject}, camera {camera}: its plate is {plate.status}, and is left out")
                continue
            yield f"{one.subject}_{camera}", plate.path
    if unknown:
        raise UsageError(f"--cameras {','.join(sorted(unknown))}: not in {source.url}.")


def _spread(found: Sequence[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    if len(found) <= most:
        return list(found)
    return [found[k * len(found) // most] for k in range(most)]


def _pictures(settings: FitSettings, say: Say) -> tuple[list[Path], list[Path]]:
    """Return the pictures to learn from and those to judge by."""
    found = [path.absolute() for path in find_pictures([Path(place) for place in settings.pictures or ()])]
    if settings.held_out_pictures is not None:
        held = [path.absolute() for path in find_pictures([Path(place) for place in settings.held_out_pictures])]
    else:
        held = [path for path in found if _digest(path)[0] % HELD_OUT_OF == 0]
        if len(held) in (0, len(found)):  # of a few pictures: one, and none of a single one
            held = sorted(found, key=_digest)[: min(1, len(found) - 1)] if found else []
    apart = set(held)
    learned = [path for path in found if path not in apart]
    if learned or held:
        say(f"{count(len(learned), 'picture')} to learn from, {len(held)} held out to judge by")
    return learned, held


def _digest(path: Path) -> bytes:
    """Return what decides whether a picture is held out: its name alone, wherever it lies."""
    return hashlib.sha256(path.name.encode()).digest()


def _start(settings: FitSettings, say: Say) -> str:
    """Return what a fit begins from as a plan names it. Raises UsageError and WeightsRefused."""
    if settings.start in (SCRATCH, IMAGENET):
        return settings.start
    if settings.start == ALIAS:
        return _usual_start(settings.model, say)
    named = local_weights(settings.start, settings.store_options, say)
    path = Path(named or "").expanduser().absolute()
    if not path.exists():
        raise UsageError(
            f"--from {settings.start}: there is no such file. A file with weights, a folder that a fit wrote, or one "
            f"of {ALIAS}, {IMAGENET} and {SCRATCH} is wanted."
        )
    try:
        return str(weights_of(path))
    except ModelError as err:
        raise WeightsRefused(f"--from {settings.start}: {err}") from err


def _knows_all(model: str, start: str) -> bool:
    """Tell whether a fit begins with no part of the network as noise; a file that is none is named when it is used."""
    if start in (SCRATCH, IMAGENET):
        return False
    try:
        return model.partition("@")[0] in identify(load_state_dict(Path(start)))
    except ModelError:
        return False


def _parameters_of_start(settings: FitSettings, start: str) -> dict[str, Parameter]:
    """Return the parameters of what a fit begins from, where it is a fit too: what they fit goes on with them."""
    if settings.start in (SCRATCH, IMAGENET):
        return {}
    if settings.start == ALIAS:
        known = entry(DEFAULT)
        return dict(known.defaults) if Path(start).name == known.weights else {}
    named = Path(settings.start).expanduser()
    return parameters_of(named if named.exists() else Path(start))  # a copy of what lies in a store


def _usual_start(model: str, say: Say) -> str:
    """Return the file with the weights that matte would use: of the default's network, the default's own."""
    try:
        found = resolve_weights(DEFAULT if model == DEFAULT.partition("@")[0] else model, None, None, say)
    except WeightsRefused as err:
        raise WeightsRefused(
            f"{err.__cause__ or err}. A fit can begin from others: --from FILE, --from {IMAGENET} where the backbone "
            f"is MobileNetV2, or --from {SCRATCH}."
        ) from err
    if found is None:
        raise UsageError(f"--model {model} has no weights, and nothing that could be trained.")
    return str(found.path)


def _beside(settings: FitSettings, say: Say) -> dict[str, str]:
    """Return the models that the card judges too, each with the path of its weights, empty for one without."""
    usual = names_without_weights() if entry(settings.model).uses_plate else ()
    found = {}
    for name in map(full_name, usual if settings.compare is None else settings.compare):
        weights = resolve_weights(name, None, None, say)
        found[name] = "" if weights is None else str(weights.path)
    return found


def _precision(asked: str, device: str) -> str:
    if asked != "auto":
        return asked
    return "bf16" if (cpu_has_bf16() if device == "cpu" else gpu_has_bf16(device)) else "fp32"


def _n_processes(settings: FitSettings) -> int:
    if settings.processes is not None:
        return settings.processes
    return max(1, len(os.sched_getaffinity(0)) // (4 * settings.workers))
