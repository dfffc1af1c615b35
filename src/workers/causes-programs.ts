import { printable } from "../text/text.ts";
import { meant, type Scene } from "./cause.ts";
import { addModule, whichModule } from "./causes-node.ts";
import { addPython } from "./causes-python.ts";
import { aptOfProgram } from "./native-packages.ts";
import { packageOfProgram } from "./python-packages.ts";

const nodeTools =
  /^(nodemon|ts-node|tsx|tsc|next|nuxt|vite|astro|serve|http-server|pm2|concurrently|webpack|parcel|react-scripts|ng|nest|vue-cli-service|remix-serve|svelte-kit|json-server|live-server|eleventy|gatsby|strapi|rollup|esbuild|babel|babel-node|cross-env|prisma|sequelize|knex|turbo|rimraf|expo|electron|browser-sync|lite-server|forever)$/;
const gemTools =
  /^(rackup|puma|unicorn|thin|rails|rake|sidekiq|falcon|passenger|jekyll|middleman|shotgun|iodine)$/;

/** The line of the Procfile, with something else in it. */
export const procfileLine = ({ kind, command }: Scene, was: string | RegExp, now: string) =>
  kind === "" ? "" : `${kind}: ${printable(command.replace(was, () => now))}`;

/** What is said of a file with CRLF. */
export const crlf = "has the line ends of Windows";
/** How a file gets the line ends of Linux. */
export const mendCrlf = (file: string) =>
  `echo '*.sh text eol=lf' >>.gitattributes; sed -i 's/\\r$//' ${file}; git add -A; commit and push`;

const interpreters: Record<string, string> = {
  py: "python3",
  js: "node",
  mjs: "node",
  rb: "ruby",
  sh: "sh",
  php: "php",
  pl: "perl",
};

/** The program that the build of a Go or a Rust app makes; undefined for other apps. */
export function builtProgram({ names, read }: Pick<Scene, "names" | "read">): string | undefined {
  const [go, rust] = [
    /^module\s+(?:\S*\/)?([\w.-]+)\s*$/m.exec(read("go.mod") ?? "")?.[1],
    /^\s*name\s*=\s*"([\w-]+)"/m.exec(read("Cargo.toml") ?? "")?.[1],
  ];
  if (rust) return `./target/release/${rust}`;
  return go && `${names.some((name) => name.endsWith(".go")) ? "./" : "./bin/"}${go}`;
}

/** Programs that a shell did not find: what is wrong, and what to do. The first that fits. */
const missingPrograms: readonly ((
  program: string,
  scene: Scene,
) => readonly [what: string, next: string] | undefined)[] = [
  (program, scene) =>
    /^python2?$/.test(program)
      ? [
          `there is no program '${program}' on the server, only 'python3'`,
          scene.kind
            ? `Procfile: ${procfileLine(scene, /\bpython2?\b/, "python3")}`
            : "write python3",
        ]
      : undefined,
  (program, scene) => {
    const file = program.replace(/^\.\//, "");
    const text = scene.read(file);
    if (text === undefined) return undefined;
    const first = text.split("\n", 1)[0]!;
    if (first.endsWith("\r")) return [`${file} ${crlf}`, mendCrlf(file)];
    const asked = /^#!\s*(\S+)(?: (\S+))?/.exec(first);
    if (asked && program.includes("/"))
      return [
        `${file} is to be run by ${asked[1]!.endsWith("/env") ? asked[2] : asked[1]}, which the server does not have`,
        "write #!/bin/sh, or another program that is there, into its first line; commit and push",
      ];
    const runner = interpreters[file.split(".").at(-1)!];
    return [
      `'${file}' is a file of the app and not a program of the server`,
      `Procfile: ${procfileLine(scene, program, runner ? `${runner} ${file}` : `./${file}`)}`,
    ];
  },
  (program, scene) =>
    /^[\w.]+:\w+$/.test(program)
      ? [
          `'${program}' is not a program`,
          `Procfile: wsgi: ${program}${scene.kind === "web" ? ", in the place of web:" : ""}`,
        ]
      : undefined,
  (program, scene) => {
    const bare = packageOfProgram(program);
    return bare ? [`'${bare}' is not installed`, addPython(bare, scene)] : undefined;
  },
  (program, scene) =>
    nodeTools.test(program)
      ? [whichModule(program, scene), addModule(program === "tsc" ? "typescript" : program, scene)]
      : undefined,
  (program) =>
    gemTools.test(program)
      ? [
          `'${program}' is not installed`,
          `write gem "${program}" into the Gemfile, and bundle exec ${program} into the Procfile; bundle install, commit and push`,
        ]
      : undefined,
  (program, scene) => {
    const built = builtProgram(scene);
    return built?.endsWith(`/${program}`)
      ? [
          `there is no program '${program}' on the server`,
          `Procfile: ${procfileLine(scene, program, built)}`,
        ]
      : undefined;
  },
  (program) => {
    const apt = aptOfProgram(program);
    return apt ? [`there is no program '${program}' on the server`, apt] : undefined;
  },
  (program, scene) =>
    program.startsWith("./") || program.includes("/")
      ? [
          `there is no ${program.replace(/^\.\//, "")} in this commit${meant(program.replace(/^\.\//, ""), scene.names)}`,
          builtProgram(scene)
            ? `Procfile: ${procfileLine(scene, program, builtProgram(scene)!)}`
            : "mend the name in the Procfile, or git add the file; commit and push",
        ]
      : undefined,
  (program, scene) => [
    `there is no program '${program}' on the server`,
    scene.names.includes("requirements.txt")
      ? `write the package that brings ${program} into requirements.txt, commit and push`
      : `mend its name in the Procfile, or on the server: sudo apt install ${program}`,
  ],
];

/** What is wrong with a program that the shell did not find, and what to do. */
export const missing = (program: string, scene: Scene) =>
  missingPrograms.map((rule) => rule(program, scene)).find((found) => found !== undefined)!;
