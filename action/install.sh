#!/usr/bin/env bash
# Installs keysweep for action.yml: a release's binary whose SHA-256 is right, or else the action's own source, built with cargo.
# Told by KEYSWEEP_VERSION, _SHA256, _REPOSITORY, _REF and _TOKEN, see action.yml; the path of the binary is the output `keysweep`.
#
# A release has for each target `keysweep-TARGET.tar.gz`, with `keysweep` in it, and `keysweep-TARGET.tar.gz.sha256` beside it.
set -euo pipefail

fail() {
    echo "::error title=keysweep could not be installed::$1"
    exit 2
}

target() {
    case "${RUNNER_OS:-}-${RUNNER_ARCH:-}" in
        Linux-X64) echo x86_64-unknown-linux-gnu ;;
        Linux-ARM64) echo aarch64-unknown-linux-gnu ;;
        macOS-X64) echo x86_64-apple-darwin ;;
        macOS-ARM64) echo aarch64-apple-darwin ;;
        *) return 1 ;;
    esac
}

# The token goes in by standard input: arguments can be seen by every process of the machine.
download() {
    local url=$1 to=$2
    if [ -n "${KEYSWEEP_TOKEN:-}" ] && [[ $url == https://* ]]; then
        printf 'header = "Authorization: Bearer %s"\n' "$KEYSWEEP_TOKEN" |
            curl --fail --silent --show-error --location --retry 3 --config - --output "$to" "$url"
    else
        curl --fail --silent --show-error --location --retry 3 --output "$to" "$url"
    fi
}

digest() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

release() {
    local target archive url wanted found
    target=$(target) || return 1
    archive="keysweep-$target.tar.gz"
    url="${GITHUB_SERVER_URL:-https://github.com}/$KEYSWEEP_REPOSITORY/releases/download/$version/$archive"
    download "$url" "$directory/$archive" || return 1
    wanted=${KEYSWEEP_SHA256:-}
    if [ -z "$wanted" ]; then
        download "$url.sha256" "$directory/$archive.sha256" ||
            fail "the release $version has $archive and no $archive.sha256: give the input sha256"
        wanted=$(cut -d ' ' -f 1 "$directory/$archive.sha256")
    fi
    found=$(digest "$directory/$archive")
    # From here on there is no way back to another binary: what is wrong must be seen.
    [ "$(tr A-F a-f <<<"$wanted")" = "$found" ] || fail "the SHA-256 of $url is $found and should be $wanted"
    tar -xzf "$directory/$archive" -C "$directory" keysweep
}

source_build() {
    command -v cargo >/dev/null ||
        fail "there is no release '$version' of '$KEYSWEEP_REPOSITORY' for ${RUNNER_OS:-this system} and no cargo to build one with; name another version, or install Rust before this step"
    cargo install --locked --quiet --path "$GITHUB_ACTION_PATH" --root "$directory/built"
    mv "$directory/built/bin/keysweep" "$directory/keysweep"
}

directory=$(mktemp -d "${RUNNER_TEMP:-/tmp}/keysweep.XXXXXX")
version=${KEYSWEEP_VERSION:-${KEYSWEEP_REF:-}}
if [ "$version" = source ] || [ -z "$version" ] || [ -z "${KEYSWEEP_REPOSITORY:-}" ] || ! release; then
    # Who names a digest wants that binary and no other.
    [ -z "${KEYSWEEP_SHA256:-}" ] || fail "the release '$version' that should have the SHA-256 $KEYSWEEP_SHA256 was not found"
    source_build
fi
"$directory/keysweep" --version
echo "keysweep=$directory/keysweep" >>"$GITHUB_OUTPUT"
