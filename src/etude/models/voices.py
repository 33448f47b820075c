"""Voices: a transformer over the frames of a voice grid that foretells each next frame voice by voice.

The line of Liang et al., BachBot, 2017, and Huang et al., Music Transformer, 2019: four voices, a sixteenth at a time,
each cell given all cells before it. Two things are done otherwise. Attention runs over frames in place of cells, so
that a piece is as many times shorter as it has voices; and what a cell depends on most is worked out from the past and
given as features, so that it need not be found again in a few hundred pieces.
"""

import math
from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.sections import Count, Range
from etude.core.errors import EtudeError
from etude.models.sequence import Dropout, SequenceModel, rotary, rotated
from etude.representations.base.grammar import BOS, PAD
from etude.representations.base.grid import FIRST, REST
from etude.representations.base.vocabulary import ItemSpec

BASE = 1000.0  # of the wavelengths of the positions, in frames
AGES = 33  # frames that a note has sounded, told apart; the last stands for all longer
SPAN = 48  # semitones of an interval that are told apart, up and down
INTERVALS = 2 * SPAN + 2  # from 1 on; 0 where there is none
KINDS = 1024  # more than any vocabulary has tokens
LONGEST = 32  # frames alike that are counted
FEW = 4  # frames that are looked up one by one
ALIKE = (1, 2, 4, 8, 16, 32)  # frames alike, from which on they make a difference
BARS = (4, 3)  # beats of the bars in which a step has a place
Cache = tuple[Tensor, Tensor]


class Kept(NamedTuple):
    """What a member keeps between calls: the context of the last frame, keys and values of each block."""

    context: Tensor  # (B, 1, hidden)
    caches: list[Cache]


class State(NamedTuple):
    """What is kept between calls."""

    tokens: Tensor  # all so far, (B, S)
    members: list[Kept]


class Heard(NamedTuple):
    """What is known before the first frame and after each of J frames; of each voice, (B, J + 1, voices)."""

    token: Tensor  # the last one
    pitch: Tensor  # the token of what sounds, a pitch or a rest; 0 where nothing is known
    age: Tensor  # frames since it began
    former: list[Tensor]  # the pitches before, the last one first
    home: Tensor  # the first pitch of the lowest voice before each frame (B, J); 0 where there is none


def observed(cells: Tensor, former: int) -> Heard:
    """What is known of tokens (B, J, voices), with the ``former`` pitches before what sounds."""
    token = F.pad(cells, (0, 0, 1, 0), value=PAD)
    place = torch.arange(token.shape[1], device=cells.device)[None, :, None]
    began = torch.where(token >= REST, place, 0).cummax(1).values  # 0: not yet
    pitch = token.gather(1, began)
    age = torch.where(began > 0, place - began, AGES).clamp(max=AGES - 2)
    past = [pitch]
    for _ in range(former):
        past.append(past[-1].gather(1, (began - 1).clamp(min=0)))
    lowest = token[..., -1]
    first = (lowest >= FIRST).float().argmax(1, keepdim=True)  # 0: none
    home = torch.where(first < place[:, :-1, 0] + 1, lowest.gather(1, first), 0)
    return Heard(token, pitch, age, past[1:], home)


class Echo(NamedTuple):
    """The place in the past that went as the last frames went, and how it went on; each (B, N, voices)."""

    frames: Tensor  # that are alike, up to LONGEST
    token: Tensor  # of the frame that came after; 0 where no frame is alike


