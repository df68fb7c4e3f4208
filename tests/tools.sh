#!/bin/sh
# The tools that only the checks need: finds them, fetches pytest and bats if they are missing, runs the checks.
#
#     tools.sh test      bats and pytest            tools.sh lint      the formatters and static checks
#
# Fetching: Debian's packages where this is root or sudo asks for no password, else pip and npm into $BUILD/tools, else it
# says what to install (status 2). In CI (CI set) a missing tool is a failure, elsewhere what needs it is skipped.
set -u
cd "$(dirname "$0")/.." || exit 3
build=${BUILD:-build}
tools=$build/tools

has() {
    command -v "$1" >/dev/null 2>&1
}

# The python3 first on PATH may lack pytest while the system's own has it. (SYSTEM_PYTHON: so that a test can take it away.)
python_with_pytest() {
    for python in "${PYTHON:-python3}" python3 "${SYSTEM_PYTHON:-/usr/bin/python3}" "$tools/venv/bin/python"; do
        if has "$python" && "$python" -c 'import pytest, sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
            echo "$python"
            return
        fi
    done
    return 1
}

bats_command() {
    if has bats; then
        echo bats
    elif [ -x "$tools/node_modules/bats/bin/bats" ]; then
        echo "$tools/node_modules/bats/bin/bats"
    else
        return 1
    fi
}

# debian PACKAGE: installs it, if that needs no password.
debian() {
    has apt-get || return 1
    sudo=
    if [ "$(id -u)" != 0 ]; then
        has sudo && sudo -n true 2>/dev/null || return 1
        sudo="sudo -n"
    fi
    echo "fetching $1 with apt-get" >&2
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >/dev/null 2>&1 ||
        { $sudo apt-get update >/dev/null 2>&1 &&
            $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >/dev/null 2>&1; }
}

fetch_pytest() {
    debian python3-pytest && { debian python3-pytest-xdist || :; } && return
    echo "fetching pytest with pip into $tools" >&2
    mkdir -p "$tools" && "${PYTHON:-python3}" -m venv "$tools/venv" >/dev/null 2>&1 &&
        "$tools/venv/bin/python" -m pip install --quiet pytest pytest-xdist >/dev/null 2>&1 && return
    # Debian's python3 has no venv without python3-venv, but it may have pip.
    "${PYTHON:-python3}" -m pip install --quiet --target "$tools/python" pytest pytest-xdist >/dev/null 2>&1
}

fetch_bats() {
    debian bats && return
    has npm || return 1
    echo "fetching bats with npm into $tools" >&2
    mkdir -p "$tools" && npm install --silent --no-audit --no-fund --prefix "$tools" bats >/dev/null 2>&1
}

run_tests() {
    export PYTHONPATH="$tools/python"   # what fetch_pytest may have put there
    # The harness is started some hundred times: compiled once, also where this is switched off, and beside nobody's sources.
    mkdir -p "$build" && PYTHONPYCACHEPREFIX=$(cd "$build" && pwd)/pycache && export PYTHONPYCACHEPREFIX PYTHONDONTWRITEBYTECODE=
    python_with_pytest >/dev/null || fetch_pytest
    bats_command >/dev/null || fetch_bats
    missing=
    python=$(python_with_pytest) || missing="$missing python3-pytest"
    bats=$(bats_command) || missing="$missing bats"
    if [ -n "$missing" ]; then
        echo "missing, and could not be fetched:$missing" >&2
        echo "Install what is missing (Debian, Ubuntu: apt-get install$missing), then run make test again." >&2
        exit 2
    fi
    parallel=
    "$python" -c 'import xdist' >/dev/null 2>&1 && parallel="-n $(($(getconf _NPROCESSORS_ONLN) + 2)) --dist load"   # many wait
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    "$bats" --recursive tests >"$log" 2>&1 &
    beside=$!
    status=0
    # shellcheck disable=SC2086  # several words, or none
    "$python" -m pytest -q $parallel -p no:cacheprovider --rootdir=. tests scenarios || status=1
    wait $beside || status=1
    cat "$log"
    grep -q "^ok" "$log" && printf '%s passed, %s failed\n' "$(grep -c '^ok' "$log")" "$(grep -c '^not ok' "$log")"
    exit $status
}

# tool NAME COMMAND...: runs a check; skipped with a reason where its tool is missing, but never in CI.
tool() {
    name=$1
    shift
    if ! has "$1"; then
        [ -n "${CI:-}" ] && { echo "lint: $name: $1 is missing" && failed=1; } || echo "lint: $name: skipped, $1 is not installed"
        return
    fi
    if "$@"; then echo "lint: $name: fine"; else failed=1 && echo "lint: $name: see above"; fi
}

run_lint() {
    failed=0
    flags="-std=c11 -D_POSIX_C_SOURCE=200809L -Icommon"
    # shellcheck disable=SC2046,SC2086  # file names here have no blanks
    {
        tool format clang-format --dry-run --Werror $(find scenarios common tests -name '*.[ch]')
        tool tidy clang-tidy --quiet $(find scenarios common -name '*.c') -- $flags
        tool cppcheck cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
            --suppress=missingIncludeSystem --suppress=legacyUninitvar -Icommon scenarios common
        tool shell shellcheck --severity=warning $(find tests .ci -name '*.sh' -o -name '*.bats' -o -name '*.bash' -o -path .ci/run)
        python=$(for p in "${PYTHON:-python3}" /usr/bin/python3; do "$p" -c 'import pyflakes' 2>/dev/null && echo "$p" && break; done)
        tool python "${python:-pyflakes3}" -m pyflakes harness tests
        tool types mypy --no-error-summary --cache-dir="$build/mypy" --config-file=harness/mypy.ini harness
    }
    exit $failed
}

case ${1:-} in
test) run_tests ;;
lint) run_lint ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
