"""Where things lie in a frame, and the colours of what has no scale degree."""

from dataclasses import dataclass

from etude.video.harmony import Colour

GROUND: Colour = (13, 15, 22)  # behind all
LANE: Colour = (20, 23, 33)  # behind black keys, and of the lanes at the bottom
FAINT: Colour = (46, 51, 68)  # bar lines, octave lines
QUIET: Colour = (152, 160, 182)  # small text
INK: Colour = (238, 241, 248)  # text, and what has no other colour
# One colour a track where tracks have the colours, distinct to the colour-blind too (Okabe and Ito 2008, adapted).
TRACKS: tuple[Colour, ...] = (
    (255, 138, 61), (74, 168, 232), (47, 201, 154), (212, 139, 200), (224, 184, 58), (143, 208, 245), (195, 156, 134),
    (168, 168, 168),
)  # fmt: skip
DRUMS: Colour = (196, 202, 216)
WIDE, HIGH = 900, 720  # pixels of a frame whose letters have their usual size
# Rows of the header in such a frame: at the start the title fills it, and then the legend stands below the title. In an
# upright frame the legend has two rows: tracks, and below them scale degrees and the key.
HEAD, FIRST_ROW, ROW = 104, 52, 38
SPEED = 160  # pixels a second of a roll in such a frame


@dataclass(frozen=True)
class Layout:
    """A frame from top to bottom: header, bar numbers, the view, the loudness, chords. All rows are even pixels."""

    width: int
    height: int
    scale: float
    head: int  # where the header ends, and the part that scrolls starts
    view: int  # where bar numbers end, and notes start
    energy: int  # where notes end, and the loudness starts
    chords: int  # where the loudness ends, and chords start; the height where there are none
    playhead: int  # the column of what sounds now

    @classmethod
    def of(cls, width: int, height: int, has_chords: bool) -> "Layout":
        """That of a size in pixels."""
        scale = min(height / HIGH, width / WIDE)

        def even(pixels: float) -> int:
            return 2 * round(pixels * scale / 2)

        chords = height - (even(84) if has_chords else 0)
        head = even(HEAD + (ROW if height > width else 0))
        return cls(width, height, scale, head, head + even(32), chords - even(56), chords, 2 * round(width / 6))

    @property
    def last_row(self) -> int:
        """Where the last row of the legend starts, in rows of a frame of usual size."""
        return FIRST_ROW + (ROW if self.height > self.width else 0)

    def font(self, size: float) -> int:
        """A size of letters in pixels, of one in a frame of 720 rows."""
        return max(1, round(size * self.scale))

    def even(self, pixels: float) -> int:
        """Pixels of a frame of 720 rows in this one, as an even number."""
        return 2 * round(pixels * self.scale / 2)
