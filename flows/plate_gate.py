"""The gate before matting: which cameras of a subject are left out, because their plate is not right."""

from __future__ import annotations

from flows.books import Books
from flows.check_capture import check_plates
from flows.watch import Watcher
from manifests.manifest import Manifest
from manifests.storage import open_folder
from manifests.traffic import Traffic, traffic_of

WHAT_TO_DO = "mend the plate, or matte all the same with --check warn"


def rejected_plates(books: Books, manifest: Manifest, watcher: Watcher) -> tuple[dict[str, str], dict[str, Traffic]]:
    """Return the words for the rows of each camera whose plate fails the check, and what the store was asked.

    What was found is said. The whole subject is looked at, whatever is selected or pending, so that every run comes to
    the same. A camera whose files the store does not give is not judged, with a warning.
    """
    mode = books.settings.check
    if mode == "off":
        return {}, {}
    capture = open_folder(books.capture_url, books.settings.store_options)
    checked = check_plates(capture, manifest)
    reasons: dict[str, list[str]] = {}
    for one in checked.findings:
        if not one.is_of_plate or one.limit is None:
            continue
        text = f"plate {one.fault}: {one.words} (limit {one.limit:.3g})"
        is_rejected = one.verdict == "fail" and mode == "fail"
        if is_rejected:
            reasons.setdefault(one.camera, []).append(text)
        watcher.warn(f"subject {one.subject}, camera {one.camera}: {text}{': not matted' if is_rejected else ''}")
    for camera, reason in checked.unread.items():
        watcher.warn(f"subject {manifest.subject}, camera {camera}: its plate could not be checked ({reason})")
    rejected = {camera: f"{'; '.join(texts)}: {WHAT_TO_DO}" for camera, texts in reasons.items()}
    return rejected, traffic_of(capture)
