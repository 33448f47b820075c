"""Stage download: bring the untouched source files of a dataset, with digests, source and licence."""

from pathlib import Path
from typing import Any

from etude.errors import EtudeError
from etude.outputs import whole, write_json
from etude.provenance import built_from
from etude.session import Session
from etude.settings import Settings, construct, target
from etude.stages import main


def download(folder: Path, dataset: dict[str, Any], show: bool) -> dict[str, Any]:
    """Bring the source files of ``dataset`` (the settings' section) to ``folder`` and return the manifest."""
    manifest: dict[str, Any] = construct(target(dataset, "dataset"), dataset, "dataset").fetch(folder, show)
    if not manifest["pieces"]:
        raise EtudeError(f"dataset {dataset.get('name')} gave no piece; {len(manifest['left_out'])} were left out.")
    return manifest


def run(settings: Settings, session: Session) -> None:
    """Write data/download."""
    with whole(session.write("data/download")) as part:
        part.mkdir()
        manifest = download(part / "files", settings.dataset, session.progress)
        for piece in manifest["pieces"]:
            piece["file"] = f"files/{piece['file']}"
        write_json(part / "manifest.json", {"settings": built_from(settings, "download"), **manifest})
    print(f"download: {len(manifest['pieces'])} pieces, {len(manifest['left_out'])} files left out")


if __name__ == "__main__":
    main(run)
