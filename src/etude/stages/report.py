"""Stage report: write all results as one self-contained page, and as tables in Markdown and JSON."""

from pathlib import Path

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.files import whole, write_json, write_text
from etude.report.cards import card, descriptors_csv
from etude.report.conditioning import attribute_table, request_table
from etude.report.excerpts import choose, write_excerpts
from etude.report.harmonies import harmony_table, rule_rows, rules_markdown
from etude.report.inputs import Pieces, ReportInputs, read_inputs, read_pieces
from etude.report.panels import descriptor_panels, training_panels
from etude.report.players import Piece, make_players, style_players
from etude.report.results import flat_results, overlap_table, results_table
from etude.report.tables import (
    audit_rows,
    data_facts,
    descriptor_rows,
    flatten,
    group_changes,
    group_differences,
    group_reasons,
    round_trip_rows,
)
from etude.report.templates import inline, render
from etude.scores.engraving import musicxml, picture
from etude.stages import main


def report(settings: Settings, inputs: ReportInputs, pieces: Pieces) -> tuple[str, str]:
    """Make the page, and all tables in Markdown; the same inputs give the same bytes."""
    tables = [results_table(inputs), overlap_table(inputs)]
    harmonized, conditioned = harmony_table(inputs.harmonize), attribute_table(inputs.control)
    requests = request_table(inputs.control)
    charts, without_chart = descriptor_panels(inputs)
    samples = [piece for found in pieces.samples.values() for piece in found]
    (real, *others), seconds = make_players([pieces.real, *samples, *pieces.conditioned, *pieces.harmonies.values()])
    players = iter(others)
    values = settings.as_dict()
    left_out, refused, read = inputs.download["left_out"], inputs.ingest["refused"], inputs.ingest["pieces"]
    page = render(
        "report.html.j2",
        model_names=list(inputs.train),
        tables=tables,
        real=real,
        samples=[
            (name, len(inputs.generate[name]["pieces"]), [next(players) for _ in found])
            for name, found in pieces.samples.items()
        ],
        conditioning=[conditioned, requests] if conditioned else [],
        conditioned=[next(players) for _ in pieces.conditioned],
        harmonies=harmonized,
        harmonized=[(_engrave(piece), next(players)) for piece in pieces.harmonies.values()],
        rules=rule_rows(inputs.harmonize),
        cannot_harmonize=[name for name in inputs.train if name not in inputs.harmonize],
        training=training_panels(inputs),
        measures=charts,
        without_chart=without_chart,
        reference=inputs.reference,
        numbers=descriptor_rows(inputs),
        download=inputs.download,
        facts=data_facts(inputs),
        encodings=round_trip_rows(inputs),
        audit=audit_rows(inputs.leakage),
        refused=[
            ("Left out by download", len(left_out), group_reasons(left_out)),
            ("Refused by ingest", len(refused), group_reasons(refused)),
            ("Pieces changed by ingest", sum(bool(piece.get("changed")) for piece in read), group_changes(read)),
            ("Pieces that a second reader reads otherwise", *group_differences(read)),
        ],
        seconds=seconds,
        settings=[(name, flatten(values[name], name)) for name in values],
        **style_players(),
    )
    parts = [table.markdown() for table in (*tables, harmonized, conditioned, requests) if table]
    return page, "\n".join(["# Results\n", *parts, *filter(None, [rules_markdown(inputs.harmonize)])])


def _engrave(piece: Piece) -> str:
    """The engraved score of a piece, as a data address within the page."""
    return inline(picture(musicxml(piece.score, piece.title)).encode(), "image/svg+xml")


def run(settings: Settings, session: Session) -> Path:
    """Read the results of all stages for the models of the settings; write reports/index.html, results.md and .json,
    the descriptors for `dvc plots`, a card a model, and some short sounds.

    Returns the path of the page.
    """
    inputs = read_inputs(settings, session)
    pieces = read_pieces(settings, session, inputs)
    page, tables = report(settings, inputs, pieces)
    write_text(session.write(catalog.PAGE), page)
    write_text(session.write(catalog.TABLES), tables)
    write_json(session.write(catalog.RESULTS), flat_results(inputs))
    write_text(session.write(catalog.DESCRIPTORS), descriptors_csv(inputs))
    with whole(session.write(catalog.CARDS)) as part:
        part.mkdir()
        for model_name in inputs.train:
            write_text(part / f"{model_name}.md", card(model_name, settings, inputs))
    with whole(session.write(catalog.EXCERPTS)) as part:
        part.mkdir()
        write_excerpts(part, choose(inputs, pieces))
    return session.write(catalog.PAGE)


if __name__ == "__main__":
    main(run)
