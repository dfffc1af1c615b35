"""Lists the files that a backup reads in their place, and copies SQLite's.

Those must not be read while somebody writes, and are known by their first bytes. Of a work tree it
takes what is the app's own: files that git does not have, less what a build made (perhaps for
another processor), and those of git's that the app has changed; of one that git cannot read, all.

Reads from stdin, as JSON: `root`; `files`, the folder for copies below it; `list`, the file to
write, names below `root` ended by NUL; `git`, its command line; `trees`, each with its path and
what a build `made` (name, size, modified in milliseconds); `folders` to take whole. Prints, as
JSON, the first few paths that look like SQLite's and could not be copied (`odd`), and the work
trees that git cannot read (`damaged`).
"""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from urllib.parse import quote

asked = json.load(sys.stdin.buffer)
root, files = os.fsencode(asked["root"]), os.fsencode(asked["files"])
found, unreadable, odd, damaged = [], [], [], []
sqlite_endings = b"", b"-wal", b"-shm", b"-journal"
copy_seconds = 60


def shown(paths):
    return [os.fsdecode(path).encode("utf-8", "replace").decode() for path in paths[:5]]


# What is listed itself may be a link to another disk, which has a folder of root's own.
def walk(path, listed=False):
    full = root + b"/" + path
    try:
        mode = (os.stat if listed else os.lstat)(full).st_mode
        if stat.S_ISDIR(mode):
            names = sorted(set(os.listdir(full)) - ({b"lost+found"} if listed else set()))
            found.append(path + b"/." if os.path.islink(full) else path)
            for name in names:
                walk(path + b"/" + name)
        elif stat.S_ISLNK(mode) or stat.S_ISREG(mode) and os.access(full, os.R_OK):
            found.append(path)
        elif stat.S_ISREG(mode):
            unreadable.append(path)
    except PermissionError:
        unreadable.append(path)
    except FileNotFoundError:
        if listed:
            unreadable.append(path)


def git(tree, *words):
    ceiling = os.path.dirname(tree)
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_CEILING_DIRECTORIES": ceiling}
    argv = [*asked["git"], "-C", tree, *words, "-z"]
    out = subprocess.run(argv, stdout=subprocess.PIPE, check=True, env=env).stdout
    return [name for name in out.split(b"\0") if name]


# By their content, since a deploy touches files.
changed = "diff --name-only --no-ext-diff --no-renames --ignore-submodules --diff-filter=MT".split()


# Names below a work tree, and below its submodules, that are the app's own.
def written(path):
    full = root + b"/" + path
    if not os.path.lexists(full + b"/.git"):
        return os.listdir(full) if os.path.isdir(full) else []
    try:
        names = git(full, *changed) + git(full, "ls-files", "--others", "--directory")
        entries = git(full, "ls-files", "--stage")
    except subprocess.CalledProcessError:
        damaged.append(path)
        return [name for name in os.listdir(full) if name != b".git"]
    modules = [entry.split(b"\t", 1)[1] for entry in entries if entry.startswith(b"160000 ")]
    for module in modules:
        if not os.path.islink(full + b"/" + module):
            names += [module + b"/" + name for name in written(path + b"/" + module)]
    return names


def walk_tree(path, made):
    start = len(found)
    for name in written(path):
        walk(path + b"/" + name.rstrip(b"/"))

    def is_own(file):
        now = os.lstat(root + b"/" + file)
        was = made.get(file[len(path) + 1 :])
        return not was or not stat.S_ISLNK(now.st_mode) and (now.st_size, int(now.st_mtime)) != was

    found[start:] = filter(is_own, found[start:])


def copy(path):
    full, to = root + b"/" + path, files + b"/" + path
    os.makedirs(os.path.dirname(to), exist_ok=True)
    end = time.monotonic() + copy_seconds

    def check_time(*_):
        if time.monotonic() > end:
            raise TimeoutError

    for mode in "ro", "rw":
        try:
            source = sqlite3.connect(f"file:{quote(full)}?mode={mode}", uri=True)
            target = sqlite3.connect(os.fsdecode(to))
            source.backup(target, progress=check_time)
            target.close()
            source.close()
            shutil.copystat(full, to)
            return True
        except (sqlite3.Error, TimeoutError) as error:
            reason = str(error)
            for ending in sqlite_endings:
                if os.path.exists(to + ending):
                    os.remove(to + ending)
    # SQLite's words for a full disk, and for one that is broken.
    if "disk" in reason:
        sys.exit(f"{shown([path])[0]!r} could not be copied: {reason}")
    odd.append(path)
    return False


def is_sqlite(path):
    full = root + b"/" + path
    if not stat.S_ISREG(os.lstat(full).st_mode):
        return False
    with open(full, "rb") as file:
        return file.read(16) == b"SQLite format 3\0"


for tree in asked["trees"]:
    made = {os.fsencode(name): (size, int(when / 1000)) for name, size, when in tree["made"]}
    walk_tree(os.fsencode(tree["path"]), made)
for folder in asked["folders"]:
    walk(os.fsencode(folder), True)
if unreadable:
    names = ", ".join(map(repr, shown(unreadable)))
    sys.exit(f"{names}; give it back to piku's user (sudo chown), or a link its disk")

skip = set()
for path in found:
    try:
        if is_sqlite(path) and copy(path):
            skip.update(path + ending for ending in sqlite_endings)
    except FileNotFoundError:
        pass
with open(asked["list"], "wb") as out:
    for path in found:
        if path not in skip:
            out.write(path + b"\0")
print(json.dumps({"odd": shown(odd), "damaged": shown(damaged)}))
