"""The sections of the page, in its order: each is one function here and one template, ``section_*.html.j2``.

``SECTIONS`` lists them. Navigation and page are made from this list, so that a further section is a template, a
function, and an entry in it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from etude.config.sections import Settings
from etude.metrics.sets import FEWEST
from etude.report.accompaniments import accompaniment_tables, without_passages
from etude.report.comparison import (
    Compared,
    chord_table,
    distribution_panels,
    distribution_tables,
    sets_table,
    structure_table,
    telling_table,
    transition_table,
)
from etude.report.conditioning import attribute_table, request_table
from etude.report.harmonies import harmony_table, rule_table
from etude.report.identity import code_digests, describe_environment, describe_inputs
from etude.report.inputs import Pieces, ReportInputs
from etude.report.originality import nearest_table, originality_table, training_panel
from etude.report.panels import descriptor_panels, training_panels
from etude.report.players import Piece, Player, make_players
from etude.report.predictions import place_table, prediction_table, reliability_panel
from etude.report.results import results_table
from etude.report.summary import few_steps, judge, measures, summary_table
from etude.report.tables import (
    Table,
    audit_table,
    data_facts,
    descriptor_tables,
    flatten,
    group_changes,
    group_differences,
    group_reasons,
    round_trip_table,
    state,
)
from etude.report.templates import inline, render
from etude.report.video import Video
from etude.scores.engraving import musicxml, on_readable_grid, picture, size_of


@dataclass(frozen=True)
class Section:
    """A part of the page: its address within it, its heading, and its HTML."""

    key: str
    title: str
    html: str


@dataclass(frozen=True)
class Engraving:
    """A picture of a score: its address within the page, and width and height, of which the page needs the ratio."""

    address: str
    width: int
    height: int


@dataclass(frozen=True)
class Scores:
    """The pieces of the page as players, and the seconds that the longest lasts."""

    real: Player
    samples: Mapping[str, Sequence[Player]]
    conditioned: Sequence[Player]
    harmonies: Sequence[tuple[Engraving, Player]]
    copies: Sequence[tuple[tuple[Engraving, Player], tuple[Engraving, Player]]]
    seconds: float


@dataclass(frozen=True)
class Listened:
    """What a test with listeners showed: sentences on who was asked, and tables, the first of which matters most."""

    facts: Sequence[str]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Contents:
    """What a section is made from; without listeners ``listened`` is None, and ``video`` without a likelihood."""

    settings: Settings
    inputs: ReportInputs
    scores: Scores
    listened: Listened | None = None
    video: Video | None = None

    @property
    def compared(self) -> Compared:
        """The results of all models next to those of real music."""
        return Compared(self.inputs.evaluate, self.inputs.reference)


def make_scores(pieces: Pieces) -> Scores:
    """The players of all pieces, which share the room that a page has for sound."""
    samples = [piece for found in pieces.samples.values() for piece in found]
    harmonies = list(pieces.harmonies.values())
    copies = [piece for pair in pieces.copies.values() for piece in pair]
    (real, *others), seconds = make_players([pieces.real, *samples, *pieces.conditioned, *harmonies, *copies])
    players = iter(others)
    return Scores(
        real=real,
        samples={name: [next(players) for _ in found] for name, found in pieces.samples.items()},
        conditioned=[next(players) for _ in pieces.conditioned],
        harmonies=[(engrave(piece), next(players)) for piece in harmonies],
        copies=[
            ((engrave(one), next(players)), (engrave(other), next(players))) for one, other in pieces.copies.values()
        ],
        seconds=seconds,
    )


def engrave(piece: Piece) -> Engraving:
    """A piece as a picture of its score."""
    svg = picture(musicxml(on_readable_grid(piece.score), piece.title))
    return Engraving(inline(svg.encode(), "image/svg+xml"), *size_of(svg))


def make_sections(contents: Contents) -> list[Section]:
    """All sections that have something to show, in the order of the page."""
    found = (make(contents) for make in SECTIONS)
    return [section for section in found if section is not None]


def _section(key: str, title: str, template: str, **values: object) -> Section:
    return Section(key, title, render(template, **values))


def summary(contents: Contents) -> Section:
    """Which model is best, by what and how sure, and the traffic lights."""
    few = list(few_steps(contents.inputs))
    verdicts = [judge(measure, few) for measure in measures(contents.inputs)]
    return _section(
        "summary",
        "Summary",
        "section_summary.html.j2",
        verdicts=[verdict for verdict in verdicts if verdict is not None],
        left_out=few,
        table=summary_table(contents.inputs),
    )


def results(contents: Contents) -> Section:
    """The tables of results."""
    tables = [results_table(contents.inputs)]
    return _section("results", "Results", "section_results.html.j2", tables=tables)


def samples(contents: Contents) -> Section:
    """Real music, and samples of each model, to look at and to listen to."""
    scores, inputs = contents.scores, contents.inputs
    return _section(
        "samples",
        "Samples and real music",
        "section_samples.html.j2",
        players=[scores.real, *(player for found in scores.samples.values() for player in found)],
        counts={name: len(inputs.generate[name]["pieces"]) for name in inputs.train},
        seconds=scores.seconds,
        video=contents.video,
        address=inline(contents.video.mp4, "video/mp4") if contents.video else "",
    )


def music(contents: Contents) -> Section:
    """The measures of pieces, as charts and as numbers."""
    panels, without = descriptor_panels(contents.inputs)
    return _section(
        "measures",
        "Measures of the music",
        "section_measures.html.j2",
        panels=panels,
        without=without,
        reference=contents.inputs.reference,
        tables=descriptor_tables(contents.inputs),
    )


def sets(contents: Contents) -> Section:
    """Samples and real pieces as sets."""
    return sets_section(contents.compared, few_steps(contents.inputs))


def distributions(contents: Contents) -> Section:
    """Distributions of notes and chords."""
    return distributions_section(contents.compared)


def structure(contents: Contents) -> Section:
    """What comes back in the pieces."""
    return structure_section(contents.compared)


def sets_section(compared: Compared, trials: Collection[str] = ()) -> Section:
    """Samples and real pieces as sets, and what gives the samples away; ``trials`` are models without lights."""
    tables = [sets_table(compared, trials), telling_table(compared)]
    known = any(part["value"] is not None for one in compared.found.values() for part in one["sets"].values())
    few = "" if known else f"Measures of sets take at least {FEWEST} pieces on either side, and there are fewer."
    return _section("sets", "Samples as a set", "section_sets.html.j2", tables=tables if known else [], few=few)


def distributions_section(compared: Compared) -> Section:
    """Distributions of notes and chords, each next to that of real music."""
    return _section(
        "distributions",
        "Distributions",
        "section_distributions.html.j2",
        panels=distribution_panels(compared),
        tables=distribution_tables(compared),
        chords=[chord_table(compared), transition_table(compared)],
    )


def structure_section(compared: Compared) -> Section:
    """What comes back in the pieces."""
    return _section("structure", "Structure", "section_structure.html.j2", table=structure_table(compared))


def originality(contents: Contents) -> Section:
    """What samples have in common with train pieces."""
    inputs, compared = contents.inputs, contents.compared
    best = {name: round(run.result["best_step"]) for name, run in inputs.train.items() if run.result.get("best_step")}
    panel = training_panel(compared, best)
    return _section(
        "originality",
        "Originality",
        "section_originality.html.j2",
        open=False,
        table=originality_table(compared),
        panels=[panel] if panel else [],
        nearest=nearest_table(compared),
        pairs=contents.scores.copies,
    )


def predictions(contents: Contents) -> Section | None:
    """How good the predictions behind the likelihood are, where a model has one."""
    inputs = contents.inputs
    found = {name: part for name in inputs.train if (part := inputs.evaluate[name]["prediction"])}
    if not found:
        return None
    what = "Notes of the test pieces, by {}: nats of the item that starts a note, and how often its pitch is predicted."
    places = (("voices", "voice"), ("positions", "position in the bar, in steps of the grid"))
    return _section(
        "predictions",
        "Predictions",
        "section_predictions.html.j2",
        table=prediction_table(found),
        panels=[reliability_panel(found, list(inputs.train))],
        places=[
            table
            for part, name in places
            if (table := place_table(found, part, what.format(name), name.split(",")[0])) is not None
        ],
    )


def listening(contents: Contents) -> Section | None:
    """What listeners prefer, next to the objective measures; None where nobody was asked."""
    found = contents.listened
    if found is None:
        return None
    return _section("listening", "Listeners", "section_listening.html.j2", facts=found.facts, tables=found.tables)


def conditioning(contents: Contents) -> Section | None:
    """Conditional generation, where a model can be conditioned."""
    attributes, requests = (make(contents.inputs.control) for make in (attribute_table, request_table))
    if attributes is None:
        return None
    return _section(
        "conditioning",
        "Conditioning",
        "section_conditioning.html.j2",
        attributes=attributes,
        requests=requests,
        players=contents.scores.conditioned,
    )


def harmonies(contents: Contents) -> Section | None:
    """Harmonised melodies; and which models cannot harmonise."""
    inputs = contents.inputs
    table, cannot = harmony_table(inputs.harmonize), [name for name in inputs.train if name not in inputs.harmonize]
    if table is None and not cannot:
        return None
    return _section(
        "harmonies",
        "Harmonies",
        "section_harmonies.html.j2",
        table=table,
        scores=contents.scores.harmonies,
        rules=rule_table(inputs.harmonize),
        cannot=cannot,
    )


def accompaniments(contents: Contents) -> Section | None:
    """Accompaniments of people, of simple methods and of models; None where no model was compared with them."""
    tables, without = accompaniment_tables(contents.inputs), without_passages(contents.inputs)
    if not tables and not without:
        return None
    return _section(
        "accompaniments",
        "Accompaniments",
        "section_accompaniments.html.j2",
        tables=list(tables.values()),
        without=without,
    )


def training(contents: Contents) -> Section:
    """The course of each training."""
    return _section("training", "Training", "section_training.html.j2", panels=training_panels(contents.inputs))


def data(contents: Contents) -> Section:
    """The data: where it comes from, what was changed, what was refused, and what representations keep."""
    inputs = contents.inputs
    left_out, refused, read = inputs.download["left_out"], inputs.ingest["refused"], inputs.ingest["pieces"]
    return _section(
        "data",
        "Data",
        "section_data.html.j2",
        source={name: state(inputs.download.get(name)) for name in ("dataset", "source", "licence", "citation")},
        facts=data_facts(inputs),
        encodings=round_trip_table(inputs),
        groups=[
            ("Changed by ingest", sum(bool(piece.get("changed")) for piece in read), group_changes(read)),
            ("Quarantine: refused by ingest", len(refused), group_reasons(refused)),
            ("Left out by download", len(left_out), group_reasons(left_out)),
            ("Read otherwise by a second reader", *group_differences(read)),
        ],
    )


def leakage(contents: Contents) -> Section:
    """The audit of what train, valid and test share."""
    table = audit_table(contents.inputs.leakage)
    return _section("leakage", "Leakage audit", "section_leakage.html.j2", table=table)


def settings(contents: Contents) -> Section:
    """All settings that change a result."""
    values = contents.settings.as_dict()
    pairs = [(name, flatten(values[name], name)) for name in values]
    return _section("settings", "Settings", "section_settings.html.j2", sections=pairs)


def environment(contents: Contents) -> Section:
    """What ran, and how to find the commit."""
    return _section(
        "environment",
        "Environment and commit",
        "section_environment.html.j2",
        identity=describe_inputs(contents.settings, contents.inputs),
        versions=describe_environment(contents.settings),
        digests=code_digests(contents.settings),
    )


SECTIONS: tuple[Callable[[Contents], Section | None], ...] = (
    summary,
    results,
    samples,
    listening,
    sets,
    originality,
    structure,
    distributions,
    predictions,
    music,
    conditioning,
    harmonies,
    accompaniments,
    training,
    data,
    leakage,
    settings,
    environment,
)
