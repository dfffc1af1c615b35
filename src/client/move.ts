import { command } from "../commands/command.ts";
import type { Host } from "../host/host.ts";
import { explain, must, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { shellQuote } from "../text/text.ts";
import { nameToFollow, waitUntilFollows } from "./follows.ts";
import { findPlace, requireApp, type Wanted } from "./place.ts";
import { type Board, parseBoard, urlOf } from "./remotes.ts";
import { type Listed, type Spoken, speakTo } from "./speak.ts";
import { destinationOf, lineOf, shellArgv } from "./ssh.ts";

/** Files that an app keeps: its data, and a database in its own directory. */
const keepsFiles =
  'find "$DATA_ROOT" -type f | head -n 1; find . -type f "(" -name "*.db" -o -name "*.sqlite*" ")" | head -n 1';

/** The names of its data's files, but SQLite's own beside a database, which a backup closes. */
const dataNames =
  'cd "$DATA_ROOT" && find . -type f ! -name "*-wal" ! -name "*-shm" ! -name "*-journal" | LC_ALL=C sort | cksum';

const writtenSince = (seconds: string) =>
  `cd "$DATA_ROOT" && find . -type f -newermt @${Number(seconds)} | head -n 20`;

export const move = (wanted: Wanted) =>
  command({
    name: "move",
    group: "Your computer",
    description: "Move an app to another board, with its settings and data",
    details:
      "It is copied, started and checked there before the old board stops it. One that keeps files is closed with a page meanwhile, so that nothing it is told is lost; any other serves until its name leads to the new board.",
    examples: ["piku move blog board2.local", "piku -r old move blog piku@board2.local --live"],
    args: {
      app: { type: "positional", description: "the app's name", required: true },
      board: {
        type: "positional",
        description: "where to: board.local, piku@board.local or ssh://piku@board.local:2222",
        required: true,
      },
      live: {
        type: "boolean",
        description: "do not close it meanwhile, whatever it keeps",
      },
      force: { type: "boolean", description: "replace an app of that name there, and its data" },
      wait: {
        type: "string",
        valueHint: "MINUTES",
        pattern: /^\d{1,4}$/,
        description: "how long to wait for its name to lead to the new board; 10 unless given",
      },
    },
    run({ args, host }) {
      const place = findPlace(host, { ...wanted, app: args.app });
      const old = speakTo(host, place.board);
      const fresh = speakTo(host, parseBoard(args.board));
      const plan = survey(old, fresh, requireApp(place), args);
      bringOver(host, plan, args.force === true);
      leaveOld(host, plan, Number(args.wait ?? 10));
      if (place.remote !== undefined && wanted.app === undefined)
        pointRemote(host, place.remote, urlOf(old.board, plan.app), urlOf(fresh.board, plan.app));
      tellMoved(host, plan);
    },
  });

interface PlannedMove {
  app: string;
  old: Spoken;
  fresh: Spoken;
  /** The app as the old board lists it. */
  before: Listed;
  /** Whether the old board closes it before it is copied. */
  closes: boolean;
  /** The name that somebody has to point to the new board, if there is one. */
  name: string | undefined;
  /** When the move began, by the old board's clock: seconds since 1970. */
  began: string;
}

/** What is to be moved, and how. Throws where nothing can be moved, before anything is changed. */
function survey(
  old: Spoken,
  fresh: Spoken,
  app: string,
  { live, force }: { live: boolean | undefined; force: boolean | undefined },
): PlannedMove {
  const before = old.find(app);
  if (!before)
    throw new PikuError(`app '${app}' is not on ${old.name}`, `look: ${old.line("apps")}`);
  if (before.commit === undefined || (before.up === 0 && before.wanted > 0))
    throw new PikuError(
      `app '${app}' does not run on ${old.name}; that it runs is how a move is checked`,
      `first: ${old.line("restart", app)}`,
    );
  if (fresh.find(app) && !force)
    throw new PikuError(
      `there is an app '${app}' on ${fresh.name} already`,
      "to replace it and its data: --force",
    );
  const closes = !live && old.run(app, keepsFiles) !== "";
  const began = old.run(app, "date +%s");
  return { app, old, fresh, before, closes, name: nameToFollow(before), began };
}

/** Copies an app and checks it; when that fails the old board has it as before, and says so. */
function bringOver(host: Host, plan: PlannedMove, force: boolean): void {
  const { app, old, fresh, closes } = plan;
  const voice = voiceOf(host);
  if (closes) {
    voice.start(`Closing app '${app}' on ${old.name}`);
    voice.log(`       If this is broken off, open it again: ${old.line("restart", app)}`);
    old.close(app, "This app is moving to another board. Please come back in a few minutes.");
  }
  try {
    voice.start(`Copying it to ${fresh.name}`);
    copy(host, old.board, fresh.board, app, force);
    if (closes) fresh.open(app);
    voice.start("Checking what has arrived");
    check(plan);
  } catch (error) {
    voice.error(explain(error).message);
    if (closes) old.open(app);
    fresh.halt(app);
    throw new PikuError(
      `app '${app}' stays on ${old.name}; what has come to ${fresh.name} is stopped`,
      `look: ${fresh.line("logs", app)}; to try again: piku move ${app} ${shellQuote(fresh.name)} --force`,
    );
  }
}

/** Closes what was left open on the old board, once visitors go to the new one. */
function leaveOld(
  host: Host,
  { app, old, fresh, closes, name, began }: PlannedMove,
  minutes: number,
) {
  if (closes) return;
  const voice = voiceOf(host);
  if (name !== undefined) {
    voice.start(`Waiting until ${name} leads to ${fresh.name}; until then ${old.name} serves it`);
    const unseen = waitUntilFollows(host, name, old.board, fresh.board, minutes);
    if (unseen)
      throw new PikuError(
        `app '${app}' runs on both boards, since ${unseen}`,
        `when ${name} leads to ${fresh.name}: ${old.line("stop", app)}`,
      );
  }
  old.close(app, "This app has moved to another board.");
  const late = old.run(app, writtenSince(began));
  if (late !== "")
    voice.warn(
      `written on ${old.name} after the copy, and not on ${fresh.name}: ${late.split("\n").join(", ")}`,
    );
}

function tellMoved(host: Host, { app, old, fresh, closes, name }: PlannedMove): void {
  const voice = voiceOf(host);
  const address = fresh.find(app)?.url;
  voice.start(`App '${app}' is on ${fresh.name}${address ? `: ${address}` : ""}`);
  if (closes && name !== undefined) voice.log(`       Point ${name} there now.`);
  voice.log(`       On ${old.name} it is stopped; to remove it: ${old.line("destroy", app)}`);
}

/** Throws unless an app is on the new board what it was on the old one, and runs. */
function check({ app, before, old, fresh, closes }: PlannedMove): void {
  const after = fresh.find(app);
  const settings = (one: Spoken) => one.ask("config", app, "--json");
  const wrong: Record<string, boolean> = {
    "it is not there": after === undefined,
    "it has another commit": after?.commit !== before.commit,
    "not all of its processes are up": after === undefined || after.up < after.wanted,
    "its settings differ": settings(old) !== settings(fresh),
    "its data has other files": closes && old.run(app, dataNames) !== fresh.run(app, dataNames),
  };
  const [found] = Object.keys(wrong).filter((what) => wrong[what]);
  if (found) throw new PikuError(`it is not there as it was on ${old.name}: ${found}`);
}

/**
 * Streams a backup from one board into the other's restore. A backup that breaks off is refused by
 * `restore`, which reads its seal first.
 */
function copy(host: Host, from: Board, to: Board, app: string, force: boolean): void {
  const script = 'ssh -p "$2" -- "$1" "$3" | ssh -p "$5" -- "$4" "$6"';
  const restore = lineOf(["restore", app, ...(force ? ["--force"] : [])]);
  const ends = [
    [from.address, destinationOf(host, from).port, lineOf(["backup", app])],
    [to.address, destinationOf(host, to).port, restore],
  ].flat();
  if (host.run(shellArgv(script, ends)) !== 0)
    throw new PikuError(`app '${app}' could not be copied to ${to.address}`, "the reason is above");
}

/** Lets a git remote that led to the old board lead to the new one. */
function pointRemote(host: Host, remote: string, from: string, to: string): void {
  const present = host.capture(["git", "remote", "get-url", "--push", remote]).stdout.trim();
  if (present !== from) return;
  must(host, ["git", "remote", "set-url", remote, to], "cannot change the remote");
  voiceOf(host).log(`Remote '${remote}' is ${to} now.`);
}
