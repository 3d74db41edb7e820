from __future__ import annotations

from command_line import cleanplate


def test_help_teaches_by_example() -> None:
    shown = " ".join(cleanplate("fit", "--help").out.replace("│", " ").split())
    assert "cleanplate fit --capture /data/nersemble --subjects 031 --minutes 60 --out fits/rig" in shown
    assert (
        "--model mattingrefine-mobilenetv2 --weights fits/rig" in shown and "--config infra/fit/default.toml" in shown
    )
    assert "--from" in shown and "--held-out-pictures" in shown and "the same command goes on" in shown
    assert "What to matte" not in shown and "--start" not in shown


def test_a_folder_must_be_named() -> None:
    ended = cleanplate("fit", "--minutes", 1)
    assert ended.code == 2 and "--out" in ended.err
