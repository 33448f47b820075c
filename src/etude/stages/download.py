"""Stage download: fetch the untouched source files of a dataset, with digests, source and licence."""

from pathlib import Path

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import write_data
from etude.config.check import construct, target
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, write_json
from etude.datasets.archives import writing
from etude.stages import main


def download(folder: Path, dataset: Json, show: bool) -> Json:
    """Fetch the source files of ``dataset`` (the settings' section) into ``folder`` and return the manifest."""
    manifest: Json = construct(target(dataset, "dataset"), dataset, "dataset").fetch(folder, show)
    if not manifest["pieces"]:
        reasons = "; ".join(f"{entry['source']}: {entry['reason']}" for entry in manifest["left_out"][:3])
        where = f", dataset.path = {dataset['path']}," if dataset.get("path") else ""
        raise EtudeError(
            f"dataset {dataset.get('name')}{where} gave no piece; {len(manifest['left_out'])} were left out. "
            + (f"The first reasons: {reasons}." if reasons else "No file of its kinds was found: put some there.")
        )
    return manifest


def run(settings: Settings, session: Session) -> None:
    """Write data/download."""
    with writing(session.write(catalog.DOWNLOAD).parent, ""), write_data(settings, session, "download") as (part, _):
        manifest = download(part / "files", settings.dataset, session.progress)
        for piece in manifest["pieces"]:
            piece["file"] = f"files/{piece['file']}"
            if "annotations" in piece:
                piece["annotations"] = {f"files/{file}": sha256 for file, sha256 in piece["annotations"].items()}
        write_json(part / "manifest.json", manifest)
    print(f"download: {len(manifest['pieces'])} pieces, {len(manifest['left_out'])} files left out")


if __name__ == "__main__":
    main(run)