def echoes(known: Heard, beat: int, start: int) -> list[Echo]:
    """For frame ``start`` and those after it, where all voices went as now, and where each voice by itself did.

    Of all places that are whole beats ago, two at the least, the one with the most frames alike, or the last of these.
    """
    code = known.pitch * KINDS + known.token  # (B, J + 1, U)
    J, device = code.shape[1] - 1, code.device
    lags = torch.arange(2 * beat, max(J, 2 * beat + 1), beat, device=device)
    since = max(0, start - LONGEST)
    place = torch.arange(since, J, device=device)
    before = place - lags[:, None]  # (L, W)
    same = (code[:, since:J, None].transpose(1, 2) == code[:, before.clamp(min=0)]) & (before > 0)[..., None]
    same = torch.cat([same.all(-1, keepdim=True), same], dim=-1)  # (B, L, W, 1 + U)
    other = torch.where(same, since - 1, place[:, None].int())  # the frame, where it is another
    new = range(start - since, J - since)
    if 0 < len(new) <= FEW:  # as in sampling: far cheaper than all
        broken = torch.stack([other[:, :, : last + 1].amax(dim=2) for last in new], dim=2)
    else:
        broken = other.cummax(dim=2).values[:, :, start - since :]
    alike = (place[start - since :, None] - broken).clamp(max=LONGEST)  # (B, L, N, 1 + U)
    rank = alike * len(lags) + torch.arange(len(lags) - 1, -1, -1, device=device)[:, None, None]
    best = rank.argmax(dim=1, keepdim=True)  # (B, 1, N, 1 + U)
    frames = alike.gather(1, best)[:, 0]
    after = (torch.arange(start, J, device=device)[:, None] + 1 - lags[best[:, 0]]).clamp(min=0)  # (B, N, 1 + U)
    found = []
    for which in (slice(0, 1), slice(1, None)):
        length = frames[..., which].expand(-1, -1, code.shape[2])
        token = known.token.gather(1, after[..., which].expand_as(length))
        found.append(Echo(length, torch.where(length > 0, token, 0)))
    return found


def interval(upper: Tensor, lower: Tensor) -> Tensor:
    """Semitones from one pitch token to another, counted from 1 for -SPAN; 0 where one of them is no pitch."""
    both = (upper >= FIRST) & (lower >= FIRST)
    return torch.where(both, (upper - lower).clamp(-SPAN, SPAN) + SPAN + 1, 0)


class Features(nn.Module):
    """The sum of one embedding for each of several features."""

    starts: Tensor

    def __init__(self, sizes: list[int], hidden: int, feature_dropout: float) -> None:
        """Args: how many values each feature has, width, share of the features that training leaves out."""
        super().__init__()
        self.feature_dropout = feature_dropout
        starts = torch.tensor([sum(sizes[:place]) for place in range(len(sizes))])
        self.register_buffer("begins", starts, persistent=False)
        self.table = nn.EmbeddingBag(sum(sizes), hidden, mode="sum")
        nn.init.normal_(self.table.weight, std=0.6 / math.sqrt(len(sizes)))

    def forward(self, values: list[Tensor]) -> Tensor:
        """Each (...) integers -> (..., hidden)."""
        places = torch.stack(values, dim=-1) + self.starts
        kept = None
        if self.training and self.feature_dropout:
            kept = (torch.rand(places.flatten(0, -2).shape, device=places.device) >= self.feature_dropout) / (
                1 - self.feature_dropout
            )
        summed: Tensor = self.table(places.flatten(0, -2), per_sample_weights=kept)
        return summed.view(*places.shape[:-1], -1)


