import { type App, appOf, parseAppName } from "../../app/app.ts";
import { parseKeyLines } from "../../app/authorized-keys.ts";
import { readBoardSettings } from "../../app/board-settings.ts";
import { changeSettings, parseSettings } from "../../app/env-grammar.ts";
import { withLock } from "../../app/locks.ts";
import { type Paths, pathsOf } from "../../app/paths.ts";
import { isStopped } from "../../app/releases.ts";
import { deploy } from "../../deploy/deploy.ts";
import { destroy } from "../../deploy/destroy.ts";
import { stop } from "../../deploy/stop.ts";
import type { Host } from "../../host/host.ts";
import { refuseManyNames } from "../../repository/commit.ts";
import { ensureRepository } from "../../repository/push.ts";
import { ensureTree, fillTree } from "../../repository/worktree.ts";
import { Ended, explain, must, PikuError } from "../../text/errors.ts";
import { voiceOf } from "../../text/output.ts";
import { printable } from "../../text/text.ts";
import { addKeys, readKeys } from "../keys.ts";
import type { BackupManifest } from "./manifest.ts";

/**
 * Moves what a backup holds, unpacked and checked below `stage`, into place and deploys each app;
 * `only`: that app and nothing else. Apps that are there stay as they are unless `force`, which
 * destroys them first. Throws `Ended` when one stayed, or is in its place but could not be
 * deployed.
 */
export function restoreBackup(
  given: Host,
  stage: string,
  manifest: BackupManifest,
  only: App | undefined,
  force: boolean,
): void {
  const host = ignoringClosedPipe(given);
  const paths = pathsOf(host);
  const files = `${stage}/files`;
  const wanted = manifest.apps.filter(({ name }) => only === undefined || name === only.name);
  if (only && wanted.length === 0)
    throw new PikuError(
      `the backup has no app '${only.name}'`,
      `it has ${manifest.apps.map(({ name }) => printable(name)).join(", ") || "none"}`,
    );
  const apps = wanted.map(({ name, ...rest }) => ({
    ...rest,
    app: appOf(paths, parseAppName(name)),
  }));
  if (!only && manifest.board)
    withLock(host, paths, "machine", undefined, "", () => restoreBoard(host, paths, files));
  const left: AppToRestore[] = [];
  const failed = apps.filter((one) =>
    withLock(host, paths, "restore", one.app, "restore", () => {
      const replaces = isThere(host, one.app);
      if (replaces && !force) left.push(one);
      return (replaces && !force) || !restoreApp(host, files, one, replaces);
    }),
  );
  if (left.length > 0)
    voiceOf(host).error(
      `already on this server, and left untouched: ${left.map(({ app }) => `'${app.name}'`).join(", ")}; --force replaces apps and their data`,
    );
  if (failed.length > 0) throw new Ended(1);
}

type AppToRestore = { app: App } & Omit<BackupManifest["apps"][number], "name">;

/** Restores one app, whatever becomes of the others; whether that went well. */
function restoreApp(
  host: Host,
  files: string,
  { app, commit, branch }: AppToRestore,
  replaces: boolean,
): boolean {
  const voice = voiceOf(host);
  voice.start(`Restoring app '${app.name}'`);
  try {
    const data = host.realPath(app.data) ?? app.data;
    if (host.stat(app.data) && host.stat(data)?.type !== "directory")
      throw new PikuError(`'${app.data}' does not lead to a folder: is its disk mounted?`);
    if (replaces) {
      destroy(host, app, false);
      if (host.stat(data)) runOnEntries(host, data, "rm", "-rf");
    }
    withLock(host, app.paths, "push", app, "restore", () =>
      withLock(host, app.paths, "deploy", app, "restore", () =>
        moveIntoPlace(host, app, data, files, commit),
      ),
    );
    if (commit !== undefined) start(host, app, commit, branch);
    return true;
  } catch (error) {
    if (error instanceof Ended)
      voice.warn(
        `app '${app.name}' is restored, but does not run; fix that, then: deploy ${app.name}`,
      );
    else voice.error(`app '${app.name}' is not restored: ${explain(error).message}`);
    return false;
  }
}

const isThere = (host: Host, app: App) =>
  [app.tree, app.repo, app.envs, app.releases].some((path) => host.stat(path)) ||
  host.list(app.data).some((name) => name !== "lost+found");

/**
 * Runs a command on everything in a folder. The folder may be a disk: it stays, with what is root's
 * own there.
 */
function runOnEntries(host: Host, folder: string, ...command: string[]): void {
  const top = ["-mindepth", "1", "-maxdepth", "1", "!", "-name", "lost+found"];
  const argv = ["find", folder, ...top, "-exec", ...command, "--", "{}", "+"];
  must(host, argv, `${command[0]} failed`);
}

