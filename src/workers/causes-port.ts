import { printableUpTo } from "../text/text.ts";
import type { Scene } from "./cause.ts";
import { servable } from "./python-app.ts";

/** Where Node has its settings; not in one word, which only src/host may write. */
export const nodeEnv = ["process", "env"].join(".");

/** How a program takes its port, by the ending of its file and what is in it. */
const takesPort: readonly [ending: RegExp, pattern: RegExp, how: string][] = [
  [
    /py$/,
    /\bFlask\(|\bapp\.run\(/,
    'app.run(host=os.environ["BIND_ADDRESS"], port=int(os.environ["PORT"]))',
  ],
  [
    /py$/,
    /uvicorn\.run\(/,
    'uvicorn.run(app, host=os.environ["BIND_ADDRESS"], port=int(os.environ["PORT"]))',
  ],
  [/py$/, /./, 'int(os.environ["PORT"]) in the place of the number'],
  [/[jt]s$/, /./, `app.listen(${nodeEnv}.PORT, ${nodeEnv}.BIND_ADDRESS)`],
  [/rb$/, /./, 'set :port, ENV["PORT"]'],
  [/go$/, /./, 'os.Getenv("BIND_ADDRESS") + ":" + os.Getenv("PORT")'],
];

/** Commands that take the port as an option: what of them is replaced, and by what. */
const options: readonly [command: RegExp, part: RegExp, now: string][] = [
  [/\bstreamlit run\b/, /$/, " --server.port $PORT --server.address $BIND_ADDRESS"],
  [
    /^(?!.*--port).*\b(uvicorn|flask|hypercorn|vite|next|astro|fastapi)\b/,
    /$/,
    " --host $BIND_ADDRESS --port $PORT",
  ],
  [/^(?!.*PORT).*\bgunicorn\b/, /$/, " --bind $BIND_ADDRESS:$PORT"],
  [/manage\.py runserver/, /runserver.*/, "runserver $BIND_ADDRESS:$PORT"],
  [/-m http\.server/, /http\.server.*/, "http.server $PORT --bind $BIND_ADDRESS"],
];

/** What to write in the app's own source so that it takes its port from the board. */
export function portInSource(scene: Scene): string | undefined {
  const { command, names, read } = scene;
  const file =
    /[\w./-]+\.(?:py|[cm]?js|ts|rb|go)\b/.exec(command)?.[0] ??
    names.find((name) => /^(app|main|server|index)\.(py|js|mjs|ts|rb|go)$/.test(name));
  const source = (file && read(file)) || "";
  const how = takesPort.find(
    ([ending, pattern]) => ending.test(file ?? "") && pattern.test(source),
  )?.[2];
  const app = /\bFlask\(/.test(source) ? servable(scene) : undefined;
  return how && `in ${file}: ${how}${app ? `; or Procfile: wsgi: ${app}` : ""}`;
}

/** How the app takes its port from the board: in the Procfile, in its source, or at least where. */
export function takePort(scene: Scene): string {
  const { kind, command } = scene;
  const option = options.find(([pattern]) => pattern.test(command));
  if (option)
    return `Procfile: ${kind}: ${printableUpTo(
      160,
      command.replace(option[1], () => option[2]),
    )}`;
  return (
    portInSource(scene) ??
    "take the port from the setting PORT, and the address from BIND_ADDRESS; commit and push"
  );
}
