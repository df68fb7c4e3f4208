# Shared by the bats files. A clone of this working tree, uncommitted changes included, in the test file's own folder.

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

fresh_clone() {
    git -c safe.directory='*' clone -q "$ROOT" "$1"
    # What is not committed yet counts too, so that a test tells about the tree as it is.
    (cd "$ROOT" && git -c safe.directory='*' ls-files -z --cached --others --exclude-standard | xargs -0 -I{} sh -c '[ -e "$1" ] && printf "%s\0" "$1"' _ {}) |
        (cd "$ROOT" && xargs -0 cp --parents -t "$1")
    # make passes its own settings on to what it runs; a learner's shell has none of them.
    unset MAKEFLAGS MFLAGS MAKELEVEL BUILD SCENARIOS SANITIZE WERROR
}

# Runs as a user who is not root, where we are root.
ordinary() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent "$@"
    else
        "$@"
    fi
}