/** A host that goes on when its output is no longer read: a restore must not stop half way. */
function ignoringClosedPipe(host: Host): Host {
  const quietly = (say: (line: string) => void) => (line: string) => {
    try {
      say(line);
    } catch {
      // The client has gone.
    }
  };
  return { ...host, say: quietly(host.say), sayError: quietly(host.sayError) };
}

/**
 * Moves what belongs to an app to its place; its work tree last, with the files of the commit that
 * the app had not changed.
 */
function moveIntoPlace(
  host: Host,
  app: App,
  data: string,
  files: string,
  commit: string | undefined,
): void {
  const { name, paths } = app;
  const move = (below: string, to: string) => {
    if (!host.stat(`${files}/${below}`)) return;
    host.mkdir(to.slice(0, to.lastIndexOf("/")));
    // Not a rename: the data may be on a disk of its own.
    const argv = ["mv", "-T", "--", `${files}/${below}`, to];
    must(host, argv, `'${to}' could not be restored`);
  };
  move(`repos/${name}`, app.repo);
  if (host.stat(app.repo)) ensureRepository(host, app);
  move(`envs/${name}`, app.envs);
  move(`releases/${name}`, app.releases);
  if (host.stat(data) && host.stat(`${files}/data/${name}`))
    runOnEntries(host, `${files}/data/${name}`, "mv", "-t", data);
  else move(`data/${name}`, data);
  for (const file of [`nginx/${name}.crt`, `nginx/${name}.key`, `sockets/${name}.html`])
    move(file, `${paths.root}/${file}`);
  const tree = `${files}/apps/${name}`;
  host.remove(`${tree}/.git`);
  if (commit !== undefined) {
    refuseManyNames(host, { id: commit, app }, readBoardSettings(host, paths.settings).mostFiles);
    ensureTree(host, app, tree);
    fillTree(host, tree, commit);
  }
  move(`apps/${name}`, app.tree);
}

/** Deploys an app as it was. Throws `Ended` when that failed. */
function start(host: Host, app: App, id: string, branch: string | undefined): void {
  const wasStopped = isStopped(host, app);
  const serverSettings = host.read(`${app.envs}/ENV`) ?? "";
  const target = {
    commit: { id, app },
    branch,
    serverSettings,
    builds: true,
    releases: true,
  };
  deploy(host, { app, cause: "restore", target: () => target });
  if (wasStopped) withLock(host, app.paths, "deploy", app, "restore", () => stop(host, app));
}

/**
 * Adds what belongs to no app. What this board has already stays as it is: it may be meant for this
 * board only.
 */
function restoreBoard(host: Host, paths: Paths, files: string): void {
  const voice = voiceOf(host);
  const content = host.read(paths.settings) ?? "";
  const own = parseSettings(content, paths.settings);
  // How this board's nginx is run is its own affair.
  const { PIKU_NGINX, PIKU_NGINX_RELOAD, ...theirs } = parseSettings(
    host.read(`${files}/ENV`) ?? "",
    "the backup's ENV",
  );
  const [kept, missing] = [true, false].map((is) =>
    Object.keys(theirs).filter((key) => Object.hasOwn(own, key) === is),
  );
  const fresh = Object.fromEntries(missing!.map((key) => [key, theirs[key]!]));
  if (missing!.length > 0) {
    const changed = changeSettings(content, fresh, paths.settings);
    readBoardSettings(host, paths.settings, changed);
    host.write(paths.settings, changed, host.stat(paths.settings)?.mode ?? 0o600);
    voice.start(`Settings of all apps: ${missing!.join(", ")}`);
  }
  const different = kept!.filter((key) => own[key] !== theirs[key]);
  if (different.length > 0)
    voice.warn(`this server keeps its own ${different.join(", ")} in ${paths.settings}`);
  const lines = parseKeyLines(host.read(`${files}/authorized_keys`) ?? "");
  const text = lines.map(({ type, blob, comment }) => `${type} ${blob} ${comment}\n`).join("");
  const keys = text === "" ? [] : readKeys(host, text, "the backup");
  const added = addKeys(host, keys, ({ blob }) => lines.find((line) => line.blob === blob)?.access);
  if (added.length > 0)
    voice.start(`Keys: ${added.map(({ fingerprint }) => fingerprint).join(", ")}`);
  for (const name of ["plugins", "hooks", "acme"]) {
    if (!host.stat(`${files}/${name}`)) continue;
    host.mkdir(`${paths.root}/${name}`);
    // Not `cp -n`: in coreutils 9.2 to 9.4 it fails when it has left a file as it is.
    const copy = 'tar -C "$1" -c . | tar -C "$2" -xp --skip-old-files';
    const argv = ["sh", "-c", copy, "sh", `${files}/${name}`, `${paths.root}/${name}`];
    must(host, argv, `${name} could not be restored`);
  }
}
