"""Volume and pan as MIDI files state them: controllers 7 and 10 at the start of each track.

The synthesizer passes over all controllers, so that a level is applied once: in the mix.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from symusic.core import ControlChangeTick, ScoreTick, TrackTick

from etude.audio.mixing import NONE
from etude.audio.synthesis import track_names
from etude.config.sections import Mix

VOLUME, PAN = 7, 10  # numbers of the controllers
USUAL, MOST = 100, 127  # volume of a track that states none, in General MIDI; the highest value
MIDDLE = 64  # of the pan


def gain_of(volume: int) -> float:
    """The gain of a volume in dB: 0 for 100, which a track without a volume has, and 4.2 for 127.

    40 log10(volume / 127) is the recommendation of General MIDI; here it counts from the volume 100. A volume of 0 is
    silence. Source: MIDI Manufacturers Association (1998), General MIDI System Level 1 Developer Guidelines.
    """
    return max(NONE, 40 * math.log10(volume / USUAL)) if volume > 0 else NONE


def volume_of(gain: float) -> int:
    """The volume of a gain in dB, from 0 to 127: the opposite of ``gain_of``."""
    return min(MOST, round(USUAL * 10 ** (gain / 40)))


def pan_of(value: int) -> float:
    """The place of a pan controller, from -1 (left, 0 and 1) over 0 (64) to 1 (right, 127).

    Source: MIDI Manufacturers Association, default pan formula (RP-036), whose law is that of ``Channel.place``.
    """
    return max(0, value - 1) / (MIDDLE - 1) - 1


def state(score: ScoreTick, settings: Mix) -> ScoreTick:
    """A piece whose tracks state the gain and pan that the settings give them, at time 0.

    A gain above 4.2 dB, the most that a volume can state, lowers all tracks. Volumes are whole numbers: a gain is met
    within 0.1 dB around 0, within 0.3 dB at -20.

    Args:
        score: the piece, which is not changed.
        settings: ``gain`` and ``pan`` by the names of tracks.
    """
    made, names = score.copy(), track_names(score)
    gains = [settings.gain.get(name, 0.0) for name in names]
    over = max(0.0, max(gains, default=0.0) - gain_of(MOST))
    for track, name, gain in zip(made.tracks, names, gains, strict=True):
        place = MIDDLE + round((MIDDLE - 1) * settings.pan.get(name, 0.0))
        others = [one for one in track.controls if one.number not in (VOLUME, PAN)]
        own = [ControlChangeTick(0, VOLUME, volume_of(gain - over)), ControlChangeTick(0, PAN, place)]
        track.controls = type(track.controls)([*own, *others])
    return made


def as_stated(score: ScoreTick, settings: Mix, given: Mapping[str, Any]) -> Mix:
    """The settings of the mix with the gains and pans that the tracks of a piece state, where ``given`` has none.

    What holds at the first note of a track counts; what changes later does not. A track that starts at volume 0 and
    fades in has its highest volume.

    Args:
        score: the piece.
        settings: of the mix.
        given: keys of the section ``mix`` that a person has set, as ``{"gain": {"Bass": -3}}``: these hold.
    """
    gain, pan = {}, {}
    for track, name in zip(score.tracks, track_names(score), strict=True):
        if (volume := _at_start(track, VOLUME)) is not None:
            gain[name] = gain_of(volume)
        if (place := _at_start(track, PAN)) is not None:
            pan[name] = pan_of(place)
    own_gain, own_pan = dict(given.get("gain") or {}), dict(given.get("pan") or {})
    return replace(settings, gain={**settings.gain, **gain, **own_gain}, pan={**settings.pan, **pan, **own_pan})


def _at_start(track: TrackTick, number: int) -> int | None:
    """The value of a controller at the first note of a track; None where none is stated by then."""
    first = min((note.time for note in track.notes), default=0)
    changes = sorted((one.time, place, one.value) for place, one in enumerate(track.controls) if one.number == number)
    before = [value for time, _, value in changes if time <= first]
    if not before:
        return None
    return max(value for _, _, value in changes) if number == VOLUME and not before[-1] else int(before[-1])