class Forward(nn.Module):
    """A feed-forward network, added to what came in."""

    def __init__(self, hidden: int, dropout: float) -> None:
        """Args: width, dropout rate of what is added."""
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.widen = nn.Linear(hidden, 4 * hidden)
        self.narrow = nn.Linear(4 * hidden, hidden)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., hidden) -> (..., hidden)."""
        moved: Tensor = x + self.dropout(self.narrow(F.gelu(self.widen(self.norm(x)))))
        return moved


class Block(nn.Module):
    """Frames look at the last ``span`` frames up to themselves, then pass a feed-forward network."""

    def __init__(self, hidden: int, heads: int, span: int, dropout: float) -> None:
        """Args: width, attention heads, frames that are seen, dropout rate of what is added."""
        super().__init__()
        self.heads, self.span = heads, span
        self.norm = nn.LayerNorm(hidden)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.dropout = Dropout(dropout)
        self.after = Forward(hidden, dropout)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], cache: Cache | None) -> tuple[Tensor, Cache]:
        """One round.

        Args:
            x: (B, N, hidden), the last N frames.
            turn: the rotation of all positions.
            cache: keys and values of the last ``span`` frames before, each (B, heads, frames, hidden / heads).

        Returns:
            the same shape, and the cache moved on.
        """
        split = self.query_key_value(self.norm(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (B, heads, N, hidden / heads)
        newest = [part[-query.shape[2] :] for part in turn]
        query, key = rotated(query, *newest), rotated(key, *newest)
        if cache is not None:
            key, value = torch.cat([cache[0], key], dim=2), torch.cat([cache[1], value], dim=2)
        N, M = query.shape[2], key.shape[2]
        seen = None if N == M <= self.span else self._seen(N, M, x.device)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=seen, is_causal=seen is None)
        x = self.after(x + self.dropout(self.mix(found.transpose(1, 2).flatten(-2))))
        return x, (key[:, :, -self.span :], value[:, :, -self.span :])

    def _seen(self, rows: int, frames: int, device: torch.device) -> Tensor:
        """Which of some frames the last ones of them see: (rows, frames)."""
        age = torch.arange(frames - rows, frames, device=device)[:, None] - torch.arange(frames, device=device)
        return (age >= 0) & (age < self.span)


class Told(NamedTuple):
    """What a member is told of the rows of a batch, and of the frames and cells that are new."""

    frames: list[Tensor]  # each (B, N)
    cells: list[Tensor]  # each (B, N, voices)
    references: Tensor  # (B, N, voices, references), pitches by which the next one is rated

    def of(self, rows: slice) -> "Told":
        """The same of some rows."""
        return Told([f[rows] for f in self.frames], [f[rows] for f in self.cells], self.references[rows])


class Member(nn.Module):
    """One network: blocks over frames, and for each cell of the next frame feed-forward networks."""

    intervals: Tensor  # (V, V) from one token to another

    def __init__(
        self,
        vocabulary: int,
        of_frames: list[int],
        of_cells: list[int],
        references: int,
        blocks: list[Block],
        layers: list[Forward],
        hidden: int,
        dropout: float,
        feature_dropout: float,
    ) -> None:
        """Args: size, how many values each feature has, references of a pitch, what it is made of, width, rates."""
        super().__init__()
        self.frames, self.cells = (
            Features(of_frames, hidden, feature_dropout),
            Features(of_cells, hidden, feature_dropout),
        )
        self.blocks, self.layers = nn.ModuleList(blocks), nn.ModuleList(layers)
        self.context_norm = nn.LayerNorm(hidden)
        self.context = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.dropout = Dropout(dropout)
        self.absolute = nn.Linear(hidden, vocabulary)
        self.relative = nn.Linear(hidden, references * (INTERVALS - 1))
        tokens = torch.arange(vocabulary)
        self.register_buffer("intervals", interval(tokens[None], tokens[:, None]), persistent=False)
        self.apply(self._begin)

    def _begin(self, module: nn.Module) -> None:
        """Weights as GPT-2 draws them (Radford et al., 2019): what is added to the stream is small at first."""
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        if isinstance(module, Block | Forward):
            last = module.mix if isinstance(module, Block) else module.narrow
            nn.init.normal_(last.weight, std=0.02 / (2 * len(self.blocks) + len(self.layers)) ** 0.5)

    def forward(self, told: Told, turn: tuple[Tensor, Tensor], kept: "Kept | None") -> tuple[Tensor, "Kept"]:
        """Logits (B, N, voices, V) of the cells that it is told of, and what is kept."""
        caches: list[Cache | None] = [*kept.caches] if kept else [None] * len(self.blocks)
        contexts = [kept.context] if kept else []
        if told.frames[0].shape[1]:
            x = self.dropout(self.frames(told.frames))  # (B, M, hidden)
            for place, block in enumerate(self.blocks):
                x, caches[place] = block(x, turn, caches[place])
            contexts.append(self.context(self.context_norm(x)))
        context = torch.cat(contexts, dim=1)
        N = told.references.shape[1]
        x = self.dropout(self.cells(told.cells)) + context[:, -N:, None]  # (B, N, voices, hidden)
        for layer in self.layers:
            x = layer(x)
        x = self.dropout(self.norm(x))
        logits = self.absolute(x).float() + self._by_intervals(x, told.references)
        return logits, Kept(context[:, -1:], [cache for cache in caches if cache is not None])

    def _by_intervals(self, x: Tensor, references: Tensor) -> Tensor:
        """What each token gains by its intervals to the references, 0 for what is no pitch: (B, N, voices, V)."""
        rated = self.relative(x).float().unflatten(-1, (references.shape[-1], INTERVALS - 1))
        places = self.intervals[references]  # (B, N, voices, references, V)
        return F.pad(rated, (1, 0)).gather(-1, places).sum(dim=-2)


class Voices(SequenceModel):
    """Attention over frames; then a network for each cell of the next frame, which is told of the voices above it.

    Several networks (``members``) that learn apart foretell together: the share of a token is the mean of theirs
    (Lakshminarayanan et al., 2017). A few hundred pieces are soon known by heart, and a network that knows them is too
    sure of itself on others: ``temperature`` takes that back (Guo et al., 2017).

    Features of a cell, all worked out from the tokens before it: which voice it is; what each voice sounds, for how
    long, and whether it has just begun; the intervals between all voices; the last pitches of its own voice; all
    pitches as seen from the first one of the lowest voice; the place in a bar of four and of three beats. A pitch is
    rated as itself and by its intervals to those pitches, so that much of what is learned in one key holds in all.

    Tokens either begin with a piece's begin, or are a window of a piece, whose first token is then the last of a frame
    before a bar of four and of three beats (``stride``).
    """

    takes: ClassVar[tuple[str, ...]] = ("alphabet", "frame", "steps")
    gains_by_bf16: ClassVar[bool] = True

    def __init__(
        self,
        item_spec: ItemSpec,
        frame: int,
        steps: int,
        hidden: Count,
        layers: Annotated[int, Range(1, 64)],
        cell_layers: Annotated[int, Range(1, 64)],
        heads: Annotated[int, Range(1, 64)],
        span: Count,
        former: Annotated[int, Range(1, 16)],
        members: Annotated[int, Range(1, 64)],
        dropout: Annotated[float, Range(0, 0.95)],
        feature_dropout: Annotated[float, Range(0, 0.95)],
        temperature: Annotated[float, Range(0.1, 10)],
    ) -> None:
        """Make the networks.

        Args:
            item_spec: the tokens of the voice grid.
            frame: cells of a frame, one a voice.
            steps: of the grid, a beat.
            hidden: width.
            layers: blocks over frames.
            cell_layers: feed-forward networks for a cell.
            heads: of attention.
            span: frames that a block sees, the newest one included.
            former: pitches of its own voice that a cell is told, beside what sounds.
            members: networks, of which each learns from its own rows of a batch.
            dropout: rate.
            feature_dropout: share of the features that is left out at every place in training.
            temperature: by which a trained member's logits are divided.
        """
        super().__init__(item_spec)
        if hidden % (2 * heads):
            raise EtudeError(
                f"models.voices.hidden = {hidden} must be a multiple of twice models.voices.heads = {heads}."
            )
        vocabulary = item_spec.size
        self.frame, self.former, self.beat, self.width = frame, former, steps, hidden // heads
        self.temperature = temperature
        self.bars = [beats * steps for beats in BARS]
        self.stride = frame * math.lcm(*self.bars)
        self.pairs = [(upper, lower) for lower in range(frame) for upper in range(lower)]
        each = [vocabulary, AGES, FIRST + 1, INTERVALS, INTERVALS]  # of a voice in a frame
        of_frames = [*each * frame, *[INTERVALS] * len(self.pairs), *self.bars, 2]
        own = [*[INTERVALS] * (former + len(self.pairs) + frame + 2), *[AGES] * frame, *[3] * frame]
        own += [*[(len(ALIKE) + 1) * (FIRST + 1) * 2] * 2, *self.bars]
        of_cells = [*[vocabulary] * frame, frame, *(size * frame for size in own)]
        self.members = nn.ModuleList(
            Member(
                vocabulary,
                of_frames,
                of_cells,
                frame + former + 4,
                [Block(hidden, heads, span, dropout) for _ in range(layers)],
                [Forward(hidden, dropout) for _ in range(cell_layers)],
                hidden,
                dropout,
                feature_dropout,
            )
            for _ in range(members)
        )

    def forward(self, items: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See SequenceModel. In training each row is foretold by one member alone, in turn."""
        T, U = items.shape[1], self.frame
        tokens = torch.cat([state.tokens, items], dim=1) if state else items  # (B, S); token i foretells cell i
        S = tokens.shape[1]
        J = 1 + (S - 1) // U  # frames of which a cell is foretold
        done = 1 + (S - T - 1) // U if state else 0  # frames of which the contexts are there
        first = (S - T) // U  # frame of the first cell that is asked for
        known = observed(F.pad(tokens[:, 1:], (0, J * U - S + 1), value=PAD).unflatten(1, (J, U)), self.former)
        told = Told(self._of_frames(tokens, known, done), *self._of_cells(known, first))
        turn = rotary(0, J, self.width, BASE, tokens.device)
        asked = slice(S - T - first * U, S - first * U)
        if self.training:
            logits = torch.zeros(len(tokens), T, self.item_spec.size, device=tokens.device)
            for place, member in enumerate(self.members[: len(tokens)]):
                rows = slice(place, None, len(self.members))
                logits[rows] = member(told.of(rows), turn, None)[0].flatten(1, 2)[:, asked]  # (rows, T, V)
            return logits, State(tokens, [])
        found, kept = [], []
        for place, member in enumerate(self.members):
            logits, keeps = member(told, turn, state.members[place] if state else None)
            found.append((logits.flatten(1, 2)[:, asked] / self.temperature).log_softmax(dim=-1))  # (B, T, V)
            kept.append(keeps)
        return torch.stack(found).logsumexp(dim=0) - math.log(len(found)), State(tokens, kept)

    def _of_frames(self, tokens: Tensor, known: Heard, start: int) -> list[Tensor]:
        """What is told of the frames before frame ``start`` and those after it, each (B, N)."""
        pitch, age, last = known.pitch[:, start:-1], known.age[:, start:-1], known.token[:, start:-1]
        came = interval(pitch, known.former[0][:, start:-1])
        found = []
        for voice in range(self.frame):
            own = (pitch[..., voice], age[..., voice], last[..., voice].clamp(max=FIRST), came[..., voice])
            found += [*own, interval(pitch[..., voice], known.home[:, start:])]
        found += [interval(pitch[..., upper], pitch[..., lower]) for upper, lower in self.pairs]
        place = torch.arange(start, pitch.shape[1] + start, device=tokens.device).expand(len(tokens), -1)
        return [*found, *(place % bar for bar in self.bars), ((place == 0) & (tokens[:, :1] == BOS)).long()]

    def _of_cells(self, known: Heard, start: int) -> tuple[list[Tensor], Tensor]:
        """What is told of the cells of frame ``start`` and those after it, each (B, N, voices), and their references.

        The references are the pitches (B, N, voices, references) by which the next pitch is rated: what each voice
        sounds as far as it is known, what its own sounds, its former ones, and the home.
        """
        U, voice = self.frame, torch.arange(self.frame, device=known.pitch.device)
        above = voice < voice[:, None]  # (of a voice, another): whether the other's cell of this frame is known

        def latest(after: Tensor, waits: int = 0) -> Tensor:
            """(B, J + 1, voices) -> (B, N, voices, voices): of the frame where it is known, else of the one before."""
            return torch.where(above, after[:, start + 1 :, None], after[:, start:-1, None] + waits)

        pitch, age = latest(known.pitch), latest(known.age, waits=1)
        moved = torch.where(above, 1 + (known.token >= REST).long()[:, start + 1 :, None], 0)
        own = pitch.diagonal(dim1=2, dim2=3)
        former = [past[:, start:-1] for past in known.former]
        home = known.home[:, start:, None].expand_as(own)
        values = [interval(own, past) for past in former]
        values += [interval(pitch[..., upper], pitch[..., lower]) for upper, lower in self.pairs]
        values += [interval(pitch[..., other], home) for other in range(U)]
        heard_so = echoes(known, self.beat, start)
        values += [interval(echo.token, own) for echo in heard_so]
        values += [*age.unbind(-1), *moved.unbind(-1)]
        for echo in heard_so:
            apart = (echo.token != known.token[:, start + 1 :]).long().cumsum(-1)
            astray = F.pad(apart[..., :-1], (1, 0)) > 0  # whether a voice above has gone another way in this frame
            alike = sum((echo.frames >= least).long() for least in ALIKE)
            values.append((alike * (FIRST + 1) + echo.token.clamp(max=FIRST)) * 2 + astray)
        place = torch.arange(start, start + own.shape[1], device=own.device)[None, :, None].expand_as(own)
        values += [place % bar for bar in self.bars]
        references = torch.cat([pitch, torch.stack([own, *former, home, *(e.token for e in heard_so)], dim=-1)], dim=-1)
        return [*pitch.unbind(-1), voice.expand_as(own), *(value * U + voice for value in values)], references
