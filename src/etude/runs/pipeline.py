"""``etude all``: every stage for one composition of settings, in a folder of its own, where a killed run resumes.

``dvc repro`` does this for the committed settings. ``etude all`` is for another dataset, above all your own MIDI, and
for ``experiment=full``. An instance runs again only if its settings, its code or its inputs have changed.
"""

import importlib
import multiprocessing
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, digest_of, read_json, write_json, write_text
from etude.core.progress import at_place
from etude.core.signals import GRACE_OF_WORKERS, ended_by_signals, obey_parent, shield
from etude.runs.graph import Instance, edges, instances
from etude.runs.schedule import NEEDS, Clock, run_side_by_side

BUILT = "built.json"  # in the folder of a run: instance -> key of the inputs, settings and code of its outputs


def folder_of(settings: Settings, root: Path, *more: str) -> Path:
    """The folder of all results of these settings: below runs/, named after the dataset and the settings.

    ``more`` is what else decides the results; its first text is part of the name.
    """
    key = digest_of({"settings": settings.as_dict(), "more": more})
    return root / "runs" / "-".join([settings.dataset["name"], *more[:1], key[:8]])


def run(settings: Settings, session: Session) -> Path:
    """Run all instances that are out of date in the folder of these settings. Returns the page with the report.

    The source files are always fetched again: they may be your own and have changed.

    Raises:
        EtudeError: some instances failed; all instances that do not need them have run.
    """
    folder = folder_of(settings, session.root)
    inside = replace(session, out=folder, run=folder)
    failed = run_stale(settings, inside, always=("download",))
    if failed:
        raise EtudeError(name_failures(failed))
    return folder / catalog.PAGE.place


def name_failures(failed: Mapping[str, str]) -> str:
    """The sentences on instances that failed, by their reasons, and how many could not run without them."""
    waiting = [name for name, reason in failed.items() if reason.startswith(NEEDS)]
    said = [f"{name}: {reason.rstrip('.')}." for name, reason in failed.items() if name not in waiting]
    if waiting:
        said.append(f"{len(waiting)} more did not run, for want of what failed.")
    return " ".join([*said, "The same command goes on from here."])


def keep_results(root: Path, folder: Path) -> Path:
    """Copy the results of a run of ``experiment=full`` to reports/full, which is committed. Returns the page."""
    kept = root / catalog.FULL.place
    for place in (folder / catalog.RESULTS.place, folder / catalog.TABLES.place):
        text = place.read_text(encoding="utf-8")
        write_text(kept / place.name, text.replace("# Results\n", "# Results at full size\n", 1))
    return kept / place.name


def run_stale(
    settings: Settings, inside: Session, stages: Collection[str] | None = None, always: Collection[str] = ()
) -> dict[str, str]:
    """Run those instances of ``stages`` (all but track) that are out of date in the folder of ``inside``.

    Returns:
        The failed instances, each with the reason.
    """
    found = [
        one
        for one in instances(inside.root, settings)
        if (one.stage != "track" if stages is None else one.stage in stages)
    ]
    folder = inside.out or inside.root
    built: dict[str, str] = read_json(folder / BUILT, "etude all") if (folder / BUILT).is_file() else {}
    clock = Clock(inside.root, [one.target for one in found], inside.jobs)
    pool = start_pool(inside.jobs) if inside.jobs > 1 else None

    def work(one: Instance) -> None:
        place = clock.start()
        key = key_of_instance(one, settings, folder)
        if (
            built.get(one.target) == key
            and all((folder / out).exists() for out in one.outs)
            and one.stage not in always
        ):
            clock.record(one.target, None)
            return
        started = time.monotonic()
        if built.pop(one.target, None) is not None:
            write_json(folder / BUILT, built)  # killed from here on, the stage has left something of both
        try:
            if pool is None:
                run_stage(one.stage, settings, inside, one.name, place)
            else:
                with shield():
                    running = pool.submit(run_in_worker, one.stage, settings, inside, one.name, place)
                running.result()
        except EtudeError:
            clock.record(one.target, time.monotonic() - started, "FAILED")
            raise
        built[one.target] = key
        write_json(folder / BUILT, built)
        clock.record(one.target, time.monotonic() - started)

    try:
        failed = run_side_by_side(edges(found), work, inside.jobs, lambda one: clock.known.get(one.target, 0.0), _stop)
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
    return {one.target: reason for one, reason in failed.items()}


def start_pool(jobs: int) -> ProcessPoolExecutor:
    """Processes that TERM alone ends. Python's resource tracker, which comes with them, outlives HUP too."""
    with shield():  # by itself the tracker ignores INT and TERM alone: a terminal that closes would end it
        start = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(jobs, mp_context=start, initializer=obey_parent)


def key_of_instance(one: Instance, settings: Settings, folder: Path) -> str:
    """A digest of all that decides the outputs of an instance: settings, code, and the content of its inputs."""
    read = {place: digest(folder / place) for place in one.deps if (folder / place).exists()}
    return digest_of({**one.decides(settings), "read": read})


def _stop() -> None:
    """Ask the workers to end what they do."""
    for worker in multiprocessing.active_children():
        worker.terminate()


def run_in_worker(stage: str, settings: Settings, inside: Session, name: str | None, place: str) -> None:
    """``run_stage`` in a process of its own, next to others, which SIGTERM ends."""
    with ended_by_signals(grace=GRACE_OF_WORKERS):
        run_stage(stage, settings, inside, name, place, shared=True)


def run_stage(
    stage: str, settings: Settings, inside: Session, name: str | None, place: str = "", shared: bool = False
) -> None:
    """Run one stage, for the representation or model ``name`` if it has any.

    Args:
        stage: its name.
        settings: all settings.
        inside: where it reads and writes.
        name: what it runs for.
        place: which of all it is, as ``[5/60]``, for its progress.
        shared: others run at the same time, and show their progress in the same place.
    """
    arguments: list[Any] = [name] if name else []
    with at_place(place, shared):
        importlib.import_module(f"etude.stages.{stage}").run(settings, inside, *arguments)
