import { version } from "../../package.json" with { type: "json" };
import { type App, parseAppName } from "../app/app.ts";
import { withTurn } from "../app/locks.ts";
import { type Paths, pathsOf } from "../app/paths.ts";
import { liveNumber, liveRelease } from "../app/releases.ts";
import type { Host } from "../host/host.ts";
import { isDiskFull } from "../host/space.ts";
import { findTool } from "../host/tools.ts";
import { madeBy } from "../repository/checkout.ts";
import { isCommit } from "../repository/commit.ts";
import { commitOf } from "../repository/worktree.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { keysFile, parseKeyLines } from "./keys.ts";

/** What a backup says of itself, in `piku.json`, its first member. */
export interface Manifest {
  format: 1;
  /** The piku that wrote it, and when (ISO 8601). */
  piku: string;
  created: string;
  /**
   * Whether it has what belongs to no app: settings of all apps, keys, plugins, accounts of
   * authorities.
   */
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

const stagesOf = ({ root }: Paths) => `${root}/.backup`;

/**
 * A folder of its own for somebody who makes or reads a backup; gone in the end. Each process has
 * one, so that nobody waits for a client that sends or reads nothing. A key that is bound to apps
 * has one for each of them (`typed`), so that it cannot fill the disk with any number of them.
 */
export function withStage<T>(
  host: Host,
  typed: string | undefined,
  action: (stage: string) => T,
): T {
  const paths = pathsOf(host);
  // A client that goes away must not leave its rubbish behind.
  host.persist();
  const isBound = host.env().PIKU_KEY_APPS !== undefined && typed !== undefined;
  const stage = `${stagesOf(paths)}/${isBound ? `app.${parseAppName(typed)}` : `call.${host.pid}`}`;
  const lock = withTurn(host, paths, "backup", undefined, "", () => {
    dropStages(host, paths);
    if (host.stat(stage))
      throw new PikuError(
        `another backup or restore of app '${typed}' is under way`,
        "wait for it, or end it at its other end",
      );
    host.mkdir(`${stage}/files`, 0o700);
    return host.lock(`${stage}/lock`);
  });
  try {
    return action(stage);
  } finally {
    host.remove(`${stage}/files`);
    lock?.release();
    dropStage(host);
  }
}

/** Removes what a power cut, or the end of a process, left of backups and restores. */
export const dropStage = (host: Host) =>
  withTurn(host, pathsOf(host), "backup", undefined, "", () => dropStages(host, pathsOf(host)));

function dropStages(host: Host, paths: Paths): void {
  for (const name of host.list(stagesOf(paths))) {
    const stage = `${stagesOf(paths)}/${name}`;
    const lock = host.stat(stage)?.type === "directory" ? host.lock(`${stage}/lock`) : undefined;
    if (!lock && host.stat(`${stage}/lock`)) continue;
    host.remove(stage);
    lock?.release();
  }
  if (host.list(stagesOf(paths)).length === 0) host.remove(stagesOf(paths));
}

/*
 * Ends the program whose id is in the file `mover` once it has moved nothing for so many seconds: a client that has vanished, or
 * wants to be in the way. Its own output is nobody's, or whoever asked would wait for its last sleep.
 */
const patience = "120";
const watching = `
watch() {
  was=
  while sleep "$patience"; do
    is=$(cat "/proc/$(cat "$stage/mover")/io") || exit
    if [ "$is" = "$was" ]; then
      : >"$stage/idle"
      # Of this one the shell says nothing.
      kill -s PIPE "$(cat "$stage/mover")"
    fi
    was=$is
  done
}
watch </dev/null >/dev/null 2>&1 &
watcher=$!
`;

function refuseIdle(host: Host, stage: string, did: "read" | "sent"): void {
  if (host.stat(`${stage}/idle`))
    throw new PikuError(
      `the other end has ${did} nothing for ${patience} seconds`,
      did === "sent"
        ? "nothing was restored; try again"
        : "the backup is not whole: do not keep it",
    );
}

const writing = `
set -e
mkfifo "$stage/copy"
sha256sum <"$stage/copy" >"$stage/sum" &
summing=$!
${watching}
{
  { tar -cS --ignore-failed-read -C "$stage/files" "$@" -C "$root" --no-recursion --null --verbatim-files-from -T "$stage/list" \\
      2>"$stage/errors" || [ $? = 1 ] || echo tar >"$stage/failed"
  } | gzip || echo gzip >"$stage/failed"
} | sh -c 'echo $$ >"$stage/mover"; exec tee "$stage/copy"' || echo tee >"$stage/failed"
kill "$watcher" || :
wait "$summing"
if grep -vE 'No such file or directory$|file changed as we read it$|File removed before we read it$|File shrank|: Exiting' "$stage/errors" >&2
then exit 1; fi
[ ! -e "$stage/failed" ] && printf '${seal("%s")}' "$(cut -c -64 "$stage/sum")"
`;

/**
 * Writes a backup of these apps to stdout; `board`: and of what belongs to no app. Throws when
 * anything could not be read, and also behind a whole backup in which a SQLite file may be half
 * written.
 */
export function writeBackup(host: Host, apps: readonly App[], board: boolean): void {
  const paths = pathsOf(host);
  const python = findTool(host, "python3");
  if (!python)
    throw new PikuError(
      "a backup needs python3, for SQLite",
      "on the server: sudo apt install python3",
    );
  const only = apps.length === 1 && !board ? apps[0]!.name : undefined;
  withStage(host, only, (stage) => {
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
    const odd = listFiles(host, stage, python, apps, board);
    const members = [
      "piku.json",
      ...host.list(`${stage}/files`).filter((name) => name !== "piku.json"),
    ];
    const env = { ...host.env(), LC_ALL: "C", stage, root: paths.root, patience };
    const status = host.run(["sh", "-c", writing, "sh", ...members], { env });
    refuseIdle(host, stage, "read");
    if (status !== 0) throw new PikuError("the backup is not whole: do not keep it");
    if (odd.length > 0)
      throw new PikuError(
        `the backup is whole, but what looks like SQLite's is none or busy, and taken as it is: ${odd.join(", ")}`,
        "stop the app, or remove what is none, and make another",
      );
  });
}

/**
 * What is read of an app's records. What is damaged is told, and must not keep the whole board from
 * its backup.
 */
function salvage<T>(host: Host, what: string, read: () => T): T | undefined {
  try {
    return read();
  } catch {
    host.complain(`Warning: ${what} is damaged; it is taken as it is.`);
    return undefined;
  }
}

/**
 * Puts what is small, and changes only by being replaced, aside as it is now: by links, which take
 * no room.
 */
function keep(host: Host, paths: Paths, stage: string, names: readonly string[]): void {
  const there = names.filter((name) => host.stat(`${paths.root}/${name}`));
  if (there.length === 0) return;
  const copy = (how: string) =>
    host.capture(["cp", how, "--parents", "--", ...there, `${stage}/files`], { cwd: paths.root });
  // A hard link does not reach over to another file system. What is itself a symbolic link is
  // followed.
  const ran = copy("-alHf").status === 0 ? undefined : copy("-aHf");
  if (ran && ran.status !== 0)
    throw new PikuError(`files could not be read: ${ran.stderr.trim().split("\n").at(-1)}`);
}

function snapshot(host: Host, app: App, stage: string): Manifest["apps"][number] {
  const { name, paths } = app;
  const records = host
    .list(app.releases)
    .filter((file) => /^(\d+\.(json|log|ENV)|live|stopped)$/.test(file));
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
  const live = salvage(host, `the live release's record of app '${name}'`, () =>
    liveRelease(host, app),
  );
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
 * build made (perhaps for another processor), and those of git's that the app has changed; of one that git cannot read, all.
 */
const listing = `
import json, os, shutil, sqlite3, stat, subprocess, sys, time
from urllib.parse import quote
asked = json.load(sys.stdin.buffer)
root, files = os.fsencode(asked["root"]), os.fsencode(asked["files"])
found, unreadable, odd, damaged = [], [], [], []
show = lambda paths: [os.fsdecode(path).encode("utf-8", "replace").decode() for path in paths[:5]]

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
    argv = [*asked["git"], "-C", tree, *words, "-z"]
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_CEILING_DIRECTORIES": os.path.dirname(tree)}
    out = subprocess.run(argv, stdout=subprocess.PIPE, check=True, env=env).stdout
    return [name for name in out.split(b"\\0") if name]

# Names below a work tree, and below its submodules, that are the app's own.
def written(path):
    full = root + b"/" + path
    if not os.path.lexists(full + b"/.git"):
        return os.listdir(full) if os.path.isdir(full) else []
    try:
        # By their content, since a deploy touches files.
        names = git(full, "diff", "--name-only", "--no-ext-diff", "--no-renames", "--ignore-submodules", "--diff-filter=MT")
        names += git(full, "ls-files", "--others", "--directory")
        modules = [entry.split(b"\\t", 1)[1] for entry in git(full, "ls-files", "--stage") if entry.startswith(b"160000 ")]
    except subprocess.CalledProcessError:
        damaged.append(path)
        return [name for name in os.listdir(full) if name != b".git"]
    modules = [name for name in modules if not os.path.islink(full + b"/" + name)]
    return names + [module + b"/" + name for module in modules for name in written(path + b"/" + module)]

for tree in asked["trees"]:
    path = os.fsencode(tree["path"])
    made = {os.fsencode(name): (size, int(modified / 1000)) for name, size, modified in tree["made"]}
    start = len(found)
    for name in written(path):
        walk(path + b"/" + name.rstrip(b"/"))
    def own(file):
        now = os.lstat(root + b"/" + file)
        was = made.get(file[len(path) + 1:])
        return not was or not stat.S_ISLNK(now.st_mode) and (now.st_size, int(now.st_mtime)) != was
    found[start:] = filter(own, found[start:])
for folder in asked["folders"]:
    walk(os.fsencode(folder), True)
if unreadable:
    sys.exit("%s; give it back to piku's user (sudo chown), or a link its disk" % ", ".join(map(repr, show(unreadable))))

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
        except (sqlite3.Error, TimeoutError) as error:
            reason = str(error)
            for ending in b"", b"-wal", b"-shm", b"-journal":
                if os.path.exists(to + ending):
                    os.remove(to + ending)
    # SQLite's words for a full disk, and for one that is broken.
    if "disk" in reason:
        sys.exit("%r could not be copied: %s" % (show([path])[0], reason))
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
print(json.dumps({"odd": show(odd), "damaged": show(damaged)}))
`;

/**
 * Writes the list for tar, and SQLite's files into the stage; the names of those that SQLite could
 * not copy.
 */
function listFiles(
  host: Host,
  stage: string,
  python: string,
  apps: readonly App[],
  board: boolean,
): string[] {
  const paths = pathsOf(host);
  const own = ["plugins", "hooks", "acme"];
  const asked = {
    root: paths.root,
    files: `${stage}/files`,
    list: `${stage}/list`,
    git: ["git", "--no-replace-objects", "-c", "core.hooksPath=/dev/null"],
    trees: apps
      .filter(({ tree }) => host.stat(`${tree}/.`)?.type === "directory")
      .map((app) => ({
        path: `apps/${app.name}`,
        made:
          salvage(host, `the list of what a build made for app '${app.name}'`, () =>
            madeBy(host, app, liveNumber(host, app)).map((one) => [
              one.name,
              one.size,
              one.modified,
            ]),
          ) ?? [],
      })),
    folders: [
      ...apps.filter(({ data }) => host.stat(data)).map(({ name }) => `data/${name}`),
      ...(board ? own.filter((name) => host.stat(`${paths.root}/${name}`)) : []),
    ],
  };
  const ran = host.capture([python, "-c", listing], { input: JSON.stringify(asked) });
  if (ran.status !== 0)
    throw new PikuError(`files could not be read: ${ran.stderr.trim().split("\n").at(-1)}`);
  const { odd, damaged } = JSON.parse(ran.stdout) as Record<"odd" | "damaged", string[]>;
  for (const name of damaged)
    host.complain(`Warning: git cannot read '${name}'; all of its files are taken.`);
  return odd;
}

const reading = `
cd "$stage" && mkfifo whole end || exit
[ -z "$file" ] || exec <"$file"
head -c -${sealed} <whole | sha256sum >sum & summing=$!
tail -c ${sealed} <end >seal & sealing=$!
${watching}
sh -c 'echo $$ >mover; exec tee whole end' | tar -xzp --no-same-owner -C files "$@" 2>errors
status=$?
kill "$watcher"
wait "$summing" "$sealing"
# Nobody is to become somebody else by what a stranger packed.
find files -type f -perm /6000 -exec chmod ug-s -- {} + || status=1
own='files/((apps|data)/[^/]+|plugins|hooks|acme)/.+'
kept='files/((repos|envs|releases)/[^/]+/.+|(nginx|sockets)/[^/]+|piku\\.json|ENV|authorized_keys)'
find files -regextype posix-extended ! -type d ! \\( -type f -regex "$own|$kept" \\) ! \\( -type l -regex "$own" \\) \\
  -print -quit >strange || status=1
exit $status
`;

/**
 * Reads a backup from stdin, or from a file, into `stage`, and checks that it is whole. `member`:
 * unpacks nothing but this. Throws when it is cut short, damaged or something else: it may come
 * from anybody, so nothing but what a backup has may be in it, and links only among the files of
 * apps.
 */
export function readBackup(host: Host, stage: string, file = "", ...member: string[]): Manifest {
  const env = { ...host.env(), LC_ALL: "C", stage, file, patience };
  const status = host.run(["sh", "-c", reading, "sh", ...member], { env });
  refuseIdle(host, stage, "sent");
  const sum = /piku backup 1 sha256 ([0-9a-f]{64})/.exec(host.read(`${stage}/seal`) ?? "")?.[1];
  const about = `${stage}/files/piku.json`;
  const content = host.stat(about)?.type === "file" ? host.read(about) : undefined;
  const errors = host.readFrom(`${stage}/errors`, 0, true, 64 * 1024).text;
  const complaint = errors.trim().split("\n")[0];
  const isWhole = status === 0 && sum !== undefined && host.read(`${stage}/sum`)?.startsWith(sum);
  // A full disk may have no room for what tar says of it.
  if (!isWhole && (/No space left|quota/.test(errors) || isDiskFull(host, pathsOf(host).root)))
    throw new PikuError(
      "the server's disk has no room for it",
      "make room and try again; nothing was restored",
    );
  if (content === undefined)
    throw new PikuError(
      "this is no backup of piku's",
      complaint || "e.g.: ssh piku@host restore <backup.tar.gz",
    );
  if (!isWhole)
    throw new PikuError(
      "the backup is cut short or damaged",
      complaint || "its checksum is not that of its content",
    );
  const manifest = parseManifest(content);
  const strange = host.read(`${stage}/strange`)?.slice("files/".length).trimEnd();
  if (strange)
    throw new PikuError(
      `the backup has what piku puts into none: '${printable(strange)}'`,
      notOurs,
    );
  return manifest;
}

const notOurs = "somebody else made it or changed it; nothing was restored";

/** Reads `piku.json`. Throws for what piku never wrote. */
export function parseManifest(content: string): Manifest {
  let manifest: Manifest | undefined;
  try {
    manifest = JSON.parse(content) as Manifest;
  } catch {
    // Told below.
  }
  if (Number(manifest?.format) > 1)
    throw new PikuError("the backup was made by a newer piku", "update this one");
  const apps = Array.isArray(manifest?.apps) ? manifest.apps : [undefined];
  const texts = [
    manifest?.created,
    ...apps.flatMap((app) => [app?.name, app?.commit ?? "", app?.branch ?? ""]),
  ];
  if (
    !texts.every((text) => typeof text === "string") ||
    !apps.every((app) => !app?.commit || isCommit(app.commit))
  )
    throw new PikuError("the backup's piku.json is damaged", notOurs);
  return manifest!;
}
