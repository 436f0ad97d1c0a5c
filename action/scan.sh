#!/usr/bin/env bash
# Scans for action.yml what is new to the job. Told by KEYSWEEP (the binary), _PATH, _ARGS, _ANNOTATIONS and _SARIF, see action.yml; says
# in outputs how it ended and where the SARIF report is, and exits as keysweep does.
set -euo pipefail

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
echo "exit-code=$code" >>"$GITHUB_OUTPUT"
if [ -n "${KEYSWEEP_SARIF:-}" ] && [ -s "$KEYSWEEP_SARIF" ]; then
    echo "sarif-file=$KEYSWEEP_SARIF" >>"$GITHUB_OUTPUT"
fi
exit "$code"
