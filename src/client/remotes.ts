import { usageError } from "../text/errors.ts";
import { printable } from "../text/text.ts";

/** A board as ssh reaches it. */
export interface Board {
  /** `piku@board`, or a name of ~/.ssh/config. */
  address: string;
  port?: string;
}

/** A git remote that may lead to an app on a board. */
export interface Remote extends Board {
  /** git's name for it. */
  name: string;
  app: string;
}

const looksLikeApp = (path: string) => /^[A-Za-z0-9][\w.-]*$/.test(path);
const appIn = (path: string) =>
  path
    .replace(/^\/?(~\/)?/, "")
    .replace(/\/$/, "")
    .replace(/\.git$/, "");

/**
 * The board and the app of a push URL, in both of git's forms for ssh (git-push(1)): `piku@board:app`
 * and `ssh://piku@board:2222/app`. Undefined for any other address, and for a path of several
 * directories, which no board serves.
 */
export function parseUrl(url: string): (Board & { app: string }) | undefined {
  const [, full, fullPort, fullPath] =
    /^ssh:\/\/((?:[\w.+-]+@)?(?:\[[\da-fA-F:]+\]|[\w.-]+))(?::(\d{1,5}))?\/(.+)$/.exec(url) ?? [];
  // One letter and a colon is a drive of Windows.
  const [, short, shortPath] =
    /^((?:[\w.+-]+@)?(?:\[[\da-fA-F:]+\]|[\w.-]{2,})):(?!\/\/)(.+)$/.exec(url) ?? [];
  const address = full ?? short;
  const app = appIn(fullPath ?? shortPath ?? "");
  if (!address || address.startsWith("-") || !looksLikeApp(app)) return undefined;
  return { ...boardAt(address), ...(fullPort ? { port: fullPort } : {}), app };
}

/** git puts an IPv6 address into brackets, ssh does not. */
const boardAt = (address: string): Board => ({ address: address.replace(/\[(.*)\]$/, "$1") });

/**
 * A board as people write it: `board`, `piku@board`, `ssh://piku@board:2222`. The user is piku
 * unless it is given. Throws a usage error.
 */
export function parseBoard(typed: string): Board {
  const [, user = "piku", host, port] =
    /^(?:ssh:\/\/)?(?:([\w.+-]+)@)?([\w][\w.-]*|\[[\da-fA-F:]+\])(?::(\d{1,5}))?\/?$/.exec(typed) ??
    [];
  if (!host)
    throw usageError(
      `'${printable(typed)}' is not the name of a board`,
      "write it as board.local, piku@board.local or ssh://piku@board.local:2222",
    );
  return { ...boardAt(`${user}@${host}`), ...(port ? { port } : {}) };
}

/** An address as git and scp take it: one of IPv6 in brackets, since a colon ends it. */
export const inBrackets = ({ address }: Board) => address.replace(/^([^@]*@)?(.*:.*)$/, "$1[$2]");

/** The address that git pushes an app to. */
export const urlOf = (board: Board, app: string) =>
  board.port || board.address.includes(":")
    ? `ssh://${inBrackets(board)}${board.port ? `:${board.port}` : ""}/${app}`
    : `${board.address}:${app}`;

/** The remotes that `git remote -v` lists, those that may lead to a board. */
export const parseRemotes = (listed: string): Remote[] =>
  listed.split("\n").flatMap((line) => {
    const [, name, url] = /^(\S+)\t(.*) \(push\)$/.exec(line) ?? [];
    const found = url === undefined ? undefined : parseUrl(url);
    return name !== undefined && found ? [{ name, ...found }] : [];
  });
