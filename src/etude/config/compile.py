"""The compiler: conf/ in, params.yaml out; src/ in, code.yaml out.

Inside a DVC experiment params.yaml stays as -S has set it.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from etude.config.check import FastLoader
from etude.config.code import compile_code
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.files import write_text
from etude.core.project import conf_folder, require_project

HEADER = "# Compiled from conf/ by `dvc repro params`. Do not edit: edit conf/.\n"


@contextmanager
def composing() -> Iterator[None]:
    """Turn the exceptions of Hydra, OmegaConf and YAML over conf/ into an EtudeError; OmegaConf reads by libyaml."""
    slow = yaml.SafeLoader
    yaml.SafeLoader = FastLoader  # type: ignore[misc]  # of which OmegaConf makes its own for each file
    try:
        yield
    except MissingConfigException as error:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        raise EtudeError(
            f'There is no {group or "file"} "{name}" in conf/{group}. {closest(name, error.options or [])}'
        ) from None
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        if several := re.match(r"Ambiguous value for argument '([^=]+)=(.*?)' 1\.", text):
            key, values = several.groups()
            raise EtudeError(
                f"{key}={values} has several values. All of them together: {key}=[{values}]; a training with each: "
                f"etude train -m {key}={values}; a text with commas: {key}=\\'{values}\\'"
            ) from None
        raise EtudeError(f"These settings cannot be composed from conf/: {text}") from None
    finally:
        yaml.SafeLoader = slow  # type: ignore[misc]


def compose_values(config: Any) -> dict[str, Any]:
    """The values of a composed configuration, resolved.

    An experiment also has settings for models and representations that were not chosen. Their sections lack the
    ``_target_`` of a chosen option, and are dropped.
    """
    values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(values, dict)
    for group in ("models", "tokenize"):
        if isinstance(values.get(group), dict):
            values[group] = {
                name: section
                for name, section in values[group].items()
                if not isinstance(section, dict) or "_target_" in section
            }
    for group in ("harmonizers", "conditioners"):
        values[group] = {name: entry for name, entry in values.get(group, {}).items() if name in values["models"]}
    return {str(key): value for key, value in values.items()}


def compile_params(conf: Path, overrides: list[str] | None = None) -> str:
    """The text of params.yaml: conf/config.yaml composed, resolved and checked."""
    GlobalHydra.instance().clear()
    with composing(), initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        config = compose("config", overrides=overrides or [])
        values = compose_values(config)
    Settings.of(values)
    return HEADER + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def settings_of(root: Path) -> Settings:
    """The settings of a project, as params.yaml has them; elsewhere the defaults that come with the package."""
    if (root / "params.yaml").is_file():
        return Settings.from_params(root / "params.yaml")
    return Settings.of(yaml.safe_load(compile_params(conf_folder(root))))


def main() -> None:
    """Entry point of the stage ``params``: write params.yaml and code.yaml."""
    try:
        root = require_project()
        if not os.environ.get("DVC_EXP_NAME"):
            write_text(root / "params.yaml", compile_params(root / "conf"))
        write_text(root / "code.yaml", compile_code(Settings.from_params(root / "params.yaml")))
    except EtudeError as error:
        sys.exit(f"etude: {error}")


if __name__ == "__main__":
    main()
