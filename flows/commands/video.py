"""cleanplate video: one video or sequence of pictures, without any capture around it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.engines import prepare_engines
from flows.options import with_settings
from flows.settings import load_settings
from flows.video_settings import VideoSettings

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)

EXAMPLES = """\
[bold]Examples[/bold]

cleanplate video talk.mp4 --out talk_matted

cleanplate video talk.mp4 --out talk_matted --what alpha --lossless

cleanplate video talk.mp4 --out talk_matted --background beach.jpg --bitrate 8M --resize 1920x1080

cleanplate video shot/ --out shot_matted --format png16 --rate 24

cleanplate video "shot/cam1_%06d.png" --out matted --model mattingrefine-resnet101 --plate shot/empty.png

The videos have as many frames as the source, at the same times, also where its frame rate varies; sound is left out, \
and videos that players turn are turned upright. \
Foregrounds are straight colours, black where alpha is 0. mp4 is H.264, BT.709, 4:2:0, or 4:4:4 where a side is odd. \
mkv is FFV1, its times rounded to milliseconds.

A damaged frame gets alpha 0 and is named: exit code 3, as for a video that is cut short. Outputs get their names when \
all frames are in them; a stopped run leaves nothing behind.
"""


@app.command(epilog=EXAMPLES)
@with_settings(VideoSettings)
def video(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN", help="A video, a folder of pictures, or their names in quotes: shot/f_%06d.png, shot/f_*.jpg."
        ),
    ],
    out: Annotated[str, typer.Option("--out", help="The folder to write to; local, as IN is.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Matte one video, or a folder of pictures: alpha, foreground and composite as videos or PNGs.

    Written are OUT/alpha.mp4, OUT/foreground.mp4 and OUT/composite.mp4, NAME.mkv where they are lossless, and with
    --format png OUT/alpha/alpha_000000.png and so on, by the numbers of the pictures or counted from 0.
    """
    settings = load_settings(VideoSettings, None, given)
    prepare_engines()  # before torch is imported: its threads would wait actively, and take the cores from the codecs
    from flows.video import run_video

    raise typer.Exit(run_video(source, out, settings, quiet))
