import type { Settings } from "../../app/env-file.ts";
import type { Host } from "../../host/host.ts";
import { findTool } from "../../host/tools.ts";
import type { Step } from "../../runtimes/runtime.ts";
import { shellFor } from "../../workers/launcher.ts";
import { containerPort, type Exported } from "./exported.ts";
import { commandOf, kindPackages, listeningSettings, optionsFiles } from "./processes.ts";

/** What an image is made from. */
export interface Image {
  /** The distribution's own image. */
  from: string;
  /** Packages of the distribution, by what they are needed for. */
  packages: string[];
  buildPackages: string[];
  /** Lines that bring a program which is no package here. */
  programs: string[];
  /** Programs that nobody brings. */
  missing: string[];
}

// They make an app, and it runs without them.
const onlyBuild = /^(go|cargo|mvn|gradle|lein|godep)$/;

/** Where a program comes from that is in no package of the board, by its version. */
const programImages: Record<string, (version: string) => string> = {
  node: (version) => `COPY --from=node:${version}-slim /usr/local /usr/local`,
  bun: (version) => `COPY --from=oven/bun:${version} /usr/local/bin/bun /usr/local/bin/bun`,
  deno: (version) => `COPY --from=denoland/deno:bin-${version} /deno /usr/local/bin/deno`,
  go: (version) => `COPY --from=golang:${version} /usr/local/go /usr/local/go`,
};

/** What of this board an image needs: asked of its packages. */
export function surveyImage(host: Host, exported: Exported): Image {
  const { runtime, source } = exported;
  const release = host.read("/etc/os-release") ?? "";
  const about = (name: string) => new RegExp(`^${name}="?([\\w.-]+)`, "m").exec(release)?.[1];
  const plugins = Object.values(optionsFiles(exported)).flatMap((text) =>
    [...text.matchAll(/^plugin = (?:0:)?(\w+)$/gm)].map(
      ([, name]) => `/usr/lib/uwsgi/plugins/${name}_plugin.so`,
    ),
  );
  const needed = runtime.needs.find((tools) => tools.every(source.has)) ?? [];
  const called = source.commands.flatMap((line) => line.match(/(?<![\w./-])[a-z][\w.+-]*/g) ?? []);
  const running = [
    ...needed.filter((tool) => !onlyBuild.test(tool)),
    ...new Set(called.filter(source.has)),
    ...(plugins.length > 0 ? ["uwsgi"] : []),
  ];
  const looked = running.map((tool) => ({ tool, name: packageWith(host, findTool(host, tool)) }));
  const strangers = looked.filter(({ name }) => name === undefined).map(({ tool }) => tool);
  const isKnown = (tool: string) => Object.hasOwn(programImages, tool);
  const versionNumber = (tool: string) =>
    /\d+\.\d+\.\d+/.exec(host.capture([tool, "--version"]).stdout)?.[0] ?? "latest";
  const packages = [
    "ca-certificates",
    ...looked.map(({ name }) => name),
    ...plugins.map((file) => packageWith(host, file)),
    ...kindPackages(exported),
  ];
  return {
    // Raspberry Pi OS is built on Debian's release of the same name.
    from:
      about("ID") === "ubuntu"
        ? `ubuntu:${about("VERSION_ID")}`
        : `debian:${about("VERSION_CODENAME") ?? "stable"}-slim`,
    packages: withoutEssential(host, sorted(packages)),
    buildPackages: sorted([
      ...packages,
      "build-essential",
      "git",
      ...(/^sudo apt install (.+)$/.exec(runtime.remedy ?? "")?.[1] ?? "").split(" "),
    ]),
    programs: strangers.filter(isKnown).map((tool) => programImages[tool]!(versionNumber(tool))),
    missing: strangers.filter((tool) => !isKnown(tool)),
  };
}

const sorted = (names: readonly (string | undefined)[]) =>
  [...new Set(names.filter((name) => name !== undefined && name !== ""))].sort() as string[];

