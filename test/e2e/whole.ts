/**
 * What must hold of an app whatever has happened to it: everything is of one release, and nothing
 * is left of any other. One function for all tests that do harm, and the app that they do it to.
 */
import { expect } from "bun:test";
import fs from "node:fs";
import { probeSource, webProbe, wsgiProbe } from "./probe.ts";
import { alive, type Board, type Files, list, ok, type Repo, read } from "./sandbox.ts";
import { asking, commandOf, live } from "./watch.ts";

/**
 * An app that shows its version in every way: what it answers, its source, what its build made, and
 * what it keeps of its own.
 */
export interface Witness {
  name: string;
  repo: Repo;
}

export type Kind = "web" | "wsgi";

const witnessFiles = (kind: Kind, name: string, version: string): Files => {
  const files = (kind === "web" ? webProbe : wsgiProbe)(`${name}.test`, version);
  return {
    ...files,
    Procfile: `preflight: echo made $(cat v) >built\nrelease: true\n${files.Procfile}worker: exec sleep 5000\n`,
    ".gitignore": "built\nuploads\n",
    v: version,
  };
};

/** The changes that make a version of a witness, and these files of its own. */
export const witnessed = (version: string, files: Files = {}): Files => ({
  "app.py": probeSource(version),
  v: version,
  ...files,
});

/** Deploys a witness of version 0, with a file that the app itself has written. */
export function witness(board: Board, kind: Kind, name: string, files: Files = {}): Witness {
  const repo = board.repo(undefined, { ...witnessFiles(kind, name, "0"), ...files });
  ok(board.push(repo, name));
  fs.mkdirSync(`${board.pikuRoot}/apps/${name}/uploads`);
  fs.writeFileSync(`${board.pikuRoot}/apps/${name}/uploads/photo`, "precious");
  return { name, repo };
}

/** The Procfile of a witness with another preflight. */
export const witnessProcfile = (kind: Kind, preflight: string) =>
  (witnessFiles(kind, "any", "0").Procfile as string).replace(
    "preflight: ",
    () => `preflight: ${preflight}; `,
  );

const secret = ["ENV", "LIVE_ENV"];

/**
 * Checks a witness, and gives its version, which must be one of these. Nobody may be deploying it.
 * `upload` is what the app has written: undefined for one that may have been destroyed meanwhile,
 * and with it all that it had.
 */
export async function expectWhole(
  board: Board,
  name: string,
  versions: readonly string[],
  { upload }: { upload?: string } = { upload: "precious" },
): Promise<string> {
  const root = board.pikuRoot;
  const release = live(board, name);
  const files = `${root}/releases/${name}`;
  const tree = `${root}/apps/${name}`;
  const shown = read(`${tree}/v`);
  expect(versions).toContain(shown);
  const mode = (file: string) => (fs.statSync(file).mode & 0o777).toString(8);
  const state = {
    served: await asking(board, `${name}.test`, "/"),
    source: read(`${tree}/app.py`) === probeSource(shown),
    built: read(`${tree}/built`),
    head: ok(board.run(["git", "-C", tree, "rev-parse", "HEAD"])).stdout.trim(),
    environment:
      read(`${root}/envs/${name}/LIVE_ENV`) === read(`${files}/${release.number}.LIVE_ENV`),
    site: read(`${root}/nginx/${name}.conf`) === read(`${files}/${release.number}.conf`),
    upload: upload && read(`${tree}/uploads/photo`),
    left: list(files).filter((file) => /^(journal\.json|cancel)$/.test(file)),
    open: secret
      .map((file) => `${root}/envs/${name}/${file}`)
      .filter((file) => fs.existsSync(file) && mode(file) !== "600"),
    records: mode(files),
    nginx: board.run(["nginx", "-t", "-q", "-e", "stderr", "-c", `${root}/web/nginx.conf`]).output,
  };
  expect(state).toEqual({
    served: `200 ${shown}`,
    source: true,
    built: `made ${shown}\n`,
    head: release.commit,
    environment: true,
    site: true,
    upload,
    left: [],
    open: [],
    records: "700",
    nginx: "",
  });
  // The last generation may still be on its way out, and what sees to that with it.
  const settled = () => ({
    // A note of a socket stands beside its vassal (PIKU_IDLE).
    vassals: list(`${root}/uwsgi-enabled`).filter(
      (file, _, all) =>
        file.startsWith(`${name}_`) &&
        !(file.endsWith(".socket") && all.includes(file.replace(/\.socket$/, ""))),
    ),
    workers: workersOf(board, name),
    busy: board
      .processes()
      .filter(
        (pid) =>
          / (git-hook|git-receive-pack|retire) |piku-job/.test(`${commandOf(pid)} `) && alive(pid),
      ),
    temporary: ["uwsgi-enabled", "nginx", `envs/${name}`, `releases/${name}`, "sockets"].flatMap(
      (folder) =>
        list(`${root}/${folder}`).filter(
          (file) => file.startsWith(".") && file.endsWith(".tmp") && file.includes(name),
        ),
    ),
  });
  const wanted = { vassals: [...release.vassals].sort(), workers: 1, busy: [], temporary: [] };
  for (let i = 0; i < 400 && !Bun.deepEquals(settled(), wanted); i++) await Bun.sleep(100);
  expect(settled()).toEqual(wanted);
  return shown;
}

/** How many of a witness's workers run. */
const workersOf = (board: Board, name: string) =>
  board
    .processes()
    .filter((pid) => commandOf(pid) === "sleep 5000" && environmentOf(pid).includes(`APP=${name}`))
    .length;

function environmentOf(pid: number): string[] {
  try {
    return read(`/proc/${pid}/environ`).split("\0");
  } catch {
    return [];
  }
}
