import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import type { Board } from "./remotes.ts";
import { lineOf, sshTo } from "./ssh.ts";

/** What `apps --json` says of an app, as far as the client goes by it. */
export interface Listed {
  app: string;
  commit?: string;
  up: number;
  wanted: number;
  url?: string;
  ownPort?: number;
}

/** An app in what `apps --json` has printed. */
export const listedIn = (printed: string, app: string): Listed | undefined =>
  (JSON.parse(printed) as Listed[]).find((one) => one.app === app);

/** A board, as a move speaks with it. What fails throws what the board said. */
export function speakTo(host: Host, board: Board) {
  const name = board.address;
  const argv = (words: readonly string[]) => [...sshTo(board), lineOf(words)];
  const ask = (...words: string[]) => {
    const { status, stdout, stderr } = host.capture(argv(words), { most: 16 * 1024 * 1024 });
    if (status === 0) return stdout;
    const [, said = stderr.trim()] = /^Error: (.*)$/m.exec(stderr) ?? [];
    throw new PikuError(`${name} says: ${said}`, /^Hint: (.*)$/m.exec(stderr)?.[1]);
  };
  return {
    board,
    name,
    ask,
    /** A line to type, for a hint. */
    line: (...words: string[]) =>
      argv(words)
        .filter((word) => word !== "--")
        .join(" "),
    /** What a line for the app's shell prints, without the last line break. */
    run: (app: string, line: string) => ask("run", app, "--", line).trimEnd(),
    find: (app: string) => listedIn(ask("apps", "--json"), app),
    /** Stops it, with a page that says why where it has a site. */
    close(app: string, message: string) {
      // An app without a site has no page.
      host.capture(argv(["maintenance:on", app, "--message", message]));
      ask("stop", app);
    },
    /** Lets nothing of it run, however far it has come. */
    halt: (app: string) => void host.capture(argv(["stop", app])),
    open(app: string) {
      ask("maintenance:off", app);
      ask("restart", app);
    },
  };
}

export type Spoken = ReturnType<typeof speakTo>;