/** The packages that not every Debian has. */
function withoutEssential(host: Host, names: string[]): string[] {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is dpkg-query that fills it in.
  const argv = ["dpkg-query", "-W", "-f", "${Package} ${Essential}\\n", ...names];
  const { stdout } = host.capture(argv);
  return names.filter((name) => !stdout.split("\n").includes(`${name} yes`));
}

/** The package that a file is from, whole where only its minimal part has the file. */
function packageWith(host: Host, file: string | undefined): string | undefined {
  // A merged /usr has programs of /bin, whose packages do not know it (Debian's usrmerge).
  const asked = file ? [file, host.realPath(file) ?? file, file.replace(/^\/usr\//, "/")] : [];
  const told = asked.map((path) => host.capture(["dpkg-query", "-S", path]).stdout);
  const name = told.map((line) => /^([a-z0-9][a-z0-9.+-]*)[:,]/m.exec(line)?.[1]).find(Boolean);
  return name?.replace(/-minimal$/, "");
}

/** The Dockerfile of an app: with what is live and its dependencies, or made from its source. */
export function renderDockerfile(exported: Exported, image: Image, fromSource: boolean): string {
  const { app, number, base, front, procfile } = exported;
  const { root, home } = app.paths;
  const line = front && procfile.workers[front];
  const own = "COPY --chown=1000:1000";
  const copy = (from: string) =>
    `${own} ${from}${JSON.stringify([from ? root : root.slice(1), root])}`;
  const settings = Object.entries(base).map(
    ([name, value]) => `ENV ${name}=${dockerfileValue(value)}`,
  );
  return [
    `# App '${app.name}' as piku has it live: release ${number}.`,
    ...(fromSource
      ? [
          `FROM ${image.from} AS build`,
          install(image.buildPackages, home),
          ...image.programs,
          copy(""),
          ...settings,
          ...place(app.tree),
          ...makingOf(exported),
        ]
      : []),
    `FROM ${image.from}`,
    install(image.packages, home),
    ...image.programs,
    copy(fromSource ? "--from=build " : ""),
    ...(Object.keys(optionsFiles(exported)).length > 0 ? [`COPY .piku-export /etc/piku`] : []),
    ...settings,
    ...place(app.tree),
    ...(front !== undefined && line !== undefined
      ? [
          ...Object.entries(listeningSettings(exported, front)).map(
            ([name, value]) => `ENV ${name}=${value}`,
          ),
          `EXPOSE ${containerPort}`,
          `CMD ${JSON.stringify(commandOf(exported, front, line))}`,
        ]
      : []),
    "",
  ].join("\n");
}

const place = (tree: string) => ["USER 1000:1000", `WORKDIR ${tree}`];

const install = (packages: readonly string[], home: string) =>
  `RUN apt-get update && apt-get install -y --no-install-recommends ${packages.join(" ")} && rm -rf /var/lib/apt/lists/* && mkdir -p ${home} && chown 1000:1000 ${home}`;

/** A value as a Dockerfile takes it (Dockerfile reference: ENV). */
const dockerfileValue = (value: string) => `"${value.replace(/[\\"$]/g, "\\$&")}"`;

/** The steps of a build on the board, each as a line of its own. */
function makingOf({ procfile, runtime, source, environment, app, own }: Exported): string[] {
  const folder = environment ?? app.envs;
  const steps: Step[] = [
    ...(procfile.preflight === undefined
      ? []
      : [{ title: "preflight", argv: shellFor(own, procfile.preflight) }]),
    ...(runtime.install?.(source, folder) ?? []),
    ...(runtime.build?.(source, folder) ?? []),
  ];
  return [
    `RUN ${JSON.stringify(["mkdir", "-p", folder, app.data, app.logs])}`,
    ...steps.map(({ argv, cwd, env }) => `RUN ${JSON.stringify(inside(argv, cwd, env))}`),
  ];
}

const inside = (argv: readonly string[], cwd: string | undefined, env: Settings = {}) => [
  ...(Object.keys(env).length > 0
    ? ["env", ...Object.entries(env).map(([name, value]) => `${name}=${value}`)]
    : []),
  ...(cwd === undefined ? argv : ["sh", "-c", 'cd "$0" && exec "$@"', cwd, ...argv]),
];
