/** One directive of an nginx file: its words, without quotes and backslashes. */
export type Directive = readonly string[];

/**
 * The directives of an nginx file in their order, from all blocks. Parsed as nginx does it
 * (ngx_conf_read_token): words end at whitespace, `;` or `{`, a backslash escapes the next
 * character, and quotes and `#` only count at the beginning of a word. Never throws: nginx itself
 * refuses what is malformed.
 */
export function readDirectives(text: string): Directive[] {
  const found: Directive[] = [];
  let words: string[] = [];
  for (let at = 0; at < text.length; ) {
    const one = text[at]!;
    if (isBlank(one)) at++;
    else if (one === "#") at = (text.indexOf("\n", at) + 1 || text.length + 1) - 1;
    else if (one === ";" || one === "{" || one === "}") {
      if (words.length > 0) found.push(words);
      words = [];
      at++;
    } else {
      const end = endOfWord(text, at);
      const isQuoted = one === '"' || one === "'";
      words.push(unescaped(text.slice(isQuoted ? at + 1 : at, end)));
      at = isQuoted ? end + 1 : end;
    }
  }
  return words.length > 0 ? [...found, words] : found;
}

const isBlank = (letter: string) =>
  letter === " " || letter === "\t" || letter === "\r" || letter === "\n";

/**
 * Where the word that begins at `start` ends: at its closing quote, or after its last character.
 */
function endOfWord(text: string, start: number): number {
  const quote = text[start] === '"' || text[start] === "'" ? text[start]! : "";
  for (let at = start + quote.length; at < text.length; at++) {
    const one = text[at]!;
    if (one === "\\") at++;
    else if (
      quote ? one === quote : isBlank(one) || one === ";" || (one === "{" && text[at - 1] !== "$")
    )
      return at;
  }
  return text.length;
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
  word.replace(/\\(["'\\trn])/g, (_, letter: string) => escapes[letter]!);

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

/** The ports on which an nginx file defines the default server. */
export const defaultPortsIn = (text: string): number[] =>
  readDirectives(text)
    .filter(
      ([directive, , ...options]) =>
        directive === "listen" &&
        options.some((word) => word === "default_server" || word === "default"),
    )
    .flatMap(([, where]) => portListenedOn(where!) ?? []);

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
