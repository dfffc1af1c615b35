import { version } from "../package.json" with { type: "json" };
import type { App } from "./app.ts";
import { PikuError } from "./errors.ts";
import { commitOf } from "./git.ts";
import type { Host } from "./host/host.ts";
import { withTurn } from "./locks.ts";
import { type Paths, pathsOf } from "./paths.ts";
import { liveRelease } from "./releases.ts";
import { keysFile, parseKeyLines } from "./ssh.ts";
import { findTool } from "./tools.ts";
import { madeBy } from "./tree.ts";

/** What a backup says of itself, in `piku.json`, its first member. */
export interface Manifest {
  format: 1;
  /** The piku that wrote it, and when (ISO 8601). */
  piku: string;
  created: string;
  /** Whether it has what belongs to no app: settings of all apps, keys, plugins, accounts of authorities. */
  board: boolean;
  /** The apps, with the commit that was live; one that was never deployed has none. */
  apps: { name: string; commit?: string; branch?: string }[];
}

/*
 * The file is a gzipped tar, so that tar alone can read it, and behind it an empty gzip member whose comment (RFC 1952)
 * holds the SHA-256 of all the bytes before: whoever cuts the file short loses it. All of it passes through pipes, since
 * a board has little memory, and perhaps no room for a second copy.
 */
const seal = (sum: string) =>
  `\\037\\213\\010\\020\\0\\0\\0\\0\\0\\003piku backup 1 sha256 ${sum}\\0\\003\\0${"\\0".repeat(8)}`;
const sealed = 106;

const stageOf = ({ root }: Paths) => `${root}/.backup`;

/** A folder of its own for somebody who makes or reads a backup; gone in the end. One at a time has it. */
export function withStage<T>(host: Host, action: (stage: string) => T): T {
  const paths = pathsOf(host);
  // A client that goes away must not leave its rubbish behind.
  host.persist();
  const done = alone(host, paths, () => {
    try {
      host.mkdir(`${stageOf(paths)}/files`, 0o700);
      return { result: action(stageOf(paths)) };
    } finally {
      host.remove(stageOf(paths));
    }
  });
  if (!done) throw new PikuError("another backup or restore is under way", "wait for it, or end it at its other end");
  return done.result;
}

/** Removes what a power cut left of a backup or restore, unless somebody is at it. */
export const dropStage = (host: Host) => void alone(host, pathsOf(host), () => {});

function alone<T>(host: Host, paths: Paths, action: () => T): T | undefined {
  host.mkdir(paths.locks, 0o700);
  const lock = host.lock(`${paths.locks}/backup`);
  if (!lock) return undefined;
  try {
    host.remove(stageOf(paths));
    return action();
  } finally {
    lock.release();
  }
}

const writing = `
set -e
mkfifo "$stage/copy"
sha256sum <"$stage/copy" >"$stage/sum" &
{
  { tar -c --ignore-failed-read -C "$stage/files" "$@" -C "$root" --no-recursion --null --verbatim-files-from -T "$stage/list" \\
      2>"$stage/errors" || [ $? = 1 ] || echo tar >"$stage/failed"
  } | gzip || echo gzip >"$stage/failed"
} | tee "$stage/copy" || echo tee >"$stage/failed"
wait
if grep -vE 'No such file or directory$|file changed as we read it$|File removed before we read it$|File shrank|: Exiting' "$stage/errors" >&2
then exit 1; fi
[ ! -e "$stage/failed" ] && printf '${seal("%s")}' "$(cut -c -64 "$stage/sum")"
`;

/** Writes a backup of these apps to stdout; `board`: and of what belongs to no app. Throws when anything could not be read. */
export function writeBackup(host: Host, apps: readonly App[], board: boolean): void {
  const paths = pathsOf(host);
  const python = findTool(host, "python3");
  if (!python) throw new PikuError("a backup needs python3, for SQLite", "on the server: sudo apt install python3");
  withStage(host, (stage) => {
    const manifest: Manifest = {
      format: 1,
      piku: version,
      created: new Date(host.now()).toISOString(),
      board,
      apps: apps.map((app) => {
        host.complain(`-----> Backing up app '${app.name}'`);
        // As destroying it: neither a deploy nor the move of a branch is half done.
        return withTurn(host, paths, "push", app, "backup", () =>
          withTurn(host, paths, "deploy", app, "backup", () => snapshot(host, app, stage)),
        );
      }),
    };
    if (board) {
      keep(host, paths, stage, ["ENV"]);
      host.write(`${stage}/files/authorized_keys`, ownKeyLines(host), 0o600);
    }
    host.write(`${stage}/files/piku.json`, `${JSON.stringify(manifest, null, 1)}\n`);
    listFiles(host, paths, stage, python, apps, board);
    const members = ["piku.json", ...host.list(`${stage}/files`).filter((name) => name !== "piku.json")];
    const env = { ...host.env(), LC_ALL: "C", stage, root: paths.root };
    if (host.run(["sh", "-c", writing, "sh", ...members], { env }) !== 0)
      throw new PikuError("the backup is not whole: do not keep it");
  });
}

