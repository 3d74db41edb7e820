"""Weights that lie in an object store: a copy on this machine, for a worker gets a path."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Mapping

from flows.settings import weights_folder
from manifests.errors import WeightsRefused
from manifests.storage import TEMPORARY, open_folder


def local_weights(file: str | None, options: Mapping[str, str], say: Callable[[str], None]) -> str | None:
    """Return the path of a file with weights, copied into the folder of weights first where it is an s3:// URL.

    It is copied anew each time, so that it is what lies in the store now. Raises WeightsRefused.
    """
    if file is None or not file.startswith("s3://"):
        return file
    home, _, name = file.rpartition("/")
    folder = weights_folder() / "stores" / hashlib.sha256(home.encode()).hexdigest()[:16]
    temporary = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
    say(f"Copying {file} into {folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        open_folder(home, options).copy_to(name, temporary)
        os.replace(temporary, folder / name)
    except FileNotFoundError as err:
        raise WeightsRefused(f"Weights {file}: there is no such object.") from err
    except OSError as err:
        raise WeightsRefused(f"Weights {file} cannot be copied into {folder}: {err}") from err
    finally:
        temporary.unlink(missing_ok=True)
    return str(folder / name)
