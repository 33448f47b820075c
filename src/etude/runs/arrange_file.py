"""A melody file arranged for a band, and written as MIDI, as a score, and as sound."""

import sys
from contextlib import ExitStack
from pathlib import Path

from etude.arranging.band import Arrangement
from etude.arranging.piece import arrange_piece, placed
from etude.arranging.styles import Style
from etude.artifacts.context import Session
from etude.audio.controllers import state
from etude.audio.files import Tags
from etude.audio.render import write_sound
from etude.config.sections import Mix, Settings
from etude.core.files import whole
from etude.core.project import version_of_code
from etude.scores.engraving import engrave, picture
from etude.tasks.requests import ArrangeFiles
from etude.tasks.score_files import check_files, read_score


def arrange_file(settings: Settings, session: Session, files: ArrangeFiles) -> list[Path]:
    """Arrange a melody for the band of ``style``, and write it as MIDI, as MusicXML and what else is requested.

    The MIDI file is a performance (``arrange.humanise``) and states volume and pan of each track; the score and its
    picture are what is written. All files or none. Returns the files.

    Raises:
        EtudeError: a file is missing, in the way or no melody, or chords, form or style are not as they should be.
    """
    style = Style.of(settings.style)
    source, places = check_files(files)
    tune = None if files.tune is None else str(files.tune)
    score, _ = read_score(source, settings.ingest, session.progress, tune, style.tempo)
    player = None
    if style.learned:
        from etude.tasks.accompaniment import find_accompanist  # torch

        player = find_accompanist(settings, session)
    made, where = arrange_piece(
        score, settings.arrange, style, files.chords, files.top_line, str(source), accompanist=player
    )
    if session.progress:
        form = "".join(one.letter for one in made.song.bars if one.number == 0)
        say = f"{source}: chords: {where}; form: {form or 'one phrase'}; {len(made.song.bars)} bars in all"
        print(f"{say}; tracks: {', '.join(track.name for track in made.written.tracks)}", file=sys.stderr)
    comment = f"style {style.name}; seed {settings.arrange.seed}; {version_of_code()}"
    _write(made, places, style.feel, placed(settings.mix, style), Tags(source.stem, "etude", comment))
    return list(places.values())


def _write(made: Arrangement, places: dict[str, Path], feel: str, mix: Mix, tags: Tags) -> None:
    """Write all files or none."""
    with ExitStack() as stack:
        parts = {kind: stack.enter_context(whole(place)) for kind, place in places.items()}
        parts["midi"].write_bytes(state(made.performed, mix).dumps_midi())
        text = engrave(made.written, tags.title, feel)
        parts["score"].write_text(text, encoding="utf-8")
        if "picture" in parts:
            parts["picture"].write_text(picture(text, titled=True), encoding="utf-8")
        if "sound" in parts:
            write_sound(parts["sound"], made.performed, mix, at_once=True, tags=tags)
