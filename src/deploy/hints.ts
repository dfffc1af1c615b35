import { printable } from "../text/text.ts";
import { manifestOf } from "../workers/causes-node.ts";
import { builtProgram } from "../workers/causes-programs.ts";
import { callables, djangoModule, servable } from "../workers/python-app.ts";

/** What a commit has at its top, folders with a `/` behind them, and how to read a file of it. */
export interface Top {
  names: readonly string[];
  read(path: string): string | undefined;
}

const pythonOptions = "--host $BIND_ADDRESS --port $PORT";

/** A program that is started by its file. */
const mainFile = ({ names }: Top, ending: RegExp) => {
  const files = names.filter((name) => ending.test(name));
  const usual = /^(app|main|server|index|bot|run|web|start)\./;
  return files.find((name) => usual.test(name)) ?? (files.length === 1 ? files[0] : undefined);
};

/** The scripts of package.json; none where it cannot be read. */
function scriptsOf(top: Top): Record<string, string> {
  const { scripts } = manifestOf(top);
  return Object.fromEntries(
    Object.entries(scripts ?? {}).filter(([, line]) => typeof line === "string"),
  );
}

/** Generators of pages, whose `start` serves a developer, and where they build. */
const generators: readonly (readonly [RegExp, string])[] = [
  [/\b(astro|vite|vue-cli-service|parcel|webpack-dev-server|webpack serve)\b/, "dist"],
  [/\breact-scripts\b/, "build"],
  [/\b(eleventy|11ty)\b/, "_site"],
  [/\bgatsby\b/, "public"],
];

/** The line of an app of Node's or Bun's, by the scripts of its package.json. */
function scriptLine(top: Top): string | undefined {
  const manifest = top.read("package.json") ?? "";
  if (manifest.includes('"@sveltejs/kit"'))
    return manifest.includes('"@sveltejs/adapter-static"') ? "static: build" : "web: node build";
  const scripts = scriptsOf(top);
  const name = ["start", "prod", "production", "serve"].find((one) => one in scripts);
  const built = [scripts.build, name && scripts[name]].join(" ");
  const folder = generators.find(([pattern]) => pattern.test(built))?.[1];
  const serves =
    name !== undefined && /\b(node|bun|deno|tsx|ts-node|next|nuxt)\b/.test(scripts[name]!);
  if ("build" in scripts && folder !== undefined && !serves) return `static: ${folder}`;
  if (name === undefined) return undefined;
  const isBun =
    top.names.some((one) => /^bun\.lockb?$/.test(one)) || /^bun(x| )/.test(scripts[name]!);
  return isBun ? `web: bun run ${name}` : `web: npm ${name === "start" ? name : `run ${name}`}`;
}

/** Folders in which generators and frameworks keep what is served. */
const siteFolders = [
  "public",
  "dist",
  "site",
  "_site",
  "build",
  "docs",
  "www",
  "web",
  "htdocs",
  "src",
];
const folderWith = ({ read, names }: Top, file: string) =>
  siteFolders.find(
    (folder) => names.includes(`${folder}/`) && read(`${folder}/${file}`) !== undefined,
  );

