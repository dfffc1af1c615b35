import { version } from "../../../package.json" with { type: "json" };
import type { App } from "../../app/app.ts";
import { keysFile, parseKeyLines } from "../../app/authorized-keys.ts";
import { withLock } from "../../app/locks.ts";
import { type Paths, pathsOf } from "../../app/paths.ts";
import { liveNumber, liveRelease } from "../../app/releases.ts";
import type { Host } from "../../host/host.ts";
import { findTool } from "../../host/tools.ts";
import { madeBy } from "../../repository/build-tree.ts";
import { commitOf } from "../../repository/worktree.ts";
import { must, PikuError } from "../../text/errors.ts";
import listScript from "./list.py" with { type: "text" };
import type { BackupManifest } from "./manifest.ts";
import { idleSeconds, refuseIdle, withStage } from "./stage.ts";
import watchScript from "./watch.sh" with { type: "text" };
import writeScript from "./write.sh" with { type: "text" };

/**
 * Writes a backup of these apps to stdout; `board`: and of what belongs to no app. Throws when
 * anything could not be read, and also after a whole backup in which a SQLite file may be half
 * written.
 *
 * The file is a gzipped tar, so that tar alone can read it, and after it an empty gzip member whose
 * comment (RFC 1952), the seal, holds the SHA-256 of all the bytes before: a file that was cut
 * short has lost it. All of it passes through pipes, since a board has little memory, and perhaps
 * no room for a second copy.
 */
export function writeBackup(host: Host, apps: readonly App[], board: boolean): void {
  const python = findTool(host, "python3");
  if (!python)
    throw new PikuError(
      "a backup needs python3, for SQLite",
      "on the server: sudo apt install python3",
    );
  const only = apps.length === 1 && !board ? apps[0]!.name : undefined;
  withStage(host, only, (stage) => {
    const paths = pathsOf(host);
    writeManifest(host, stage, apps, board);
    if (board) {
      hardLink(host, paths, stage, ["ENV"]);
      host.write(`${stage}/files/authorized_keys`, ownKeyLines(host), 0o600);
    }
    const odd = listFiles(host, stage, python, apps, board);
    sendArchive(host, stage, paths);
    if (odd.length > 0)
      throw new PikuError(
        `the backup is whole, but it has files that look like SQLite databases and are busy or damaged, as they are: ${odd.join(", ")}`,
        "stop the app, or remove what is not a database, and make another",
      );
  });
}

/** Puts aside what is small of each app, and writes `piku.json`. */
function writeManifest(host: Host, stage: string, apps: readonly App[], board: boolean): void {
  const manifest: BackupManifest = {
    format: 1,
    piku: version,
    created: new Date(host.now()).toISOString(),
    board,
    apps: apps.map((app) => {
      host.sayError(`-----> Backing up app '${app.name}'`);
      // As when destroying it: neither a deploy nor the move of a branch is half done.
      return withLock(host, app.paths, "push", app, "backup", () =>
        withLock(host, app.paths, "deploy", app, "backup", () => snapshot(host, app, stage)),
      );
    }),
  };
  host.write(`${stage}/files/piku.json`, `${JSON.stringify(manifest, null, 1)}\n`);
}

/** Sends all that was put aside and listed to stdout, `piku.json` first. */
function sendArchive(host: Host, stage: string, { root }: Paths): void {
  const aside = host.list(`${stage}/files`).filter((name) => name !== "piku.json");
  const env = { ...host.env(), LC_ALL: "C", stage, root, patience: idleSeconds };
  const script = watchScript + writeScript;
  const status = host.run(["sh", "-c", script, "sh", "piku.json", ...aside], { env });
  refuseIdle(host, stage, "read");
  if (status !== 0) throw new PikuError("the backup is not whole: do not keep it");
}

/**
 * What `read` gives of an app's records. A damaged record is warned of, and must not keep the whole
 * board from its backup.
 */
function readOrWarn<T>(host: Host, what: string, read: () => T): T | undefined {
  try {
    return read();
  } catch {
    host.sayError(`Warning: ${what} is damaged; it is backed up as it is.`);
    return undefined;
  }
}

/**
 * Puts files aside as they are now by hard links, which take no room: those that are small and
 * change only by being replaced.
 */
function hardLink(host: Host, paths: Paths, stage: string, names: readonly string[]): void {
  const there = names.filter((name) => host.stat(`${paths.root}/${name}`));
  if (there.length === 0) return;
  // What is itself a symbolic link is followed (-H).
  const argv = (how: string) => ["cp", how, "--parents", "--", ...there, `${stage}/files`];
  // A hard link cannot lead to another file system.
  if (host.capture(argv("-alHf"), { cwd: paths.root }).status !== 0)
    must(host, argv("-aHf"), unreadable, { cwd: paths.root });
}

const unreadable = "files could not be read";

function snapshot(host: Host, app: App, stage: string): BackupManifest["apps"][number] {
  const { name, paths } = app;
  const records = host
    .list(app.releases)
    .filter((file) => /^(\d+\.(json|log|ENV)|live|stopped)$/.test(file));
  hardLink(host, paths, stage, [
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
  const live = readOrWarn(host, `the live release's record of app '${name}'`, () =>
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

/**
 * Writes the list for tar, and copies of SQLite's files into the stage; the names of those that
 * SQLite could not copy.
 */
function listFiles(
  host: Host,
  stage: string,
  python: string,
  apps: readonly App[],
  board: boolean,
): string[] {
  const { root } = pathsOf(host);
  const own = board ? ["plugins", "hooks", "acme"] : [];
  const asked = {
    root,
    files: `${stage}/files`,
    list: `${stage}/list`,
    git: [
      "git",
      "--no-replace-objects",
      "-c",
      "core.hooksPath=/dev/null",
      "-c",
      "core.fsmonitor=false",
    ],
    trees: apps
      .filter(({ tree }) => host.stat(`${tree}/.`)?.type === "directory")
      .map((app) => ({ path: `apps/${app.name}`, made: builtFiles(host, app) })),
    folders: [
      ...apps.filter(({ data }) => host.stat(data)).map(({ name }) => `data/${name}`),
      ...own.filter((name) => host.stat(`${root}/${name}`)),
    ],
  };
  const argv = [python, "-c", listScript];
  const ran = must(host, argv, unreadable, { input: JSON.stringify(asked) });
  const { odd, damaged } = JSON.parse(ran.stdout) as Record<"odd" | "damaged", string[]>;
  for (const name of damaged)
    host.sayError(`Warning: git cannot read '${name}'; all of its files are backed up.`);
  return odd;
}

/** What a build made in an app's work tree: names, bytes, and milliseconds since 1970. */
function builtFiles(host: Host, app: App): [string, number, number][] {
  const what = `the list of what a build made for app '${app.name}'`;
  const made = readOrWarn(host, what, () => madeBy(host, app, liveNumber(host, app)));
  return (made ?? []).map(({ name, size, modified }) => [name, size, modified]);
}
