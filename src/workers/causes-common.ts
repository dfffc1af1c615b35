import { printable } from "../text/text.ts";
import { type Cause, meant, type Scene } from "./cause.ts";
import { crlf, mendCrlf, missing, procfileLine } from "./causes-programs.ts";
import { callables, rightCallable, target, wrongCallable } from "./python-app.ts";
import { portInSource, takePort } from "./take-port.ts";

const serviceOnPort: Record<string, string> = {
  5432: "PostgreSQL",
  3306: "MySQL",
  6379: "Redis",
  27017: "MongoDB",
  5672: "RabbitMQ",
  11211: "Memcached",
  9200: "Elasticsearch",
  1883: "MQTT",
};
const packageOfService: Record<string, string> = {
  PostgreSQL: "postgresql",
  MySQL: "mariadb-server",
  Redis: "redis-server",
  RabbitMQ: "rabbitmq-server",
  Memcached: "memcached",
  MQTT: "mosquitto",
};
const settingOf: Record<string, string> = { Redis: "REDIS_URL", MongoDB: "MONGODB_URI" };

const refused = (place: string, port: string): string =>
  `no ${serviceOnPort[port] ?? "server"} answers at ${place}:${port} (connection refused)`;
const startService = (port: string, { app }: Scene): string => {
  const name = serviceOnPort[port];
  const apt = name && packageOfService[name];
  return `${apt ? `on the server: sudo apt install ${apt}; or ` : ""}tell the app where it is: config:set ${app} ${settingOf[name ?? ""] ?? "DATABASE_URL"}=…, then push again`;
};

const shellPrefix = /(?:^|[\s:])(?:\S*sh: )?(?:line )?(?:\d+: )?(?:exec: )?/;
const shellError = (words: string) => new RegExp(`^.*?${shellPrefix.source}${words}`);

