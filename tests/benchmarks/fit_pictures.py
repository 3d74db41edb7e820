"""Fetch the pictures that the default was fitted with, from packages, by the ordinary clients of their registries.

    python tests/benchmarks/fit_pictures.py --out pictures
    cleanplate fit --config infra/fit/default.toml --pictures pictures/train --held-out-pictures pictures/heldout ...

`infra/fit/pictures.tsv` names each picture, its licence, and the package that it comes from. It takes pip, npm,
apt-get and dpkg-deb, the package OpenEXR, and a gigabyte for packages, which stay in OUT/packages. A second run makes
what is missing. Details and views of panoramas are cut out by fixed rules; the first six fits of the default learned
from others of the same pictures and panoramas.
"""

from __future__ import annotations

import argparse
import base64
import bz2
import csv
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

U8 = np.ndarray[Any, np.dtype[np.uint8]]
Row = dict[str, str]

TABLE = Path(__file__).parents[2] / "infra" / "fit" / "pictures.tsv"
LONG_SIDE_PX = 1600
VIEW_PX = (960, 720)  # width, height
DETAILS = {"1": (0.06, 0.08), "2": (0.5, 0.44), "3": (0.3, 0.25)}  # where a detail begins: shares of width and height
DETAIL_SHARE = 0.45
FACE_SHAPE = (768, 1024, 3)  # of face.dat, pixels without a header compressed by bzip2
QUALITY = 93


def main() -> None:
    """Make OUT/train and OUT/heldout, each with the LICENCES.tsv that a card is written from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder to make")
    out: Path = parser.parse_args().out
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for split in ("train", "heldout"):
        (out / split).mkdir(parents=True, exist_ok=True)
        _write_licences(out / split / "LICENCES.tsv", [row for row in rows if row["split"] == split])
    missing = [row for row in rows if not (out / row["split"] / row["file"]).is_file()]
    for row in missing:
        pixels = _picture(_unpacked(out / "packages", row["kind"], row["package"], row["version"]), row)
        place = out / row["split"] / row["file"]
        part = place.with_suffix(".part")
        part.write_bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
        part.rename(place)
    print(f"{len(missing)} pictures made, {len(rows) - len(missing)} were there: {out}/train and {out}/heldout")


def _write_licences(path: Path, rows: list[Row]) -> None:
    sources = {"deb": "Debian package {package} {version}", "npm": "{package} {version} (npm package)"}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("file", "title", "author", "licence", "source"))
        for row in rows:
            source = sources.get(row["kind"], "{package} {version} (wheel)").format(**row)
            shown = row["title"] if row["view"] == "whole" else f"{row['title']}, {row['view']}"
            writer.writerow((row["file"], shown, row["author"], row["licence"], f"{source}, {row['path']}"))


def _unpacked(folder: Path, kind: str, package: str, version: str) -> Path:
    """Fetch a package where it is not there yet, and return the folder of its files."""
    place = (folder / f"{kind}-{package}-{version}".replace("/", "-")).resolve()
    done = place / ".unpacked"
    if done.is_file():
        return place
    place.mkdir(parents=True, exist_ok=True)
    print(f"fetching {package} {version}", flush=True)
    fetch = {
        "deb": ["apt-get", "download", f"{package}={version}"],
        "npm": ["npm", "pack", "--silent", f"{package}@{version}"],
        "wheel": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"{package}=={version}"],
    }[kind]
    subprocess.run(fetch, cwd=place, check=True, stdout=subprocess.DEVNULL)
    (file,) = (found for found in place.iterdir() if found.suffix in {".deb", ".tgz", ".whl"})
    if kind == "deb":
        subprocess.run(["dpkg-deb", "-x", file.name, "."], cwd=place, check=True)
    elif kind == "npm":
        with tarfile.open(file) as tar:
            tar.extractall(place, filter="data")
    else:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(place)
    file.unlink()
    done.touch()
    return place


def _picture(folder: Path, row: Row) -> U8:
    """Read a picture, or cut it out of one: (H, W, 3) uint8, BGR."""
    tops = (folder, folder / "package", *folder.glob("*.data"))
    found = [top / row["path"] for top in tops if (top / row["path"]).is_file()]
    if not found:
        sys.exit(f"{row['package']} {row['version']} has no {row['path']}")
    pixels = _read(found[0])
    kind, *numbers = row["view"].split()
    if kind == "view":
        pixels = _view(pixels, int(numbers[0]), int(numbers[2]))
    elif kind == "detail":
        height, width = pixels.shape[:2]
        left, top = (round(share * side) for share, side in zip(DETAILS[numbers[0]], (width, height), strict=True))
        pixels = pixels[top : top + round(DETAIL_SHARE * height), left : left + round(DETAIL_SHARE * width)]
    scale = min(LONG_SIDE_PX / max(pixels.shape[:2]), 1.0)
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _read(path: Path) -> U8:
    data = path.read_bytes()
    if path.suffix == ".dat":
        return np.frombuffer(bz2.decompress(data), np.uint8).reshape(FACE_SHAPE)[..., ::-1]
    if path.suffix == ".js":
        with tempfile.NamedTemporaryFile(suffix=".exr") as file:
            file.write(base64.b64decode(data.split(b"base64,", 1)[1].split(b"'", 1)[0]))
            file.flush()
            return _exposed(Path(file.name))
    if path.suffix == ".exr":
        return _exposed(path)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        sys.exit(f"{path} could not be decoded")
    return np.asarray(pixels, np.uint8)


def _exposed(path: Path) -> U8:
    """Return a picture in linear light as a camera shows it: exposed for its brighter half, cut off, sRGB's gamma."""
    try:
        import OpenEXR  # noqa: PLC0415  # all but the panoramas are made without it
    except ImportError:
        sys.exit("the panoramas are OpenEXR files, which OpenCV does not read: pip install OpenEXR")
    linear = OpenEXR.File(str(path)).channels()["RGB"].pixels[..., ::-1].astype(np.float32)
    exposed = np.clip(0.7 * linear / max(float(np.percentile(linear, 85)), 1e-6), 0, 1)
    return np.asarray(np.rint(255 * exposed ** (1 / 2.2)), np.uint8)


def _view(panorama: U8, number: int, count: int) -> U8:
    """Return what a camera in the middle of an equirectangular panorama sees: 90 degrees of it, less where many are."""
    width, height = VIEW_PX
    half = np.tan(np.deg2rad(90 if count <= 4 else 70) / 2)
    right, down = np.meshgrid(np.linspace(-half, half, width), np.linspace(-half, half, height) * height / width)
    heading = 2 * np.pi * (number - 0.5) / count + np.arctan(right)
    pitch = np.arctan(down / np.hypot(1, right))
    rows, columns = panorama.shape[:2]
    across = (heading / (2 * np.pi) % 1 * columns - 0.5).astype(np.float32)
    along = ((pitch / np.pi + 0.5) * rows - 0.5).astype(np.float32)
    return np.asarray(cv2.remap(panorama, across, along, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP), np.uint8)


if __name__ == "__main__":
    main()
