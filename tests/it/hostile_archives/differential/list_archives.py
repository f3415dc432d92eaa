"""Lists tar archives as other readers see them: Python's tarfile, GNU tar, bsdtar.

    list_archives.py FOLDER

Prints one JSON object: {archive: {reader: {path: [size, sha256]}}}, or in the
place of a listing the text of what the reader refused.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor


def entry(content):
    return [len(content), hashlib.sha256(content).hexdigest()]


def cleaned(path):
    return path.removeprefix("./")


def by_tarfile(archive):
    listing = {}
    with tarfile.open(archive, "r:", encoding="utf-8") as tar:
        for member in tar:
            if not member.isreg():
                continue
            path = cleaned(member.name)
            if path in listing:
                return f"{path} is there twice"
            listing[path] = entry(tar.extractfile(member).read())
            if listing[path][0] != member.size:
                return f"{path} ends too early"
    return listing


def by_extracting(tool, archive):
    """Both tools are alike in the options that keep this quiet about owners and times."""
    with tempfile.TemporaryDirectory() as out:
        options = ["-m", "--no-same-owner", "--no-same-permissions"]
        done = subprocess.run(
            [tool, "-xf", archive, "-C", out, *options],
            capture_output=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        listing = {}
        for folder, folders, files in os.walk(out):
            for name in folders:
                os.chmod(os.path.join(folder, name), 0o700)
            for name in files:
                path = pathlib.Path(folder, name)
                if path.is_symlink() or not path.is_file():
                    return f"{path} is no file"
                path.chmod(0o600)
                listing[str(path.relative_to(out))] = entry(path.read_bytes())
        return listing if done.returncode == 0 else done.stderr.decode(errors="replace")


def listings(archive):
    try:
        in_python = by_tarfile(archive)
    except tarfile.TarError as error:
        in_python = str(error)
    tools = {tool: by_extracting(tool, archive) for tool in ("tar", "bsdtar")}
    return archive.stem, {"tarfile": in_python, **tools}


def main():
    archives = sorted(pathlib.Path(sys.argv[1]).glob("*.tar"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        print(json.dumps(dict(pool.map(listings, archives))))


main()