/** The script that a shell complains of, or that a command runs. */
const scriptIn = (log: string, command: string) =>
  (
    /^([\w-]+\.sh): (?:line )?\d+: /m.exec(log)?.[1] ??
    /[\w./-]+\.(?:sh|py|rb|pl)\b/.exec(command)?.[0]
  )?.replace(/^\.\//, "");

/** What any program may meet: the shell, ports, settings, other servers, memory, the disk. */
export const commonCauses: readonly Cause[] = [
  [
    /No space left on device|ENOSPC|disk quota exceeded|database or disk is full/i,
    "the server's disk is full",
    "destroy an app that is not needed, then push again; run $APP -- df -h / shows the disk",
  ],
  [
    /env: ['‘]?([\w./-]+?)(?:\\r|\^M|\r)|bad interpreter: ?|\/bin\/\w+\^M|\$'\\r': command not found|^\S+\.sh: (?:line )?\d+: \r?:? ?not found|set: Illegal option -\r?$|set: -?\r?: invalid option/,
    (_, { command }, log) => `${scriptIn(log, command) ?? "a script"} ${crlf}`,
    (_, { command }, log) => mendCrlf(scriptIn(log, command) ?? "FILE"),
  ],
  [
    /^(?:.*?: )?(?:line )?(?:\d+: )?(?:exec: )?([\w./-]*\w[\w./-]*): (?:cannot execute: )?Permission denied$/,
    ([, file], scene) =>
      scene.names.includes(`${file!.replace(/^\.\/|\/$/g, "")}/`)
        ? `'${file}' is a folder and not a program`
        : `${file!.replace(/^\.\//, "")} is not executable (Permission denied)`,
    ([, file]) => `git update-index --chmod=+x ${file!.replace(/^\.\//, "")}, commit and push`,
  ],
  [
    shellError("cd: (?:can't cd to )?([^:\\n]+?)(?:: No such file or directory)?$"),
    ([, folder], { names }) =>
      `there is no folder '${folder}' in this commit${meant(`${folder}/`, names)}`,
    "mend its name in the Procfile, or git add a file in it (git keeps no empty folders); commit and push",
  ],
  [
    /^(?:.*: )?(?:line )?(?:\d+: )?(?:exec: )?([\w@.:/+-]+): (?:not found|command not found|cannot execute: required file not found)$|^exec: ["']?([\w@./+-]+)["']?: executable file not found/,
    ([, program, other], scene) => missing(program || other!, scene)[0],
    ([, program, other], scene) => missing(program || other!, scene)[1],
  ],
  [
    /env: ['‘]([^'’\n]+)['’]: No such file or directory/,
    ([, program], scene) => missing(program!, scene)[0],
    ([, program], scene) => missing(program!, scene)[1],
  ],
  [
    /Exec format error|cannot execute binary file/,
    "the program is built for another processor than the server's",
    "let the server build it, or build it for its processor (uname -m on the server tells which)",
  ],
  [
    /^(?:usage: [\s\S]*?^)?([\w./-]+): error: ((?:unrecognized|the following|argument|ambiguous|invalid).*)$|^(?:\S+: )?(bad option: .*|Error: (?:No such (?:option|command)|Invalid value|Got unexpected|Missing (?:argument|option|parameter)).*|.*is not a valid port number.*)$/,
    (found, { kind, command }) =>
      kind
        ? `\`${printable(command)}\`: ${found[2] || found[3]!.replace(/^Error: /, "")}`
        : undefined,
    "mend the line in the Procfile, commit and push; the port is $PORT and the address $BIND_ADDRESS",
  ],
  [
    /could not read Username for '([^']+)'|Repository not found|remote: Not Found|Permission denied \(publickey\)|Host key verification failed/,
    "a repository cannot be had: it is private, or is not there",
    "name a public https address in the list of packages; commit and push",
  ],
  [
    shellError("Syntax error: (.*)$"),
    (found, { kind, command }) =>
      kind ? `the shell does not understand \`${printable(command)}\`: ${found[1]}` : undefined,
    "mend the line in the Procfile, as sh would take it; commit and push",
  ],
  [
    /EADDRINUSE.*?:(\d+)$|Connection in use: \('[^']*', (\d+)\)|Failed to listen on \S+:(\d+) \(reason: Address already in use\)|[Pp]ort (\d+) (?:was|is) already in use|Port (\d+) is in use|listen tcp \S*:(\d+): bind: address already in use/,
    (found) => `port ${found.slice(1).find(Boolean)} is taken by another program of the server`,
    (_, scene) => takePort(scene),
  ],
  [
    /[Aa]ddress already in use|EADDRINUSE|AddrInUse/,
    "the port is taken by another program of the server",
    (_, scene) => takePort(scene),
  ],
  [
    /listen EACCES: permission denied \S*?:?(\d+)$|listen tcp \S*:(\d+): bind: permission denied/,
    (found) => `only root may listen on port ${found.slice(1).find(Boolean)}`,
    (_, scene) => takePort(scene),
  ],
  [
    /Cannot assign requested address|EADDRNOTAVAIL/,
    "the server has no such address to listen on",
    (_, scene) => takePort(scene),
  ],
  [
    /Missing (?:required )?(?:environment|env) var(?:iable)?s?:? +["'`]?(\w+)|["'`]?\b([A-Z][A-Z0-9_]+)\b["'`]? (?:environment|env) var(?:iable)? (?:is |was |must be )?(?:not set|not found|missing|required|set|undefined|not defined)|(?:environment|env) var(?:iable)? ["'`]?([A-Z][A-Z0-9_]+)["'`]? (?:is |was |must be )?(?:not set|not found|missing|required|set|undefined|not defined)|Set the ([A-Z][A-Z0-9_]+) environment variable|\b([A-Z][A-Z0-9_]+) (?:not found\. Declare it as envvar|must be set|is not set\b)|[Pp]lease (?:set|define|provide)(?: the)? ["'`]?\$?([A-Z][A-Z0-9_]{2,})\b/,
    (found) => `the setting '${found.slice(1).find(Boolean)}' is missing`,
    (found, { app }) => `config:set ${app} ${found.slice(1).find(Boolean)}=…, then push again`,
  ],
  [
    /validation errors? for \w+\n(\w+)\n +Field required/,
    ([, name]) => `the setting '${name!.toUpperCase()}' is missing`,
    ([, name], { app }) => `config:set ${app} ${name!.toUpperCase()}=…, then push again`,
  ],
  [
    /connection to server at "([^"]+)"(?: \([^)]*\))?, port (\d+) failed: Connection refused/,
    ([, place, port]) => refused(place!, port!),
    ([, , port], scene) => startService(port!, scene),
  ],
  [
    /ECONNREFUSED (?:127\.0\.0\.1|::1|localhost|[\d.]+):(\d+)|Error 111 connecting to \S+?:(\d+)|dial tcp \S+:(\d+): connect: connection refused|(?:localhost|127\.0\.0\.1|\[::1\]):(\d+).{0,80}[Cc]onnection refused|Connection refused.{0,40}(?:localhost|127\.0\.0\.1):(\d+)|connect\(2\) for \S+ port (\d+)/,
    (found) => refused("localhost", found.slice(1).find(Boolean)!),
    (found, scene) => startService(found.slice(1).find(Boolean)!, scene),
  ],
  [
    /Can't connect to (?:local )?(?:MySQL|MariaDB) server|SQLSTATE\[HY000\] \[2002\]|Mysql2::Error::ConnectionError/,
    "no MySQL answers (connection refused)",
    (_, scene) => startService("3306", scene),
  ],
  [
    /(?:PG::ConnectionBad|could not connect to server: Connection refused|connection to server on socket \S+ failed|SQLSTATE\[08006\])/,
    "no PostgreSQL answers (connection refused)",
    (_, scene) => startService("5432", scene),
  ],
  [
    /MongooseServerSelectionError|ServerSelectionTimeoutError|MongoNetworkError/,
    "no MongoDB answers (connection refused)",
    (_, scene) => startService("27017", scene),
  ],
  [
    /could not translate host name "([^"]+)"|getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (\S+)|dial tcp: lookup (\S+?)[: ].*no such host|Could not resolve host(?:name)?:? (\S+)|php_network_getaddresses: getaddrinfo for (\S+) failed/,
    (found) => `there is no host '${found.slice(1).find(Boolean)}' that the server could reach`,
    (found, { app }) =>
      /^[a-z]+$/.test(found.slice(1).find(Boolean) ?? "")
        ? `a name of Docker Compose is none here: config:set ${app} DATABASE_URL=…, with localhost; then push again`
        : `is the server on the internet? run ${app} -- getent hosts example.com; then push again`,
  ],
  [
    /password authentication failed for user "([^"]+)"|Access denied for user '([^']+)'/,
    (found) => `the database does not accept the password of '${found[1] || found[2]}'`,
    "config:set $APP DATABASE_URL=…, with the right name and password, then push again",
  ],
  [
    /(?:database|role) "([^"]+)" does not exist|Unknown database '([^']+)'/,
    (found) => `the database has no '${found[1] || found[2]}'`,
    "make it on the server (sudo -u postgres createdb NAME), then push again",
  ],
  [
    /Temporary failure in name resolution|Name or service not known|EAI_AGAIN|Network is unreachable|Failed to establish a new connection/,
    "the server cannot reach the internet, or does not find the name",
    "look at the server's network (its own cable, Wi-Fi, DNS), then push again",
  ],
  [
    /certificate (?:is not yet valid|has expired)|CERT_NOT_YET_VALID|certificate verify failed: certificate is not yet valid/i,
    "a certificate is not valid at the time that the server's clock shows",
    "on the server: date; sudo timedatectl set-ntp true; then push again",
  ],
  [
    /^MemoryError|std::bad_alloc|java\.lang\.OutOfMemoryError|fatal error: runtime: out of memory|[Cc]annot allocate memory|Allowed memory size of \d+ bytes exhausted|ran out of memory|signal: killed|^Killed$/,
    "the server's memory ran out",
    "run fewer processes (ps:scale), config:set $APP PIKU_OVERLAP=false, or add swap on the server; then push again",
  ],
];

