/** One directive of an nginx file: its words, without quotes and backslashes. */
export type Directive = readonly string[];

/**
 * A `;` or a brace, a comment, a word in quotes, another word, as nginx reads them
 * (ngx_conf_read_token): words end at a blank, `;` or `{`, a backslash escapes the next character,
 * and quotes and `#` only count at the beginning of a word. One pattern, since a loop over the
 * characters takes QuickJS three times as long, and a deploy looks at the sites of all apps.
 */
const token =
  /[;{}]|#[^\n]*|"(?:[^"\\]+|\\.)*(?:"|\\?$)|'(?:[^'\\]+|\\.)*(?:'|\\?$)|(?:[^ \t\r\n;{\\]+|\\.|(?<=\$)\{|\\$)+/gs;

/**
 * The directives of an nginx file in their order, from all blocks. Never throws: nginx itself
 * refuses what is malformed.
 */
export function readDirectives(text: string): Directive[] {
  const found: Directive[] = [];
  let words: string[] = [];
  for (const one of text.match(token) ?? []) {
    const first = one[0]!;
    if (first === ";" || first === "{" || first === "}") {
      if (words.length > 0) found.push(words);
      words = [];
    } else if (first === '"' || first === "'")
      words.push(unescaped(one.slice(1, one.length > 1 && one.endsWith(first) ? -1 : undefined)));
    else if (first !== "#") words.push(unescaped(one));
  }
  return words.length > 0 ? [...found, words] : found;
}

const escapes: Record<string, string> = {
  t: "\t",
  r: "\r",
  n: "\n",
  '"': '"',
  "'": "'",
  "\\": "\\",
};

const unescaped = (word: string) =>
  word.includes("\\")
    ? word.replace(/\\(["'\\trn])/g, (_, letter: string) => escapes[letter]!)
    : word;

/**
 * The server names in an nginx file, in lower case and without duplicates. `.example.com` is two
 * names; `$hostname`, which nginx replaces, is `hostname`. A pattern (`~...`) stands for itself:
 * nginx tries patterns last, so they take nothing from another site's name.
 */
export function serverNamesIn(text: string, hostname = ""): Set<string> {
  const names = readDirectives(text)
    .filter(([directive]) => directive === "server_name")
    .flatMap(([, ...words]) => words)
    .map((word) => word.toLowerCase())
    .flatMap((name) => {
      if (name === "$hostname") return hostname.toLowerCase();
      return name.startsWith(".") ? [name.slice(1), `*${name}`] : name;
    });
  return new Set(
    names.map((name) => (name.startsWith("~") ? name : name.replace(/\.$/, ""))).filter(Boolean),
  );
}

/**
 * Whether an nginx file may use one of these server names. That of another app almost never does,
 * and to read all of its words takes a small board milliseconds.
 */
export function mayUse(text: string, names: readonly string[]): boolean {
  const all = text.toLowerCase();
  return (
    all.includes("$hostname") ||
    names.some((name) => name.startsWith("~") || all.includes(name.replace(/^\*/, "")))
  );
}

/** The ports on which an nginx file defines the default server. */
export const defaultPortsIn = (text: string): number[] =>
  (saysDefault(text) ? readDirectives(text) : [])
    .filter(
      ([directive, , ...options]) =>
        directive === "listen" &&
        options.some((word) => word === "default_server" || word === "default"),
    )
    .flatMap(([, where]) => portListenedOn(where!) ?? []);

const saysDefault = (text: string) =>
  text.split("default").some((rest, i) => i > 0 && !rest.startsWith("_type"));

/** The port of a `listen` directive: 80 for an address without one, none for a socket. */
function portListenedOn(where: string): number | undefined {
  if (where.startsWith("unix:")) return undefined;
  const port = /^(\d+)$|^(?:\[[^\]]*\]|[^:\]]*):(\d+)$/.exec(where);
  return port ? Number(port[1] ?? port[2]) : 80;
}

/**
 * The addresses and ports that an nginx file listens on: `10.0.0.1:80`, `[::1]:443`, `*:80` for all
 * addresses.
 */
export const listensIn = (text: string): string[] =>
  readDirectives(text)
    .filter(([directive]) => directive === "listen")
    .flatMap(([, where = ""]) => {
      const port = portListenedOn(where);
      if (port === undefined) return [];
      const address = /^\d+$/.test(where)
        ? "*"
        : where.replace(/(^|\]):?\d*$|:\d+$/, "$1").toLowerCase();
      return `${address === "0.0.0.0" ? "*" : address}:${port}`;
    });

/** The cache folders in an nginx file. */
export const cacheFoldersIn = (text: string): string[] =>
  readDirectives(text)
    .filter(([directive]) => /^[a-z]+_cache_path$/.test(directive!))
    .map(([, folder]) => folder ?? "");
