import type { Host } from "../host/host.ts";
import { must, PikuError, usageError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { type Board, parseBoard, parseRemotes, parseUrl, type Remote } from "./remotes.ts";
import { sshTo } from "./ssh.ts";

/** What a call of the client says of where it goes, before the command's name. */
export interface Wanted {
  /** `-r`: the name of a git remote. */
  remote?: string;
  /** `-a`: an app's name, in the place of the remote's. */
  app?: string;
}

/** Where a command goes: a board, and the app if the directory or the caller names one. */
export interface Place {
  board: Board;
  app?: string;
  /** What `git push` pushes to: the remote's name. */
  remote?: string;
}

const toConnect =
  "in a directory of your app: piku init BOARD; or set PIKU_SERVER=piku@BOARD, and -a APP for an app";

/** The ssh remotes of the git repository that we are in; none outside of one. */
export const remotesHere = (host: Host): Remote[] => {
  const listed = host.capture(["git", "remote", "-v"]);
  return listed.status === 0 ? parseRemotes(listed.stdout) : [];
};

/**
 * The place of a call: the remote of `-r`, the remote called `piku`, `PIKU_SERVER` and `PIKU_APP`
 * (all as the original's client), or the only ssh remote whose other end is piku. Throws what to
 * type where none, or more than one, is found.
 */
export function findPlace(host: Host, wanted: Wanted): Place {
  const remotes = remotesHere(host);
  const named = wanted.remote ?? "piku";
  const found = remotes.find(({ name }) => name === named);
  if (found) return placeOf(found, wanted);
  if (wanted.remote !== undefined) {
    const names = remotes.map(({ name }) => name).join(", ");
    throw usageError(
      `there is no git remote '${printable(wanted.remote)}' that could lead to a board`,
      names ? `there is ${names}` : toConnect,
    );
  }
  return fromEnvironment(host, wanted) ?? placeOf(onlyBoard(host, remotes), wanted);
}

const placeOf = ({ name, app, address, port }: Remote, wanted: Wanted): Place => ({
  board: { address, ...(port ? { port } : {}) },
  app: wanted.app ?? app,
  remote: name,
});

function fromEnvironment(host: Host, wanted: Wanted): Place | undefined {
  const { PIKU_SERVER: server, PIKU_APP: named } = host.env();
  if (!server) return undefined;
  const full = parseUrl(server);
  return { board: full ?? parseBoard(server), app: wanted.app ?? (named || full?.app) };
}

/** The remote whose other end says that it is piku. */
function onlyBoard(host: Host, remotes: readonly Remote[]): Remote {
  const boards = remotes.filter((remote) =>
    /^piku /m.test(
      host.capture([
        ...sshTo(remote).toSpliced(1, 0, "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"),
        "version",
      ]).stdout,
    ),
  );
  const [only, ...others] = boards;
  if (only && others.length === 0) return only;
  if (only)
    throw usageError(
      `${boards.map(({ name }) => name).join(" and ")} all lead to a board`,
      `say which: piku -r ${only.name} ...`,
    );
  throw new PikuError("no git remote of this directory leads to a board", toConnect);
}

/** The app of a place. Throws where none is named. */
export function requireApp({ app }: Place): string {
  if (app !== undefined) return app;
  throw usageError("which app?", "in the directory of one, or: piku -a APP ...");
}

/** The branch that is checked out. Throws outside a repository, and on no branch. */
export function currentBranch(host: Host): string {
  const found = host.capture(["git", "symbolic-ref", "--short", "HEAD"]);
  if (found.status === 0) return found.stdout.trim();
  must(host, ["git", "rev-parse", "--git-dir"], "this directory is not in a git repository");
  throw new PikuError("no branch is checked out here", "first: git switch main");
}
