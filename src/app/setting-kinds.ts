import { defu } from "defu";

/** A kind of value: what it is called, how it is read, and its default. */
export interface Kind<T> {
  /** What a value, or a part of it, is called: `invalid port '80000'`. */
  noun: string;
  /** What the reference page calls it, where that is not the noun. */
  title?: string;
  /** What to write instead of an invalid value, with an example. */
  hint: string;
  /** The value where the setting is not there. */
  initial: T;
  /** The value where it is there and empty. */
  empty: T;
  /**
   * Reads what is written, without spaces around it. `refuse` throws, and names the part that is
   * invalid, or all of it.
   */
  read(text: string, refuse: (part?: string) => never): T;
  /** What an unclear value counts as, which is not refused; undefined for a clear one. */
  guess?(text: string): T | undefined;
}

const yes = /^(true|1|yes|on|y|enabled)$/i;
const no = /^(false|0|no|off|n|disabled|)$/i;

/**
 * `true` or `false`, in the words of the original and of uWSGI. `others`: what any other word
 * counts as; for the original it was false, for uWSGI true.
 */
export const boolean = (initial: boolean, others = false): Kind<boolean> => ({
  noun: "true or false",
  hint: "write true or false",
  initial,
  empty: false,
  read: (text) => (yes.test(text) ? true : no.test(text) ? false : others),
  guess: (text) => (yes.test(text) || no.test(text) ? undefined : others),
});

/** A whole number from `min` to `max`. */
export function number<Initial extends number | undefined>(
  initial: Initial,
  options: { noun?: string; min?: number; max?: number; example?: number } = {},
): Kind<number | Initial> {
  const defaults = { noun: "number", min: 0, max: 999_999_999, example: initial || 60 };
  const { noun, min, max, example } = defu(options, defaults);
  const range = min === defaults.min && max === defaults.max ? "" : ` from ${min} to ${max}`;
  return {
    noun,
    hint: `write a whole number${range}, such as ${example}`,
    initial,
    empty: initial,
    read: (text, refuse) => {
      const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : refuse();
    },
  };
}

/** A duration, in seconds. */
export const seconds = (initial: number) => number(initial, { noun: "number of seconds" });

const secondsOf: Record<string, number> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 };
const longestSpan = 365 * 86_400;

/** A span of time, in seconds, at most a year; `false`, the default, is 0. */
export const spanOfTime = (): Kind<number> => ({
  noun: "span of time",
  hint: "write a span with s, m, h or d, such as 15m, or false",
  initial: 0,
  empty: 0,
  read: (text, refuse) => {
    if (no.test(text)) return 0;
    const [, count, unit] = /^([1-9]\d{0,7})([smhd]?)$/.exec(text) ?? [];
    const value = count ? Number(count) * secondsOf[unit!]! : Number.NaN;
    return value <= longestSpan ? value : refuse();
  },
});

/** A TCP port. */
export const port = <Initial extends number | undefined = undefined>(initial?: Initial) =>
  number(initial as Initial, { noun: "port", min: 1, max: 65_535, example: 8080 });

/** The first of the ports for apps without a name; `off` for none. */
export const firstPort = (): Kind<number | "off" | undefined> => ({
  ...port(),
  title: "port or `false`",
  hint: "write a port such as 8001, or false",
  read: (text, refuse) => (no.test(text) ? "off" : port().read(text, refuse)),
});

// PATH_MAX of Linux.
const maxLength = 4096;

/** One line of text, which a pattern may restrict. */
export const line = <Initial extends string | undefined = undefined>(
  noun: string,
  hint: string,
  pattern: RegExp = /(?:)/,
  initial?: Initial,
): Kind<string | Initial> => ({
  noun,
  hint,
  initial: initial as Initial,
  empty: initial as Initial,
  read: (text, refuse) => (text.length <= maxLength && pattern.test(text) ? text : refuse()),
});