/** Puts what is small, and changes only by being replaced, aside as it is now: by links, which take no room. */
function keep(host: Host, paths: Paths, stage: string, names: readonly string[]): void {
  const there = names.filter((name) => host.stat(`${paths.root}/${name}`));
  if (there.length === 0) return;
  const copy = (how: string) =>
    host.capture(["cp", how, "--parents", "--", ...there, `${stage}/files`], { cwd: paths.root });
  // A link does not reach over to another file system.
  const ran = copy("-alf").status === 0 ? undefined : copy("-af");
  if (ran && ran.status !== 0) throw new PikuError(`files could not be read: ${ran.stderr.trim().split("\n").at(-1)}`);
}

function snapshot(host: Host, app: App, stage: string): Manifest["apps"][number] {
  const { name, paths } = app;
  const records = host.list(app.releases).filter((file) => /^(\d+\.(json|log|ENV)|live|stopped)$/.test(file));
  keep(host, paths, stage, [
    `repos/${name}`,
    `envs/${name}/ENV`,
    `envs/${name}/SCALING`,
    ...records.map((file) => `releases/${name}/${file}`),
    `nginx/${name}.crt`,
    `nginx/${name}.key`,
    `sockets/${name}.html`,
  ]);
  // They name this board's paths, and are written anew.
  host.remove(`${stage}/files/repos/${name}/hooks`);
  const live = liveRelease(host, app);
  return { name, commit: live?.commit ?? commitOf(host, app.tree), branch: live?.branch };
}

/** The key lines that piku wrote: a login of this board is no login of another. */
function ownKeyLines(host: Host): string {
  const content = host.read(keysFile(host)) ?? "";
  const lines = content.split("\n");
  return parseKeyLines(content)
    .filter(({ access }) => access)
    .map(({ at }) => `${lines[at]}\n`)
    .join("");
}

/*
 * Lists the files to be read in their place, and copies SQLite's: those must not be read while somebody writes, and are
 * known by their first bytes. Of a work tree it takes what is the app's own: files that git does not have, less what a
 * build made (perhaps for another processor), and those of git's that the app has changed.
 */
const listing = `
import json, os, shutil, sqlite3, stat, subprocess, sys, time
from urllib.parse import quote
asked = json.load(sys.stdin.buffer)
root, files = os.fsencode(asked["root"]), os.fsencode(asked["files"])
found, unreadable, odd = [], [], []

def walk(path):
    full = root + b"/" + path
    try:
        mode = os.lstat(full).st_mode
        if stat.S_ISDIR(mode):
            names = sorted(os.listdir(full))
            found.append(path)
            for name in names:
                walk(path + b"/" + name)
        elif stat.S_ISLNK(mode) or stat.S_ISREG(mode) and os.access(full, os.R_OK):
            found.append(path)
        elif stat.S_ISREG(mode):
            unreadable.append(path)
    except PermissionError:
        unreadable.append(path)
    except FileNotFoundError:
        pass

def git(tree, *words):
    argv = [*asked["git"], "-C", tree, *words, "-z"]
    out = subprocess.run(argv, stdout=subprocess.PIPE, check=True, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"}).stdout
    return [name for name in out.split(b"\\0") if name]

for tree in asked["trees"]:
    path = os.fsencode(tree["path"])
    full = root + b"/" + path
    made = {os.fsencode(name): (size, int(modified / 1000)) for name, size, modified in tree["made"]}
    start = len(found)
    names = os.listdir(full)
    if os.path.isdir(full + b"/.git"):
        # By their content, since a deploy touches files.
        changed = git(full, "diff", "--name-only", "--no-ext-diff", "--no-renames", "--ignore-submodules", "--diff-filter=MT")
        names = git(full, "ls-files", "--others", "--directory") + changed
    for name in names:
        walk(path + b"/" + name.rstrip(b"/"))
    def own(file):
        now = os.lstat(root + b"/" + file)
        was = made.get(file[len(path) + 1:])
        return not was or not stat.S_ISLNK(now.st_mode) and (now.st_size, int(now.st_mtime)) != was
    found[start:] = filter(own, found[start:])
for folder in asked["folders"]:
    walk(os.fsencode(folder))

def copy(path):
    full, to = root + b"/" + path, files + b"/" + path
    os.makedirs(os.path.dirname(to), exist_ok=True)
    end = time.monotonic() + 60
    def patience(*_):
        if time.monotonic() > end:
            raise TimeoutError
    for mode in "ro", "rw":
        try:
            source = sqlite3.connect("file:%s?mode=%s" % (quote(full), mode), uri=True)
            target = sqlite3.connect(os.fsdecode(to))
            source.backup(target, progress=patience)
            target.close()
            source.close()
            shutil.copystat(full, to)
            return True
        except (sqlite3.Error, TimeoutError):
            for ending in b"", b"-wal", b"-shm", b"-journal":
                if os.path.exists(to + ending):
                    os.remove(to + ending)
    odd.append(path)
    return False

skip = set()
for path in found:
    full = root + b"/" + path
    try:
        if stat.S_ISREG(os.lstat(full).st_mode):
            with open(full, "rb") as file:
                if file.read(16) == b"SQLite format 3\\0" and copy(path):
                    skip.update(path + ending for ending in (b"", b"-wal", b"-shm", b"-journal"))
    except FileNotFoundError:
        pass
with open(asked["list"], "wb") as out:
    for path in found:
        if path not in skip:
            out.write(path + b"\\0")
show = lambda paths: [os.fsdecode(path).encode("utf-8", "replace").decode() for path in paths[:5]]
print(json.dumps({"unreadable": show(unreadable), "odd": show(odd)}))
`;

