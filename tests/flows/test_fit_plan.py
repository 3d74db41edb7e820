from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import pytest
from captures import make_tiny
from fakes import draw_picture
from reference_weights import write_reference_checkpoint
from s3_servers import S3Server

from flows.fit_plan import copy_plates, fetch_start, make_plan
from flows.fit_settings import FitSettings
from manifests.errors import UsageError, WeightsRefused
from manifests.storage import open_folder
from matting_tasks.fit.plan import IMAGENET, SCRATCH, FitPlan
from models.fitted import FittedWeights, write_entry
from models.packaged import packaged_file
from models.registry import DEFAULT, entry

MODEL = "mattingbase-mobilenetv2"


def planned(out: Path, say: Any = lambda text: None, capture: Path | None = None, **settings: Any) -> FitPlan:
    known = {"model": MODEL, "start": SCRATCH, "device": "cpu", "precision": "fp32"}
    return make_plan(None if capture is None else str(capture), out, FitSettings(**(known | settings)), "cpu", say)


def write_pictures(folder: Path, n: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(n):
        cv2.imwrite(str(folder / f"{number}.png"), draw_picture(number))
    return folder


def test_plates_are_copied_under_names_of_their_own_and_stay_as_they_are(tmp_path: Path) -> None:
    capture, said = make_tiny(tmp_path / "capture", ("031", "032")), list[str]()
    plan = planned(tmp_path / "out", said.append, capture)
    wanted = ["031_cam0", "031_cam1", "032_cam0", "032_cam1"]
    assert [Path(path).stem[:-9] for path in plan.plates] == wanted
    source = capture / "032/background/image_cam1.jpg"
    assert Path(plan.plates[3]).read_bytes() == source.read_bytes() and "4 plates of" in said[-1]
    before = [Path(path).stat().st_mtime_ns for path in plan.plates]
    assert planned(tmp_path / "out", capture=capture) == plan
    assert [Path(path).stat().st_mtime_ns for path in plan.plates] == before
    assert sorted(path.name for path in (tmp_path / "out/plates").iterdir()) == [
        Path(path).name for path in plan.plates
    ]


def test_plates_are_those_of_the_selection_and_not_too_many(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", ("031", "032"), n_cameras=4, n_frames=1)
    chosen = planned(tmp_path / "a", capture=capture, subjects=["032"], cameras=["cam1", "cam3"])
    assert [Path(path).stem[:-9] for path in chosen.plates] == ["032_cam1", "032_cam3"]
    few = planned(tmp_path / "b", capture=capture, most_plates=4)
    assert [Path(path).stem[:-9] for path in few.plates] == ["031_cam0", "031_cam2", "032_cam0", "032_cam2"]
    with pytest.raises(UsageError, match="077"):
        planned(tmp_path / "c", capture=capture, subjects=["077"])
    with pytest.raises(UsageError, match="cam9"):
        planned(tmp_path / "d", capture=capture, cameras=["cam9"])


def test_a_missing_and_an_unreadable_plate_are_named_and_left_out(tmp_path: Path) -> None:
    capture, said = make_tiny(tmp_path / "capture", n_cameras=3), list[str]()
    (capture / "031/background/image_cam0.jpg").unlink()
    torn = capture / "031/background/image_cam2.jpg"
    torn.write_bytes(torn.read_bytes()[:40])
    plan = planned(tmp_path / "out", said.append, capture)
    assert [Path(path).stem[:-9] for path in plan.plates] == ["031_cam1"] and "1 plate of" in said[-1]
    assert any("camera cam0" in text and "missing" in text for text in said), said
    assert any("camera cam2" in text and "left out" in text for text in said), said


def test_a_plate_that_goes_away_before_it_is_copied_is_named(tmp_path: Path) -> None:
    capture, said = make_tiny(tmp_path / "capture", n_cameras=3), list[str]()
    missing, goes = (capture / f"031/background/image_cam{number}.jpg" for number in (0, 2))
    missing.unlink()

    def say(text: str) -> None:
        said.append(text)
        goes.unlink(missing_ok=True)  # all are listed before the first one is copied

    plan = planned(tmp_path / "out", say, capture)
    assert [Path(path).stem[:-9] for path in plan.plates] == ["031_cam1"]
    assert any("image_cam2.jpg cannot be read" in text for text in said), said
    assert [path.name[:9] for path in (tmp_path / "out/plates").iterdir()] == ["031_cam1_"]


def test_another_picture_is_another_plate_and_the_same_the_same(tmp_path: Path) -> None:
    capture = make_tiny(tmp_path / "capture", n_cameras=2)
    first = planned(tmp_path / "out", capture=capture)
    assert planned(tmp_path / "out", capture=capture).plates == first.plates
    cv2.imwrite(str(capture / "031/background/image_cam1.jpg"), draw_picture(5))
    again = planned(tmp_path / "out", capture=capture)
    assert again.plates[0] == first.plates[0] and again.plates[1] != first.plates[1]
    assert Path(again.plates[1]).read_bytes() == (capture / "031/background/image_cam1.jpg").read_bytes()


@pytest.mark.parametrize("kept", ["frames", "nothing"])
def test_a_capture_without_plates_is_no_use(tmp_path: Path, kept: str) -> None:
    capture = make_tiny(tmp_path / "capture")
    for plate in capture.glob("*/background/*") if kept == "frames" else capture.rglob("*.jpg"):
        plate.unlink()
    with pytest.raises(UsageError, match="no plate that can be used" if kept == "frames" else str(capture)):
        planned(tmp_path / "out", capture=capture)


@pytest.mark.s3
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(botocore|boto3|aiobotocore|s3fs|fsspec).*")
def test_plates_of_a_store_are_copied(moto_s3: S3Server, tmp_path: Path) -> None:
    capture, url = make_tiny(tmp_path / "capture"), moto_s3.new_bucket()
    store = open_folder(url, moto_s3.options)
    for path in sorted(capture.rglob("*.jpg")):
        store.write_atomic(path.relative_to(capture).as_posix(), path.read_bytes())
    settings = FitSettings(model=MODEL, start=SCRATCH, storage_option=moto_s3.options)
    copied = copy_plates(url, tmp_path / "plates", settings, lambda text: None)
    local = copy_plates(str(capture), tmp_path / "local", FitSettings(), lambda text: None)
    assert [path.read_bytes() for path in copied] == [path.read_bytes() for path in local] and len(copied) == 2


def test_one_picture_in_six_is_held_out_by_its_name(tmp_path: Path) -> None:
    folder, said = write_pictures(tmp_path / "pictures", 40), list[str]()
    plan = planned(tmp_path / "out", said.append, pictures=[str(folder)])
    wanted = [n for n in range(40) if hashlib.sha256(f"{n}.png".encode()).digest()[0] % 6 == 0]
    assert sorted(int(Path(path).stem) for path in plan.held_pictures) == wanted and 2 < len(wanted) < 12
    assert len(plan.pictures) == 40 - len(wanted) and not set(plan.pictures) & set(plan.held_pictures)
    assert said == [f"{40 - len(wanted)} pictures to learn from, {len(wanted)} held out to judge by"]


@pytest.mark.parametrize(("n", "n_held"), [(1, 0), (2, 1), (3, 1)])
def test_of_a_few_pictures_some_are_always_learned_from(tmp_path: Path, n: int, n_held: int) -> None:
    plan = planned(tmp_path / "out", pictures=[str(write_pictures(tmp_path / "pictures", n))])
    assert (len(plan.pictures), len(plan.held_pictures)) == (n - n_held, n_held)


def test_pictures_to_judge_by_are_never_learned_from(tmp_path: Path) -> None:
    everything = write_pictures(tmp_path / "pictures/heldout", 3).parent
    write_pictures(tmp_path / "pictures/train", 4)
    held = str(everything / "heldout")
    plan = planned(tmp_path / "out", pictures=[str(everything)], held_out_pictures=[held])
    assert len(plan.held_pictures) == 3 and len(plan.pictures) == 4 and "heldout" not in "".join(plan.pictures)
    assert planned(tmp_path / "out", held_out_pictures=[held]).pictures == ()


def test_what_is_learned_does_not_depend_on_the_folder_that_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "pictures", 3)
    monkeypatch.chdir(tmp_path)
    plan = planned(Path("out"), capture=make_tiny(tmp_path / "capture"), pictures=["pictures"], foregrounds=["people"])
    assert plan.plates and plan.pictures
    named = (*plan.plates, *plan.pictures, *plan.held_pictures, *plan.foregrounds)
    assert all(Path(path).is_absolute() for path in named)


def test_how_long_it_learns_is_an_hour_unless_said() -> None:
    out = Path("unused")
    assert (planned(out).minutes, planned(out).steps) == (60.0, None)
    assert (planned(out, steps=7).minutes, planned(out, steps=7).steps) == (None, 7)
    assert planned(out, minutes=0.5).minutes == 0.5


def test_processes_are_as_asked_for_and_else_a_few() -> None:
    assert planned(Path("unused"), processes=0).n_processes == 0
    assert planned(Path("unused")).n_processes >= planned(Path("unused"), workers=64).n_processes == 1


def test_a_fit_begins_from_a_file_or_from_the_folder_of_another(tmp_path: Path) -> None:
    file = write_reference_checkpoint(MODEL, tmp_path / "fits/w.pth")
    assert planned(tmp_path, start=str(file)).start == str(file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    write_entry(file.parent, FittedWeights(MODEL, MODEL, "w.pth", sha256, "", file.stat().st_size))
    assert planned(tmp_path, start=str(file.parent)).start == str(file)
    file.write_bytes(b"another")
    with pytest.raises(WeightsRefused, match="sha256"):
        planned(tmp_path, start=str(file.parent))
    with pytest.raises(UsageError, match="imagenet and scratch"):
        planned(tmp_path, start=str(tmp_path / "gone.pth"))


def test_a_fit_goes_on_with_the_parameters_of_what_it_begins_from(tmp_path: Path) -> None:
    file = write_reference_checkpoint(MODEL, tmp_path / "fits/w.pth")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    fitted = FittedWeights(MODEL, MODEL, "w.pth", sha256, "", file.stat().st_size, {"backbone_scale": "auto"})
    write_entry(file.parent, fitted)
    assert planned(tmp_path, start=str(file.parent)).parameters == {"backbone_scale": "auto"}
    assert planned(tmp_path, start=str(file)).parameters == {}
    asked = {"backbone_scale": 0.25, "refine_mode": "full"}
    assert planned(tmp_path, start=str(file.parent), parameter=asked).parameters == asked


def test_the_default_network_begins_from_its_own_weights(tmp_path: Path) -> None:
    packaged = packaged_file(entry(DEFAULT).weights or "")
    if packaged is None:
        pytest.skip("the weights of the default are not part of this package yet")
    plan = planned(tmp_path, model=entry(DEFAULT).architecture, start="default")
    assert plan.start == str(packaged)
    assert (
        plan.parameters == dict(entry(DEFAULT).defaults) == {"backbone_scale": "auto", "refine_sample_pixels": 160_000}
    )


def test_another_file_in_the_place_of_the_imagenet_backbone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(tmp_path))
    assert fetch_start(FitSettings(start=SCRATCH), print) is None
    (tmp_path / "mobilenet_v2-b0353104.pth").write_bytes(b"another")
    with pytest.raises(WeightsRefused, match=r"sha256.*--from default or --from scratch"):
        fetch_start(FitSettings(start=IMAGENET), print)


def test_the_card_judges_models_beside_it(tmp_path: Path) -> None:
    assert planned(tmp_path).beside == {"plate-difference": ""}
    assert planned(tmp_path, model="rvm-mobilenetv3").beside == {}
    with pytest.raises(UsageError, match="no model is named 'best'"):
        planned(tmp_path, compare=["best"])


def test_unreadable_pictures_do_not_end_a_plan(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 3)
    (folder / "torn.png").write_bytes(b"\x89PNG")
    plan = planned(tmp_path / "out", pictures=[str(folder)])
    assert len(plan.pictures) + len(plan.held_pictures) == 4


def test_a_network_that_knows_all_learns_slowly_unless_said(tmp_path: Path) -> None:
    base = write_reference_checkpoint(MODEL, tmp_path / "base.pth")
    assert planned(tmp_path / "out").rate == 1.0
    assert planned(tmp_path / "out", start=str(base)).rate == 0.3
    assert planned(tmp_path / "out", start=str(base), rate=0.5).rate == 0.5
    # the refiner of this one begins as noise
    assert planned(tmp_path / "out", model="mattingrefine-mobilenetv2", start=str(base)).rate == 1.0