/** What piku has seen, where no word of the app's tells more: its line begins with `piku: `. */
export const seenCauses: readonly Cause[] = [
  [
    /callable not found or import error/,
    (_, scene, log) => (/^Traceback|Error:/m.test(log) ? undefined : wrongCallable(scene)),
    (_, scene) => rightCallable(scene),
  ],
  [
    /^piku: (?:it has not started|nothing listens).*? after (\d+) s/,
    ([, seconds], scene) => {
      const file = target(scene)?.module.replaceAll(".", "/");
      return scene.kind === "wsgi"
        ? `after ${seconds} s ${file}.py was still being read: is there a loop or a sleep outside of a function?`
        : undefined;
    },
    "move it into a function, or into a program of its own: worker: python3 NAME.py; commit and push",
  ],
  [
    /^piku: .*?it listens on (?:port |\S*:)(\d+).*/,
    ([said], { command }) => said!.replace(/^piku:/, `\`${printable(command)}\`:`),
    // What piku advises goes for any program; the line of the app's own source comes first.
    (_, scene) =>
      scene.advice
        ? [portInSource(scene), scene.advice].filter(Boolean).join("; ")
        : takePort(scene),
  ],
  [
    /^piku: nothing listens on (\S+).*? after (\d+) s/,
    ([, wanted, seconds], { command }) =>
      `\`${printable(command)}\` listens on no port after ${seconds} s; it must listen on ${wanted} ($BIND_ADDRESS:$PORT)`,
    (_, scene) =>
      `${takePort(scene)}; a program without a web page is a worker: ${procfileLine({ ...scene, kind: "worker" }, /$/, "")}`,
  ],
  [
    /^piku: (?:it )?(?:exited|ended) (?:right|at)/,
    (_, scene, log) => {
      if (scene.advice || isTold(log)) return undefined;
      const found = unserved(scene);
      return found
        ? `${found.file} makes an app, and nothing runs it: \`${printable(scene.command)}\` ended at once`
        : `\`${printable(scene.command)}\` ended at once, and a '${scene.kind}' process must go on`;
    },
    (_, scene) => {
      const found = unserved(scene);
      if (found) return `Procfile: ${found.line}`;
      const once = `for a program that ends: cron: @hourly ${printable(scene.command)}`;
      return scene.kind === "web" ? `it must answer on $PORT; ${once}` : once;
    },
  ],
];

/** Whether an app that ended has said why, in words that no row knows. */
const isTold = (log: string) =>
  /error|exception|fatal|failed|cannot|can't|not found|usage:/i.test(log);

/** A file that makes a web app without running it, and the line that would. */
function unserved(scene: Scene): { file: string; line: string } | undefined {
  const file = /[\w./-]+\.py\b/.exec(scene.command)?.[0];
  const source = (file && scene.read(file)) || "";
  const name = callables(source)[0];
  if (!file || !name || !/\b(Flask|FastAPI|Bottle|Starlette|Quart|Dash)\(/.test(source))
    return undefined;
  const app = `${file.replace(/\.py$/, "").replaceAll("/", ".")}:${name}`;
  const line = /\b(FastAPI|Starlette|Quart)\(/.test(source)
    ? `web: uvicorn ${app} --host $BIND_ADDRESS --port $PORT`
    : `wsgi: ${app}`;
  return { file, line };
}
