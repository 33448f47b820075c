"""Continuing a given piece: its notes stay, and the model writes what comes after them."""

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.config.sections import Generate
from etude.core.errors import EtudeError
from etude.models.sequence import SequenceModel
from etude.representations.base.grid import VoicesOnGrid, find_keys
from etude.representations.base.representation import Observed, Representation, TokenRepresentation
from etude.representations.base.survey import DRUMS
from etude.sampling import Sampled
from etude.sampling.tempering import Tempering
from etude.sampling.timing import Frames, Open, Stream, Timing, timing_rules
from etude.sampling.tokens import forced_tokens, sample_tokens


def continue_piece(
    model: SequenceModel,
    representation: TokenRepresentation,
    observed: Observed,
    config: Generate,
    count: int,
    prime: ScoreTick,
    show: bool = False,
) -> list[Sampled]:
    """Pieces that start with ``prime``, note for note, on its own ticks. What is added starts when its last note ends.

    Args:
        model: of tokens that tell where in time they are.
        representation: the one that it reads.
        observed: what train has that sampling needs to know.
        config: how they are sampled; bars and seconds count from the start of the prime.
        count: number of pieces.
        prime: the piece, its tracks on the programs of the representation's voices.
        show: with a progress bar.

    Raises:
        EtudeError: the prime is too long for what is requested.
    """
    forced = forced_tokens(model, representation, observed, config, count, prime)
    grammar = representation.rules(observed)
    rules = timing_rules(representation, grammar, config.bars, config.seconds, forced)
    tokens = np.asarray(representation.encode(prime)[1:-1], dtype=np.int64)
    if len(tokens) > config.most_tokens // 2:
        raise EtudeError(
            f"it has {len(tokens)} tokens, more than half of the {config.most_tokens} of a piece at most. Raise "
            "generate.max_tokens, or give a shorter one."
        )
    _start_after(rules, tokens, prime)
    primes = rules.with_forced(tokens) if isinstance(rules, Stream) else tokens[None]
    tempering = Tempering(representation, config.rhythm)
    guidance = config.guidance if config.requested else 1.0
    keys = None
    if isinstance(representation, VoicesOnGrid):  # the model goes on in the key that fits the prime
        keys = np.repeat(find_keys(tokens.reshape(1, -1, len(representation.voices))), count)
    pieces = sample_tokens(model, rules, config, range(count), show, primes, tempering, guidance, keys)
    return [
        Sampled(_join(prime, representation.decode(piece.tokens), representation), piece.complete) for piece in pieces
    ]


def _start_after(rules: Timing, tokens: NDArray[np.int64], prime: ScoreTick) -> None:
    """Let no note start before the end of what the tokens write, and none be held over it."""
    state = rules.start(1)
    for token in tokens.tolist():
        state = rules.move(np.array([token]), state)
    if isinstance(rules, Stream):
        rules.since = int(state[0, rules.RINGS])
        if (state[:, rules.RINGS] >= rules.finish(state)).any():
            raise _too_long(prime)
    elif isinstance(rules, Frames):
        rules.since = len(tokens) // rules.voices
        if rules.bars is not None and rules.since >= rules.bars * rules.bar:
            raise _too_long(prime)
    else:
        assert isinstance(rules, Open)
        raise EtudeError("its tokens do not tell where in time they are")


def _too_long(prime: ScoreTick) -> EtudeError:
    return EtudeError(
        f"it lasts {prime.end() / prime.ticks_per_quarter:g} quarter notes, as long as the requested bars or "
        "seconds or longer: these count from its start. Raise them."
    )


def _join(prime: ScoreTick, made: ScoreTick, representation: Representation) -> ScoreTick:
    """The prime, and the notes of ``made`` that start at its end or later."""
    piece = ScoreTick(prime.ticks_per_quarter)
    piece.tempos, piece.time_signatures = prime.tempos.copy(), prime.time_signatures.copy()
    piece.key_signatures, piece.markers = prime.key_signatures.copy(), prime.markers.copy()
    end = prime.end() * made.ticks_per_quarter / prime.ticks_per_quarter
    scale = prime.ticks_per_quarter / made.ticks_per_quarter
    if not len(piece.tempos):
        piece.tempos = made.tempos.copy()
    for sign in made.time_signatures:
        if sign.time >= end or not len(prime.time_signatures):
            sign.time = round(sign.time * scale)
            piece.time_signatures.append(sign)
    own = {(track.program, track.is_drum): track for track in prime.tracks}
    for name, program in representation.voices.items():
        track = TrackTick(name, max(program, 0), program == DRUMS)
        before = own.get((max(program, 0), program == DRUMS))
        if before is not None:
            track.notes = before.notes.copy()
        added = next((found for found in made.tracks if found.name == name), None)
        for note in added.notes if added is not None else ():
            if note.time >= end - made.ticks_per_quarter / 48:
                onset = max(round(note.time * scale), prime.end())
                length = max(1, round(note.end * scale) - onset)
                track.notes.append(NoteTick(onset, length, note.pitch, note.velocity))
        piece.tracks.append(track)
    return piece
