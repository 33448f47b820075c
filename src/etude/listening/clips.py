"""Clips of a listening test: the start of a score, as sound of one length and one loudness."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick

from etude.audio.controllers import as_stated
from etude.audio.files import encode_mp3, read_audio
from etude.audio.loudness import loudness_of
from etude.audio.render import render
from etude.audio.synthesis import TAIL
from etude.config.sections import Mix
from etude.core.errors import EtudeError
from etude.listening.design import SHORTEST
from etude.music.bars import bar_lines
from etude.music.seconds import seconds_at

LEAD = 0.05  # seconds before the first note
RELEASE = 0.5  # seconds that fade at the end of the release of the last notes
FADE = 1.5  # seconds that fade where music is cut within a bar
SAMPLE_RATE = 32000
QUALITY = 0.12  # of the mp3: 64 kbit/s, mono, with a constant bit rate
QUIET = -35.0  # LUFS of a rendering, before all get one loudness
LOUDNESS = -18.0  # LUFS of all clips, or lower where peaks would not fit
CEILING = -2.0  # dBFS before encoding, which may add a little
TOLERANCE = 0.5  # LU between any two clips, decoded
EXACT = 0.05  # LU that are not worth another round
ROUNDS = 4  # of encoding: a low bit rate takes up to half a LU away, by what it leaves out
NEAR = 1e-6  # seconds within which two times are one
SHARED = 0.02  # seconds within which bar lines of two pieces are one


@dataclass(frozen=True)
class Cut:
    """Where the clips of one prompt end: after so many seconds of music, at a bar line that they share or faded out."""

    seconds: float
    at_line: bool


@dataclass(frozen=True)
class Clip:
    """The sound of an excerpt as the bytes of an mp3, and what was measured of it after decoding."""

    mp3: bytes
    seconds: float  # of music
    loudness: float  # LUFS, BS.1770-4


def length_of(score: ScoreTick) -> float:
    """Seconds from the first onset of a piece to the end of its last note; 0 without notes."""
    onsets = [note.time for track in score.tracks for note in track.notes]
    if not onsets:
        return 0.0
    first, last = seconds_at(score, [min(onsets), score.end()])
    return float(last - first)


def common_cut(scores: Sequence[ScoreTick], seconds: float, least: float = SHORTEST) -> Cut:
    """One length for clips that are compared, as any difference could tell their systems.

    The last bar line (or end) that all pieces share within 20 ms, if ``least`` fits before it; else as long as the
    shortest piece.

    Args:
        scores: the pieces, each with notes.
        seconds: the most.
        least: seconds that a cut at a bar line keeps.
    """
    most = min([seconds, *(length_of(score) for score in scores)])
    first, *others = [_lines(score)[1] for score in scores]
    for time in reversed(first):
        shared = all(np.abs(own - time).min() <= SHARED for own in others)
        if least - NEAR <= time <= most + NEAR and shared:
            return Cut(float(time), True)
    return Cut(most, False)


def _lines(score: ScoreTick) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The bar lines after the first onset and the end of the piece: ticks, and seconds from the first onset."""
    first, end = min(note.time for track in score.tracks for note in track.notes), score.end()
    ticks = sorted({tick for tick in bar_lines(score) if first < tick < end} | {end})
    times = seconds_at(score, [first, *ticks])
    return np.array(ticks), times[1:] - times[0]


def opening(score: ScoreTick, bars: int) -> ScoreTick:
    """The first bars of a piece; the piece itself where it has no more."""
    lines = bar_lines(score)
    return end_at(score, lines[bars]) if len(lines) > bars and lines[bars] < score.end() else score


def end_at(score: ScoreTick, end: int) -> ScoreTick:
    """The piece up to a tick, at which notes that sound on end."""
    piece = score.copy()
    for track in piece.tracks:
        kept = [note for note in track.notes if note.time < end]
        track.notes.clear()
        for note in kept:
            track.notes.append(NoteTick(note.time, min(note.duration, end - note.time), note.pitch, note.velocity))
    for name in ("tempos", "time_signatures", "key_signatures", "markers"):
        signs = getattr(piece, name)
        kept_signs = [sign for sign in signs if sign.time < end]
        signs.clear()
        for sign in kept_signs:
            signs.append(sign)
    if not len(piece.tempos):
        piece.tempos.append(TempoTick(0, qpm=120))
    return piece


