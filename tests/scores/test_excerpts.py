"""Parts of a piece: moved to their start, cut at their end, with the tempo and the meter of their place."""

from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.scores.excerpts import excerpt_of


def notes(score: ScoreTick) -> list[tuple[int, int, int]]:
    return [(note.time, note.duration, note.pitch) for track in score.tracks for note in track.notes]


def long_piece() -> ScoreTick:
    """Eight quarters, the last of them held; three tempos; 3/4 from the fifth quarter on."""
    score = ScoreTick(24)
    track = TrackTick("Soprano", 68)
    for place in range(8):
        track.notes.append(NoteTick(24 * place, 24 if place < 7 else 96, 60 + place, 80))
    score.tracks.append(track)
    for time, speed in ((0, 60), (48, 90), (120, 120)):
        score.tempos.append(TempoTick(time, speed))
    for time, beats in ((0, 4), (96, 3)):
        score.time_signatures.append(TimeSignatureTick(time, beats, 4))
    return score


def test_an_excerpt_is_moved_to_its_start_and_cut_at_its_end() -> None:
    score = long_piece()
    found = excerpt_of(score, 3, 2)
    assert notes(found) == [(0, 24, 63), (24, 24, 64)] and found.ticks_per_quarter == 24
    assert [(track.name, track.program) for track in found.tracks] == [("Soprano", 68)]
    assert notes(excerpt_of(score, 7, 2)) == [(0, 48, 67)], "a note that sounds on is cut"
    assert notes(excerpt_of(score, 3, 1.25)) == notes(found), "up to a whole quarter note"
    assert notes(excerpt_of(score, 3, 0)) == [(0, 24, 63)], "one quarter note at least"
    assert notes(score) == notes(long_piece()), "the piece stays as it is"


def test_an_excerpt_has_the_tempo_and_the_meter_of_its_place() -> None:
    found = excerpt_of(long_piece(), 3, 3)
    assert [(tempo.time, round(tempo.qpm)) for tempo in found.tempos] == [(0, 90), (48, 120)]
    assert [(sign.time, sign.numerator) for sign in found.time_signatures] == [(0, 4), (24, 3)]
    exact = excerpt_of(long_piece(), 2, 1)
    assert [(tempo.time, round(tempo.qpm)) for tempo in exact.tempos] == [(0, 90)]
    silent = excerpt_of(long_piece(), 40, 2)
    assert notes(silent) == [] and [round(tempo.qpm) for tempo in silent.tempos] == [120]


def test_before_the_piece_there_is_silence() -> None:
    found = excerpt_of(long_piece(), -2, 4)
    assert notes(found) == [(48, 24, 60), (72, 24, 61)]
    assert [(tempo.time, round(tempo.qpm)) for tempo in found.tempos] == [(0, 60)]
    assert [(sign.time, sign.numerator) for sign in found.time_signatures] == [(0, 4)]
