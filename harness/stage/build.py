"""Has make build the programs of a scenario's cast."""
from __future__ import annotations

import os
import subprocess

from .scenarios import ROOT, Scenario


class DoesNotBuild(Exception):
    """The compiler's own words."""


def build(scenarios: "list[Scenario]") -> str:
    """Builds what has changed; returns the compiler's warnings, "" if there are none.

    Raises DoesNotBuild, and StageError where a stage.txt is wrong.
    """
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    passed = [f"{name}={env[name]}" for name in ("BUILD", "SCENARIOS", "SANITIZE", "WERROR", "CC") if env.get(name)]
    prefix = env.get("BUILD") or "build"
    targets = [f"{prefix}/{scenario.name}/{file}" for scenario in scenarios for file in _files(scenario)]
    try:
        made = subprocess.run([env.get("MAKE") or "make", "--no-print-directory", "-s", *passed, *targets], cwd=ROOT, env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False)
    except OSError as error:
        raise DoesNotBuild(f"can't run make: {error.strerror}; install make and a C compiler") from None
    if made.returncode != 0:
        raise DoesNotBuild(made.stdout.rstrip())
    return made.stdout.rstrip()


def _files(scenario: Scenario) -> list[str]:
    """The stems of the .c files of the cast, each once. Without a stage.txt nobody has looked yet whether they are there."""
    files = list(dict.fromkeys(program.file for program in scenario.stage.programs))
    for file in files:
        if not (scenario.folder / f"{file}.c").is_file():
            raise DoesNotBuild(f"{scenario.name}: there is no {file}.c in {scenario.folder}; write it, or say in a stage.txt there "
                               "which programs the scenario has (harness/STAGE.md)")
    return files
