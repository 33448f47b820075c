"""What made the page: digests of data, settings and code, and the versions that ran. It has no clock and no place."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import yaml

from etude.config.code import DIGESTED, compile_code, digest_of_code
from etude.config.sections import Settings
from etude.core.files import digest_of
from etude.report.inputs import ReportInputs

PACKAGES = (
    "torch",
    "pytorch-lightning",
    "numpy",
    "scipy",
    "symusic",
    "miditok",
    "muspy",
    "music21",
    "verovio",
    "matplotlib",
)
DIGITS = 16  # of a digest: as many as code.yaml has


def describe_inputs(settings: Settings, inputs: ReportInputs) -> list[tuple[str, str]]:
    """The identity of the page: name and text, digests in hexadecimal digits."""
    split = {name: inputs.split[name] for name in ("train", "valid", "test")}
    data = digest_of({"pieces": inputs.ingest["shards"], "split": split})
    return [
        ("etude", version("etude")),
        ("Data", data[:DIGITS]),
        ("Settings", digest_of(settings.as_dict())[:DIGITS]),
        ("Code of this page", digest_of_code("report", settings)),
    ]


def describe_environment(settings: Settings) -> list[tuple[str, str]]:
    """What ran: Python, packages, the kernels of the CPU, and how models were trained."""
    trainer = settings.as_dict()["trainer"]
    kernels = "the CPU's own (ETUDE_CPU=native)" if os.environ.get("ETUDE_CPU") == "native" else "pinned to AVX2"
    return [
        ("Python", ".".join(platform.python_version_tuple()[:2])),
        *((name, _version(name)) for name in PACKAGES),
        ("CPU kernels", kernels),
        ("Training", f"{trainer['accelerator']}, {trainer['precision']}, threads: {trainer['threads']}"),
    ]


def _version(name: str) -> str:
    """The release of a package, without the build: torch for CPUs and for CUDA are one release."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "not installed"


def code_digests(settings: Settings) -> Mapping[str, str]:
    """The digest of the code of each stage instance that the page shows, as code.yaml has it, by ``stage@name``."""
    found: dict[str, str] = {}
    for stage, value in yaml.safe_load(compile_code(settings)).items():
        if stage == "track" or stage in DIGESTED:  # it runs after the report; sections of settings
            continue
        found |= (
            {f"{stage}@{name}": text for name, text in value.items()} if isinstance(value, dict) else {stage: value}
        )
    return found
