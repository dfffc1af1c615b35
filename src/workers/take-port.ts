import { printableUpTo } from "../text/text.ts";
import type { Scene } from "./cause.ts";
import { servable } from "./python-app.ts";

/** Where Node has its settings; not in one word, which only src/host may write. */
const nodeEnv = ["process", "env"].join(".");

const inEnvironment = 'app.run(host=os.environ["BIND_ADDRESS"], port=int(os.environ["PORT"]))';

/** How a source takes its port, by the ending of its file and what is in it. */
const takesPort: readonly [ending: RegExp, pattern: RegExp, how: string][] = [
  [/py$/, /\bFlask\(|\bapp\.run\(/, inEnvironment],
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

/** A program, and how it is told its address and port. */
interface Program {
  runs: RegExp;
  /** The command in front of its options, and these. */
  command?: readonly [base: string, options: string];
  /** What of a command the options take the place of; they are added to the end unless given. */
  part?: RegExp;
  /** What to write, where it is no option of the command. */
  write?: string;
}

const hostAndPort = "--host $BIND_ADDRESS --port $PORT";

const takers: readonly Program[] = [
  {
    runs: /\bstreamlit\b/,
    command: ["streamlit run app.py", "--server.port $PORT --server.address $BIND_ADDRESS"],
  },
  { runs: /\bgunicorn\b/, command: ["gunicorn app:app", "--bind $BIND_ADDRESS:$PORT"] },
  { runs: /\bhypercorn\b/, command: ["hypercorn app:app", "--bind $BIND_ADDRESS:$PORT"] },
  { runs: /\b(uvicorn|fastapi)\b/, command: ["uvicorn app:app", hostAndPort] },
  { runs: /\bflask\b.*\brun\b/, command: ["flask run", hostAndPort] },
  {
    runs: /\bmanage\.py runserver\b/,
    command: ["python3 manage.py", "runserver $BIND_ADDRESS:$PORT"],
    part: /runserver.*/,
  },
  {
    runs: /-m http\.server\b/,
    command: ["python3 -m", "http.server $PORT --bind $BIND_ADDRESS"],
    part: /http\.server.*/,
  },
  { runs: /\bnext\b/, command: ["npx next start", "--hostname $BIND_ADDRESS --port $PORT"] },
  { runs: /\bvite\b/, command: ["npx vite preview", hostAndPort] },
  { runs: /\bastro\b/, write: `HOST=127.0.0.1 before the command, or ${hostAndPort}` },
  {
    runs: /\b(rails|puma|rackup)\b/,
    command: ["bundle exec rails server", "--binding $BIND_ADDRESS --port $PORT"],
  },
  { runs: /\bphp\b/, command: ["php", "-S $BIND_ADDRESS:$PORT"], part: /-S\s+\S+/ },
  { runs: /\bpython[\d.]*\b/, write: inEnvironment },
  {
    runs: /\b(node|npm|npx|yarn|pnpm)\b/,
    write: `server.listen(${nodeEnv}.PORT, ${nodeEnv}.BIND_ADDRESS)`,
  },
  {
    runs: /\b(bun|deno)\b/,
    write: "hostname and port from the variables BIND_ADDRESS and PORT",
  },
  {
    runs: /\bjava\b/,
    command: ["java -jar app.jar", "--server.address=$BIND_ADDRESS --server.port=$PORT"],
  },
  { runs: /\bdotnet\b/, write: "ASPNETCORE_URLS=http://$BIND_ADDRESS:$PORT before the command" },
];

/** The command with the options by which its program takes its port; undefined where it has some. */
function withPort(command: string): string | undefined {
  const program = takers.find(({ runs }) => runs.test(command));
  if (!program?.command) return undefined;
  const {
    part,
    command: [, options],
  } = program;
  if (part) return part.test(command) ? command.replace(part, () => options) : undefined;
  return /PORT|port\b|\s(-p|-b|--bind)\b/.test(command) ? undefined : `${command} ${options}`;
}

/**
 * What to write so that a program takes its port: its own command with the options, or an example
 * of it. `title`: what its process is called, where the command alone does not tell.
 */
export function portExample(command: string, title: string): string | undefined {
  const changed = withPort(command);
  if (changed) return `web: ${printableUpTo(160, changed)}`;
  const found = takers.find(({ runs }) => runs.test(command) || runs.test(title));
  return found?.command ? `web: ${found.command.join(" ")}` : found?.write;
}

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
  const changed = withPort(command);
  if (changed) return `Procfile: ${kind}: ${printableUpTo(160, changed)}`;
  return (
    portInSource(scene) ??
    "take the port from the setting PORT, and the address from BIND_ADDRESS; commit and push"
  );
}