function listFiles(
  host: Host,
  paths: Paths,
  stage: string,
  python: string,
  apps: readonly App[],
  board: boolean,
): void {
  const own = ["plugins", "hooks", "acme"];
  const asked = {
    root: paths.root,
    files: `${stage}/files`,
    list: `${stage}/list`,
    git: ["git", "-c", "core.hooksPath=/dev/null"],
    trees: apps
      .filter(({ tree }) => host.stat(tree)?.type === "directory")
      .map((app) => ({
        path: `apps/${app.name}`,
        made: madeBy(host, app, liveRelease(host, app)?.number).map((one) => [one.name, one.size, one.modified]),
      })),
    folders: [
      ...apps.filter(({ data }) => host.stat(data)).map(({ name }) => `data/${name}`),
      ...(board ? own.filter((name) => host.stat(`${paths.root}/${name}`)) : []),
    ],
  };
  const ran = host.capture([python, "-c", listing], { input: JSON.stringify(asked) });
  if (ran.status !== 0) throw new PikuError(`the files could not be listed: ${ran.stderr.trim().split("\n").at(-1)}`);
  const { unreadable, odd } = JSON.parse(ran.stdout) as { unreadable: string[]; odd: string[] };
  if (unreadable.length > 0)
    throw new PikuError(
      `piku may not read ${unreadable.map((name) => `'${name}'`).join(", ")} below ${paths.root}`,
      "give these files back to its user: sudo chown",
    );
  for (const name of odd)
    host.complain(`Warning: '${name}' looks like SQLite's, but is none or busy; it is taken as it is.`);
}

const reading = `
cd "$stage" && mkfifo whole end || exit
[ -z "$file" ] || exec <"$file"
head -c -${sealed} <whole | sha256sum >sum &
tail -c ${sealed} <end >seal &
tee whole end | tar -xzp --no-same-owner -C files "$@" 2>errors
status=$?
wait
exit $status
`;

/**
 * Reads a backup from stdin, or from a file, into `stage`, and checks that it is whole. `member`: unpacks nothing but
 * this. Throws when it is cut short, damaged or something else.
 */
export function readBackup(host: Host, stage: string, file = "", ...member: string[]): Manifest {
  const env = { ...host.env(), LC_ALL: "C", stage, file };
  const status = host.run(["sh", "-c", reading, "sh", ...member], { env });
  const sum = /piku backup 1 sha256 ([0-9a-f]{64})/.exec(host.read(`${stage}/seal`) ?? "")?.[1];
  const content = host.read(`${stage}/files/piku.json`);
  const complaint = (host.read(`${stage}/errors`) ?? "").trim().split("\n")[0];
  if (content === undefined)
    throw new PikuError("this is no backup of piku's", complaint || "e.g.: ssh piku@host restore <backup.tar.gz");
  if (/No space left/.test(complaint ?? "")) throw new PikuError("the server's disk has no room for it");
  if (status !== 0 || sum === undefined || !host.read(`${stage}/sum`)?.startsWith(sum))
    throw new PikuError("the backup is cut short or damaged", complaint || "its checksum is not that of its content");
  const manifest = JSON.parse(content) as Manifest;
  if (manifest.format !== 1) throw new PikuError(`the backup was made by a newer piku (${manifest.piku})`, "update");
  return manifest;
}
