"""Stage report: write all results as one self-contained page, and as tables in Markdown and JSON."""

from pathlib import Path

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.files import Json, read_json, whole, write_json, write_text
from etude.listening import tables as listening
from etude.report.accompaniments import accompaniment_texts
from etude.report.cards import card, descriptors_csv
from etude.report.charts import MODELS
from etude.report.comparison import Compared, distribution_tables, sets_table, structure_table, telling_table
from etude.report.conditioning import attribute_table, request_table
from etude.report.excerpts import BEST, choose, write_excerpts
from etude.report.harmonies import harmony_table, rule_table
from etude.report.inputs import Pieces, ReportInputs, read_inputs, read_pieces
from etude.report.originality import originality_table
from etude.report.players import style_players
from etude.report.predictions import prediction_table
from etude.report.results import flat_results, results_table
from etude.report.sections import Contents, Listened, make_scores, make_sections
from etude.report.summary import headline_facts, trial
from etude.report.tables import Row, Table
from etude.report.templates import render
from etude.report.video import Video, make_video
from etude.stages import main


def report(
    settings: Settings, inputs: ReportInputs, pieces: Pieces, analysis: Json | None = None, video: Video | None = None
) -> str:
    """Make the page; the same inputs give the same bytes.

    ``analysis`` is that of a test with listeners, ``video`` that of the piece of the model with the best likelihood.
    """
    return render(
        "report.html.j2",
        dataset=inputs.download["dataset"],
        model_names=list(inputs.train),
        trial=trial(inputs),
        facts=headline_facts(inputs, settings.dataset["limit"]),
        sections=make_sections(Contents(settings, inputs, make_scores(pieces), _listened(analysis), video)),
        made_by=catalog.PAGE.made_by,
        models=MODELS,
        **style_players(),
    )


def _listened(analysis: Json | None) -> Listened | None:
    if analysis is None:
        return None
    tables = []
    for table in listening.page_tables(analysis):
        rows = [Row(row[0], tuple(row[1:])) for row in table.rows]
        notes = [table.note] if table.note else []
        tables.append(Table(table.title, [(head, "") for head in table.heads[1:]], rows, notes, table.heads[0]))
    return Listened(listening.facts(analysis), tables)


def markdown(inputs: ReportInputs) -> str:
    """All tables of results in Markdown."""
    compared = Compared(inputs.evaluate, inputs.reference)
    predicted = {name: part for name in inputs.train if (part := inputs.evaluate[name]["prediction"])}
    tables = (
        results_table(inputs),
        sets_table(compared),
        telling_table(compared),
        originality_table(compared),
        structure_table(compared),
        distribution_tables(compared)[0],
        prediction_table(predicted) if predicted else None,
        harmony_table(inputs.harmonize),
        attribute_table(inputs.control),
        request_table(inputs.control),
        rule_table(inputs.harmonize),
    )
    warning = trial(inputs)
    parts = [
        "# Results\n",
        *([f"**{warning}**\n"] if warning else []),
        *(table.markdown() for table in tables if table),
        *accompaniment_texts(inputs),
    ]
    text = "\n".join(parts)
    return text.rstrip("\n") + "\n"


def run(settings: Settings, session: Session) -> Path:
    """Read the results of all stages for the models of the settings; write reports/index.html, results.md and .json,
    the descriptors for `dvc plots`, a card a model, some short sounds and a video.

    Returns the path of the page.
    """
    inputs = read_inputs(settings, session)
    pieces = read_pieces(settings, session, inputs)
    asked = session.write(catalog.LISTEN)  # of this project or run, not of another
    analysis = read_json(asked, catalog.LISTEN.made_by) if asked.is_file() else None
    chosen = choose(inputs, pieces)
    video = make_video(chosen.get(BEST))
    write_text(session.write(catalog.PAGE), report(settings, inputs, pieces, analysis, video))
    write_text(session.write(catalog.TABLES), markdown(inputs))
    write_json(session.write(catalog.RESULTS), flat_results(inputs), sealed=False)
    write_text(session.write(catalog.DESCRIPTORS), descriptors_csv(inputs))
    with whole(session.write(catalog.CARDS)) as part:
        part.mkdir()
        for model_name in inputs.train:
            write_text(part / f"{model_name}.md", card(model_name, settings, inputs))
    with whole(session.write(catalog.EXCERPTS)) as part:
        part.mkdir()
        write_excerpts(part, chosen)
        if video is not None:
            (part / f"{BEST}.mp4").write_bytes(video.mp4)
    return session.write(catalog.PAGE)


if __name__ == "__main__":
    main(run)
