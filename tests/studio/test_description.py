"""Chords for the page: numerals in the key that is asked for, dominants of the chord that follows."""

from studio.served import melody

from etude.studio.description import describe
from etude.studio.pieces import score_of

CHORDS = ((59, 63, 66, 69), (52, 59, 64, 68), (57, 61, 64, 69))  # B7 E A


def test_a_part_of_a_piece_is_read_in_the_key_of_the_whole() -> None:
    track = melody()["tracks"][0]
    notes = [[96 * place, 96, pitch, 80] for place, chord in enumerate(CHORDS) for pitch in chord]
    score = score_of(melody(tracks=[{**track, "notes": notes}]))
    numerals = [(chord["name"], chord["roman"]) for chord in describe(score, chords_in=(9, "major"))["chords"]]
    assert numerals == [("B7", "V⁷/V"), ("E", "V"), ("A", "I")]
