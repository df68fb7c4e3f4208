# Shared by the bats files. A clone of this working tree, uncommitted changes included, in the test file's own folder.

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

fresh_clone() {
    git -c safe.directory='*' clone -q "$ROOT" "$1"
    # What is not committed yet counts too, so that a test tells about the tree as it is.
    (cd "$ROOT" && git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
        xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' _ | xargs -0 cp -p --parents -t "$1")
    # It is committed there: a checkout then writes a file anew only if a test has changed it, and make builds only that.
    git -c safe.directory='*' -C "$1" add --all
    git -c safe.directory='*' -C "$1" -c user.name=lab -c user.email=lab@localhost commit -q --allow-empty --message=clone
    # What Python compiles stays beside the clone's sources, and goes along where they are copied.
    unset PYTHONPYCACHEPREFIX PYTHONDONTWRITEBYTECODE
    # make passes its own settings on to what it runs; a learner's shell has none of them.
    unset MAKEFLAGS MFLAGS MAKELEVEL BUILD SCENARIOS SANITIZE WERROR
}

# Builds the programs of a clone. What is built in this working tree is not built again: make goes by the times, and these came along.
# The harness keeps records there by the places of the files on the disk, and begins new ones.
build_clone() {
    (cd "$ROOT/build" 2>/dev/null && mkdir -p "$1/build" && cp -a .flags libcommon.a common [0-9][0-9]-* "$1/build") 2>/dev/null || true
    rm -f "$1"/build/*/.sources
    make -s -C "$1" -j2
}

# Runs as a user who is not root, where we are root.
ordinary() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent "$@"
    else
        "$@"
    fi
}
