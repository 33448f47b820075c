"""Mixing: seconds of a song that one core renders in a second, and whether any song lands where it should.

A song is rendered as users render one: synthesis, reverb, compressor, limiter, and a WAV file. With --songs N random
songs (lengths, tracks, programs, loudness, drums, clicks) are rendered and measured by other means than those of the
chain: the loudness by pyloudnorm, the true peak by scipy's resampling at 8 times the rate. The exit status is 1 where
one is off.
"""

import argparse
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from pyloudnorm import Meter
from scipy.signal import resample_poly
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from etude.audio.files import write_audio
from etude.audio.loudness import decibels
from etude.audio.mixing import mix_stems
from etude.audio.render import render
from etude.audio.synthesis import TAIL, soundfont, synthesize
from etude.config.compile import settings_of
from etude.config.sections import Mix
from etude.core.project import working_root

BAND = {"Melody": 73, "Piano": 0, "Guitar": 25, "Bass": 33, "Drums": 0}  # a song of five tracks: General MIDI programs
RATES = (44100, 32000)
TOLERANCE = 0.5  # LU
TICKS = 24


def song(seconds: float, seed: int, tempo: float = 110) -> ScoreTick:
    """A pop song: a melody and a bass in eighths, chords in quarters, broken chords, and drums in sixteenths."""
    rng = np.random.default_rng(seed)
    score = ScoreTick(TICKS)
    score.tempos.append(TempoTick(0, tempo))
    quarters = round(seconds * tempo / 60)
    for name, program in BAND.items():
        track = TrackTick(name, program, name == "Drums")
        for quarter in range(quarters):
            root = (0, 9, 5, 7)[quarter // 4 % 4]
            at = quarter * TICKS
            if name == "Melody":
                for half in (0, 12):
                    track.notes.append(NoteTick(at + half, 12, int(72 + rng.choice([0, 2, 4, 7, 9])), 90))
            elif name == "Piano":
                for step in (0, 4, 7):
                    track.notes.append(NoteTick(at, TICKS, 60 + root % 12 + step, 70))
            elif name == "Guitar":
                for place, step in enumerate((0, 7, 12, 7)):
                    track.notes.append(NoteTick(at + 6 * place, 6, 52 + root % 12 + step, 60))
            elif name == "Bass":
                for half in (0, 12):
                    track.notes.append(NoteTick(at + half, 12, 36 + root % 12, 95))
            else:
                for place in range(4):
                    pitch = 36 if place == 0 and quarter % 2 == 0 else 38 if place == 0 else 42
                    track.notes.append(NoteTick(at + 6 * place, 6, pitch, 100 if place == 0 else 60))
        score.tracks.append(track)
    return score


def random_song(seed: int) -> ScoreTick:
    """A song of 5 to 60 seconds: 1 to 8 tracks of any program and density, some with drums, some hardly audible."""
    rng = np.random.default_rng(seed)
    score = ScoreTick(TICKS)
    tempo = float(rng.uniform(50, 200))
    score.tempos.append(TempoTick(0, tempo))
    end = round(rng.uniform(5, 60) * tempo / 60 * TICKS)
    soft = rng.random() < 0.2
    for place in range(int(rng.integers(1, 9))):
        drums = rng.random() < 0.2
        track = TrackTick(f"Track {place + 1}", int(rng.integers(128)), bool(drums))
        low = int(rng.integers(30, 80))
        for _ in range(max(1, round(end / TICKS * float(rng.choice([0.05, 0.5, 2, 8]))))):
            pitch = int(rng.integers(35, 60)) if drums else min(127, low + int(rng.integers(0, 20)))
            velocity = int(rng.integers(1, 8)) if soft else int(rng.integers(20, 128))
            track.notes.append(NoteTick(int(rng.integers(end)), int(rng.integers(1, 4 * TICKS)), pitch, velocity))
        score.tracks.append(track)
    return score


def off(audio: np.ndarray, rate: int, settings: Mix) -> tuple[float, float, list[str]]:
    """The loudness in LUFS and the true peak in dBTP of a written song, and what is wrong with it."""
    loudness = float(Meter(rate).integrated_loudness(audio.astype(np.float64).T))
    peak = decibels(float(np.abs(resample_poly(audio.astype(np.float64), 8, 1, axis=1)).max()))
    wrong = []
    if not abs(loudness - settings.loudness) <= TOLERANCE:
        wrong.append(f"{loudness:.2f} LUFS")
    if peak > settings.peak:
        wrong.append(f"{peak:.2f} dBTP")
    if float(np.abs(audio).max()) >= 1:
        wrong.append("clipped samples")
    if not audio.any() or not np.isfinite(audio).all():
        wrong.append("silence or no numbers")
    return loudness, peak, wrong


def check_songs(count: int, settings: Mix, folder: Path) -> bool:
    """Render random songs, every fifth with one loud click, and print what is off. Returns whether none is."""
    found, fine = [], True
    for seed in range(count):
        rate = RATES[seed % 2]
        chosen = replace(settings, sample_rate=rate)
        score = random_song(seed)
        if seed % 5 == 4:
            alone = synthesize(score, rate, soundfont(settings.soundfont), max(TAIL, settings.reverb.seconds))
            stem = next(iter(alone.values()))
            stem[:, stem.shape[1] // 2 : stem.shape[1] // 2 + 20] = 50 * max(float(np.abs(stem).max()), 0.01)
            mix = mix_stems(alone, chosen)[1]
        else:
            mix = render(score, chosen).mix
        write_audio(folder / "song.wav", mix, rate, settings.quality)
        audio = soundfile.read(folder / "song.wav")[0].T
        loudness, peak, wrong = off(audio, rate, chosen)
        found.append((loudness, peak))
        if wrong:
            fine = False
            print(f"song {seed} ({audio.shape[1] / rate:.0f} s, {len(score.tracks)} tracks): {', '.join(wrong)}")
    levels, peaks = np.array(found).T
    print(
        f"{count} songs: {levels.min():.2f} to {levels.max():.2f} LUFS, true peaks {peaks.min():.2f} to "
        f"{peaks.max():.2f} dBTP; {'all as they should be' if fine else 'some are off'}"
    )
    return fine


def measure_speed(seconds: float, rounds: int, settings: Mix, folder: Path) -> None:
    """Print a table: CPU seconds of each part for a song of five tracks, the best of some rounds."""
    score = song(seconds, seed=1)
    print(f"A song of {seconds:.0f} s, {len(BAND)} tracks, {score.note_num()} notes; CPU seconds, best of {rounds}:\n")
    print("| sample rate | synthesis | chain | WAV | all | seconds of sound a second | the tracks too |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for rate in RATES:
        chosen = replace(settings, sample_rate=rate)
        best: list[float] = []
        for _ in range(rounds):
            marks = [time.process_time()]
            alone = synthesize(score, rate, soundfont(settings.soundfont), max(TAIL, settings.reverb.seconds))
            marks.append(time.process_time())
            _, mix = mix_stems(alone, chosen)
            marks.append(time.process_time())
            write_audio(folder / "song.wav", mix, rate, settings.quality)
            marks.append(time.process_time())
            del alone
            sound = render(score, chosen)
            before = time.process_time()
            _ = sound.stems
            took = [*np.diff(marks), time.process_time() - before]
            if not best or sum(took[:3]) < sum(best[:3]):
                best = took
        total = sum(best[:3])
        cells = [f"{value:.2f}" for value in (*best[:3], total)]
        print(f"| {rate} | {' | '.join(cells)} | {seconds / total:.0f} | +{best[3]:.2f} |")
    print(f"\nPeak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def main() -> int:
    """Read the arguments, measure, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--songs", type=int, default=0, help="random songs to check, in place of the speed")
    parser.add_argument("--seconds", type=float, default=180, help="length of the song whose speed is measured")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = settings_of(working_root()).mix
    with TemporaryDirectory() as folder:
        if options.songs:
            return 0 if check_songs(options.songs, settings, Path(folder)) else 1
        measure_speed(options.seconds, options.rounds, settings, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
