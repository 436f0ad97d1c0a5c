#!/usr/bin/env bash
# Scans for action.yml what is new to the job. Told by KEYSWEEP (the binary), _PATH, _ARGS, _ANNOTATIONS and _SARIF, see action.yml; says
# in outputs how it ended and where the SARIF report is, and exits as keysweep does.
set -euo pipefail

# Ends as keysweep does when something could not be read or done.
fail() {
    echo "::error title=keysweep could not read or do everything::$1"
    echo "exit-code=$2" >>"$GITHUB_OUTPUT"
    exit "$2"
}

# Whoever sends a change may have put a report of their own there, or a link to somewhere else.
if [ -n "${KEYSWEEP_SARIF:-}" ] && ! rm -f -- "$KEYSWEEP_SARIF"; then
    fail "there is something in the place of the SARIF report that can't be removed; give the input sarif-file another name" 2
fi

arguments=(scan --ci)
if [ "${KEYSWEEP_ANNOTATIONS:-true}" = true ]; then
    arguments+=(--format github)
fi
if [ -n "${KEYSWEEP_SARIF:-}" ]; then
    arguments+=(-o "$KEYSWEEP_SARIF")
fi
# Words of the user, not patterns of files.
set -f
# shellcheck disable=SC2206
arguments+=(${KEYSWEEP_ARGS:-})
set +f

code=0
"$KEYSWEEP" "${arguments[@]}" -- "${KEYSWEEP_PATH:-.}" || code=$?
if [ -n "${KEYSWEEP_SARIF:-}" ] && [ -s "$KEYSWEEP_SARIF" ]; then
    echo "sarif-file=$KEYSWEEP_SARIF" >>"$GITHUB_OUTPUT"
fi
if [ "$code" -gt 1 ]; then
    fail "the log of this step tells what; exit code $code" "$code"
fi
echo "exit-code=$code" >>"$GITHUB_OUTPUT"
exit "$code"