const bytes: Record<string, number> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** An amount of memory, in bytes. With its unit, since one forgotten would be a millionth. */
export const size = (): Kind<number | undefined> => ({
  noun: "size",
  hint: "write a size with M or G, such as 200M",
  initial: undefined,
  empty: undefined,
  read: (text, refuse) => {
    const [, amount, unit] = /^([1-9]\d{0,6})([kmg])b?$/i.exec(text) ?? [];
    return unit ? Number(amount) * bytes[unit.toLowerCase()]! : refuse();
  },
});

/** A share, in percent. */
export const percent = (): Kind<number | undefined> => ({
  noun: "share",
  hint: "write a share from 1% to 100%, such as 25%",
  initial: undefined,
  empty: undefined,
  read: (text, refuse) => {
    const value = Number(/^(\d{1,3})%?$/.exec(text)?.[1] ?? 0);
    return value >= 1 && value <= 100 ? value : refuse();
  },
});

/** One of these words. */
export const choice = <Word extends string>(...words: Word[]): Kind<Word | undefined> => ({
  noun: "choice",
  title: words.map((word) => `\`${word}\``).join(" or "),
  hint: `write ${words.join(" or ")}`,
  initial: undefined,
  empty: undefined,
  read: (text, refuse) => words.find((word) => word === text) ?? refuse(),
});

/** How a list is written; commas separate its items unless there is another separator. */
interface List extends Pick<Kind<string[]>, "noun" | "title" | "hint"> {
  separator?: RegExp;
  isValid?(item: string): boolean;
  /** What is made of a valid item; nothing is left of an empty one. */
  clean?(item: string): string;
}

/** A list of items, each of which counts once. */
export const list = ({
  separator = /,/,
  isValid = () => true,
  clean = (item) => item.trim(),
  ...names
}: List): Kind<string[]> => ({
  ...names,
  initial: [],
  empty: [],
  read: (text, refuse) => {
    const items = text.split(separator).filter((item) => item.trim() !== "");
    const bad = items.find((item) => !isValid(item));
    if (bad !== undefined) refuse(bad);
    return [...new Set(items.map(clean))].filter((item) => item !== "");
  },
});

/** Whether a value is what `openssl passwd` makes of a password, and nginx reads (crypt(5)). */
export const isPasswordHash = (value: string) => hashPattern.test(value);

const hashPattern = /^\$(apr1|5|6)\$[./0-9A-Za-z$=]{20,200}$/;

/** The hash of a password. */
export const passwordHash = () =>
  line(
    "password",
    "the repository is no place for a password; set it on the board, which keeps a hash of it only: config:set APP PIKU_PASSWORD=...",
    hashPattern,
  );

/** An IP address that nginx listens on. */
export const address = <Initial extends string>(initial: Initial, pattern: RegExp) =>
  line("address", "write 192.0.2.1, or [2001:db8::1]", pattern, initial);

/** A file of the app, by its path in the repository. */
export const ownFile = () =>
  line(
    "file of the app",
    "write its path in the repository, such as nginx.conf",
    /^(?!\/)(?!(.*\/)?\.\.(\/|$))/,
  );

const serverName =
  /^(_|(\*\.|\.)?([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.\*)?\.?|\[[0-9a-fA-F:.]+\])$/;

/** Names of a site. What nginx would read as something else is invalid. */
export const serverNames = () =>
  list({
    noun: "server name",
    title: "server names",
    hint: "write names such as app.example.com, with commas between them",
    separator: /[\s,]+/,
    isValid: (name) => name.length <= 253 && serverName.test(name),
    clean: (name) => name.toLowerCase(),
  });

const domainName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?$/i;

/** A domain name, below which apps get theirs. */
export const domain = () => line("domain", "write a domain, such as pi.example.com", domainName);

/** Absolute directories with `:` between them. */
export const directories = () =>
  list({
    noun: "directory",
    title: "directories",
    hint: "write absolute paths with ':' between them, such as /srv/photos:/mnt/usb",
    separator: /:/,
    isValid: (path) =>
      /^\/[^\x00-\x1f"$\\]*$/.test(path) && !/^\/+$/.test(path) && !/\/\.{1,2}\//.test(`${path}/`),
    clean: (path) => path.replace(/\/+/g, "/").replace(/\/$/, ""),
  });