/** What a line of a Procfile could be for what is in a commit; the first that fits. */
const suggestions: readonly ((top: Top) => string | false | undefined)[] = [
  (top) => top.names.includes("manage.py") && `wsgi: ${djangoModule(top)}`,
  (top) => {
    const file = top.names.find(
      (name) => name.endsWith(".py") && /^\s*import streamlit/m.test(top.read(name) ?? ""),
    );
    return file && `web: streamlit run ${file} --server.port $PORT --server.address $BIND_ADDRESS`;
  },
  (top) => {
    const found = servable(top);
    if (!found) return undefined;
    const source = top.read(`${found.split(":")[0]}.py`) ?? "";
    return /\b(FastAPI|Starlette|Litestar|Quart)\(/.test(source)
      ? `web: uvicorn ${found} ${pythonOptions}`
      : `wsgi: ${found}`;
  },
  scriptLine,
  ({ names, read }) =>
    names.includes("bin/") &&
    read("config/application.rb") !== undefined &&
    "web: bundle exec rails server -b $BIND_ADDRESS -p $PORT",
  ({ names, read }) =>
    names.includes("config.ru") &&
    (/\bpuma\b/.test(read("Gemfile") ?? "")
      ? "web: bundle exec puma -b tcp://$BIND_ADDRESS:$PORT"
      : names.includes("Gemfile")
        ? "web: bundle exec rackup -o $BIND_ADDRESS -p $PORT"
        : "rwsgi: config.ru"),
  (top) => {
    const program = builtProgram(top);
    return program && `web: ${program}`;
  },
  ({ names }) =>
    names.includes("pom.xml") &&
    "web: java -Dserver.port=$PORT -Dserver.address=$BIND_ADDRESS -jar target/*.jar",
  ({ names }) =>
    names.some((name) => /^build\.gradle(\.kts)?$/.test(name)) &&
    "web: java -Dserver.port=$PORT -Dserver.address=$BIND_ADDRESS -jar build/libs/*.jar",
  ({ names }) => names.some((name) => /^deno\.jsonc?$/.test(name)) && "web: deno task start",
  (top) => top.names.includes("index.php") && "php: /",
  (top) => {
    const folder = folderWith(top, "index.php");
    return folder && `php: ${folder}`;
  },
  (top) => {
    const file = mainFile(top, /\.py$/);
    if (!file) return undefined;
    const source = top.read(file) ?? "";
    const isBot = /^\s*(import|from) (discord|telegram|telebot|aiogram|slack_bolt)\b/m.test(source);
    return `${isBot ? "worker" : "web"}: python3 ${file}`;
  },
  (top) => {
    const file = mainFile(top, /\.[cm]?js$/);
    return (
      file &&
      (top.names.includes("package.json") || !top.names.includes("index.html")) &&
      `web: node ${file}`
    );
  },
  (top) => {
    const file = mainFile(top, /\.rb$/);
    return file && `web: ruby ${file} -o $BIND_ADDRESS -p $PORT`;
  },
  ({ names }) => names.some((name) => name.endsWith(".go")) && "web: ./NAME",
  (top) => top.names.some((name) => /\.html?$/i.test(name)) && "static: /",
  (top) => {
    const folder = folderWith(top, "index.html");
    return folder && `static: ${folder}`;
  },
];

/** The line of a Procfile that fits what is there; undefined for what nothing fits. */
export const suggestedLine = (top: Top): string | undefined =>
  suggestions.map((suggest) => suggest(top)).find(Boolean) || undefined;

/** The line of a Procfile that probably serves what is in a commit. */
export const suggestLine = (top: Top): string => suggestedLine(top) ?? "web: python3 app.py";

const nearProcfile =
  /^(prock?file|profile|procfiles?|procfil|prcofile|porcfile|procfle|profcile)(\.\w+)*$/i;

/** Whether a .gitignore names a file at the top (gitignore(5), less the rarer patterns). */
export const isIgnored = (gitignore: string, name: string): boolean =>
  gitignore
    .split(/\r?\n/)
    .map((line) => line.trim().replace(/^\//, ""))
    // Many stars would take for ever to match.
    .filter((line) => line !== "" && !line.startsWith("#") && line.split("*").length < 5)
    .reduce((ignored, line) => {
      const pattern = line.replace(/^!/, "").replace(/^\/|^\*\*\//, "");
      const text = pattern
        .replace(/[.+^${}()|[\]\\]/g, "\\$&")
        .replace(/\*+/g, "[^/]*")
        .replace(/\?/g, ".");
      return new RegExp(`^${text}$`).test(name) ? !line.startsWith("!") : ignored;
    }, false);

/** What to say of a commit without a Procfile: what is wrong, and what to do. */
export function noProcfile(top: Top): [what: string, next: string] {
  const { names, read } = top;
  const near = names.find((name) => nearProcfile.test(name));
  if (near)
    return [
      `the commit has no Procfile, but '${printable(near)}'`,
      `it is called Procfile, with a capital P and no ending: git mv ${printable(near)} Procfile, commit and push`,
    ];
  if (names.includes("Procfile/"))
    return ["Procfile is a folder in this commit", "make it a file, commit and push"];
  const folder = names
    .filter((name) => name.endsWith("/"))
    .slice(0, 20)
    .find((name) => read(`${name}Procfile`) !== undefined);
  if (folder)
    return [
      `the Procfile is in the folder '${printable(folder)}', and it must be at the top of the repository`,
      `git mv ${printable(folder)}* . , commit and push`,
    ];
  if (isIgnored(read(".gitignore") ?? "", "Procfile"))
    return [
      "the commit has no Procfile: .gitignore hides it",
      "git check-ignore -v Procfile shows the line; take it out, or: git add -f Procfile, commit and push",
    ];
  return [
    "the commit has no Procfile",
    `if you have one: git add Procfile; else write a file called Procfile with the line \`${suggestLine(top)}\`; git add Procfile, commit and push`,
  ];
}

/** Names of files that are read, and what people call them instead. */
const misspelt: readonly (readonly [name: string, RegExp])[] = [
  ["requirements.txt", /^req[a-z]*\.(txt|text)(\.txt)?$/i],
  ["package.json", /^packages?\.json(\.txt)?$/i],
  ["ENV", /^env(\.txt)?$/i],
  ["Gemfile", /^gem-?files?(\.txt|\.rb)?$/i],
  ["composer.json", /^composer\.json(\.txt)?$/i],
  ["go.mod", /^go\.mod(\.txt)?$/i],
  ["Cargo.toml", /^cargo\.toml(\.txt)?$/i],
  ["pom.xml", /^pom\.xml(\.txt)?$/i],
  ["pyproject.toml", /^py-?projects?\.toml(\.txt)?$/i],
];

/** Warnings of files that are called almost like one that is read. */
export const misspeltWarnings = (names: readonly string[]): string[] =>
  misspelt.flatMap(([name, pattern]) => {
    const other = names.includes(name) ? undefined : names.find((one) => pattern.test(one));
    return other === undefined
      ? []
      : [
          `'${printable(other)}' is not read; if it is to be ${name}: git mv ${printable(other)} ${name}`,
        ];
  });

/** A `wsgi: app.py` that names a file, or a command; undefined for one that names a module. */
export function wsgiFile(
  top: Top,
  command: string | undefined,
): [what: string, next: string] | undefined {
  const server = /^(gunicorn|uvicorn|hypercorn|waitress-serve|flask|python3?|uwsgi)\s/.exec(
    command ?? "",
  );
  if (server)
    return [
      `Procfile: \`wsgi: ${printable(command!)}\` is a command, and wsgi wants a module and the app in it`,
      `write \`wsgi: ${servable(top) ?? "app:app"}\`, commit and push`,
    ];
  const file = command?.split(":")[0] ?? "";
  if (!/^[\w./-]+\.py$/.test(file) || top.read(file) === undefined) return undefined;
  const module = file.slice(0, -3).replace(/^\.\//, "").replaceAll("/", ".");
  const name = command?.split(":")[1] ?? callables(top.read(file)!)[0] ?? "app";
  return [
    `Procfile: \`wsgi: ${printable(command!)}\` names a file; it must name its module and the app in it, without .py`,
    `write \`wsgi: ${module}:${name}\`, commit and push`,
  ];
}