def sound_of(score: ScoreTick, settings: Mix, cut: Cut) -> NDArray[np.float64]:
    """The sound of a piece from its first onset to a cut, mono (1, samples) at ``SAMPLE_RATE``.

    At a bar line the last notes have their release, elsewhere the music fades out. The length depends on the cut alone.

    Args:
        score: a piece that lasts as long as the cut, at least.
        settings: the gain and pan of tracks that state none.
        cut: where it ends.
    """
    ticks, times = _lines(score)
    if cut.at_line:
        score = end_at(score, int(ticks[np.abs(times - cut.seconds).argmin()]))
    elif (later := times > cut.seconds + TAIL).any():
        score = end_at(score, int(ticks[later][0]))  # what comes then is not heard
    # so quiet that no peak is limited: what is louder or softer within the clip stays so
    quiet = replace(as_stated(score, settings, {}), sample_rate=SAMPLE_RATE, loudness=QUIET)
    mono = render(score, quiet).mix.mean(axis=0, dtype=np.float64)  # (samples,)
    onset = min(note.time for track in score.tracks for note in track.notes)
    first = round((float(seconds_at(score, [onset])[0]) - LEAD) * SAMPLE_RATE)
    mono = np.concatenate([np.zeros(max(0, -first)), mono[max(0, first) :]])
    sound = np.zeros((1, round((LEAD + cut.seconds + TAIL) * SAMPLE_RATE)))
    end = sound.shape[1] if cut.at_line else round((LEAD + cut.seconds) * SAMPLE_RATE)
    sound[0, : min(end, len(mono))] = mono[:end]
    fade = min(end, round((RELEASE if cut.at_line else FADE) * SAMPLE_RATE))
    sound[0, end - fade : end] *= np.cos(np.linspace(0, np.pi / 2, fade)) ** 2
    return sound


def common_loudness(sounds: Sequence[NDArray[np.float64]]) -> float:
    """The loudness in LUFS that all sounds can have with no sample above ``CEILING``, ``LOUDNESS`` at most."""
    highest = []
    for sound in sounds:
        peak = 20 * np.log10(max(float(np.abs(sound).max(initial=0.0)), 1e-12))
        highest.append(loudness_of(sound, SAMPLE_RATE) + CEILING - peak)
    return float(min([LOUDNESS, *highest]))


def encode(sounds: Sequence[NDArray[np.float64]], lengths: Sequence[float]) -> Iterator[Clip]:
    """Sounds as clips of one loudness, measured again after decoding.

    Args:
        sounds: mono, (1, samples).
        lengths: seconds of music in each.

    Raises:
        EtudeError: a sound is silent, or the loudness of two clips differs by more than 0.5 LU.
    """
    loudness = common_loudness(sounds)
    if not np.isfinite(loudness):
        raise EtudeError("A clip is silent, so that no loudness can be given to it. Leave its piece out.")
    with ThreadPoolExecutor() as pool:  # the encoder works outside Python
        made = pool.map(lambda sound: _encode(sound, loudness), sounds)
        for (mp3, measured), seconds in zip(made, lengths, strict=True):
            yield Clip(mp3, seconds, measured)


def _encode(sound: NDArray[np.float64], loudness: float) -> tuple[bytes, float]:
    """A sound at a loudness as mp3, and the loudness of that."""
    level = loudness - loudness_of(sound, SAMPLE_RATE)  # dB
    for _ in range(ROUNDS):
        mp3 = encode_mp3((sound * 10 ** (level / 20)).astype(np.float32), SAMPLE_RATE, QUALITY, constant=True)
        measured = _decoded_loudness(mp3)
        level += loudness - measured
        if abs(measured - loudness) <= EXACT:
            break
    if abs(measured - loudness) > TOLERANCE / 2:
        raise EtudeError(
            f"A clip has {measured:.2f} LUFS after encoding, and {loudness:.2f} was given to it: louder clips are "
            "preferred. Leave its piece out."
        )
    return mp3, measured


def _decoded_loudness(mp3: bytes) -> float:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp3"
        path.write_bytes(mp3)
        sound, sample_rate = read_audio(path)
    return loudness_of(sound, sample_rate)
