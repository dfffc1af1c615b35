import { liveNumber } from "../../app/releases.ts";
import type { Host } from "../../host/host.ts";
import { git } from "../../repository/git.ts";
import { must, PikuError } from "../../text/errors.ts";
import { withStage } from "../backup/stage.ts";
import type { Exported } from "./exported.ts";
import { type Image, renderDockerfile } from "./image.ts";
import { optionsFiles } from "./processes.ts";

/**
 * Streams what an image is built from as a tar (docker-build(1), "build context"): a Dockerfile, and
 * the files at the paths that they have on the board. Throws where the app changed meanwhile.
 */
export function writeContext(host: Host, exported: Exported, image: Image, source: boolean): void {
  const { app, number } = exported;
  withStage(host, app.name, (stage) => {
    const files = `${stage}/files`;
    host.write(`${files}/Dockerfile`, renderDockerfile(exported, image, source));
    const options = Object.entries(optionsFiles(exported));
    if (options.length > 0) host.mkdir(`${files}/.piku-export`);
    for (const [name, text] of options) host.write(`${files}/.piku-export/${name}`, text);
    if (source) unpackSource(host, exported, `${files}${app.tree}`);
    const members = source ? [] : ["-C", "/", ...liveFiles(host, exported)];
    const status = host.run([
      ...["tar", "-c", "--anchored", "--no-wildcards", `--exclude=${below(app.tree)}/.git`],
      ...["-C", files, ...host.list(files).sort(), ...members],
    ]);
    // 1: a file changed while it was read, as files of a running app do (tar(1)).
    if (status > 1 || liveNumber(host, app) !== number)
      throw new PikuError(
        `what was written of app '${app.name}' is not whole${status > 1 ? "" : ": a deploy went live meanwhile"}`,
        "export it again",
      );
  });
}

const below = (path: string) => path.replace(/^\/+/, "");

/** The tree and the dependencies of what is live, and the data's folder, empty. */
function liveFiles(host: Host, { app, environment }: Exported): string[] {
  const links = host
    .list(app.envs)
    .map((name) => `${app.envs}/${name}`)
    .filter((path) => path === environment || host.stat(path)?.type === "link");
  // uv's Python lies outside of the environment that is made from it.
  const python = environment && host.realPath(`${environment}/bin/python`);
  const pythons = `${app.paths.home}/.local/share/uv/python/`;
  const own = python?.startsWith(pythons)
    ? [pythons + python.slice(pythons.length).split("/")[0]]
    : [];
  const there = [app.logs, app.data].filter((path) => host.stat(path));
  return [...[app.tree, ...links, ...own].map(below), "--no-recursion", ...there.map(below)];
}

/** The files of the live commit. */
function unpackSource(host: Host, { app, commit }: Exported, folder: string): void {
  const file = `${folder}.tar`;
  host.mkdir(folder);
  git(host, app.repo, ["archive", "-o", file, commit]);
  must(host, ["tar", "-x", "-C", folder, "-f", file], "the commit cannot be unpacked");
  host.remove(file);
}
