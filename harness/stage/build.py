"""Has make build a scenario's two programs."""
from __future__ import annotations

import os
import subprocess

from .scenarios import ROOT, Scenario


class DoesNotBuild(Exception):
    """The compiler's own words."""


def build(scenarios: "list[Scenario]") -> str:
    """Builds what has changed; returns the compiler's warnings, "" if there are none. Raises DoesNotBuild."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    passed = [f"{name}={env[name]}" for name in ("BUILD", "SCENARIOS", "SANITIZE", "WERROR", "CC") if env.get(name)]
    prefix = env.get("BUILD") or "build"
    targets = [f"{prefix}/{scenario.name}/{role}" for scenario in scenarios for role in ("client", "server")]
    try:
        made = subprocess.run([env.get("MAKE") or "make", "--no-print-directory", "-s", *passed, *targets], cwd=ROOT, env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False)
    except OSError as error:
        raise DoesNotBuild(f"can't run make: {error.strerror}; install make and a C compiler") from None
    if made.returncode != 0:
        raise DoesNotBuild(made.stdout.rstrip())
    return made.stdout.rstrip()
