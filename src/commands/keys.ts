import { parseAppName } from "../app/app.ts";
import {
  type Access,
  type Key,
  type KeyLine,
  keysFile,
  parseKeyLines,
} from "../app/authorized-keys.ts";
import { withLock } from "../app/locks.ts";
import { pathsOf } from "../app/paths.ts";
import {
  addKeys,
  authorizedKeys,
  fingerprintsOf,
  maxKeysBytes,
  readKeys,
  warnOfLoginLines,
} from "../board/keys.ts";
import type { Host } from "../host/host.ts";
import { PikuError, usageError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import { columns, printable } from "../text/text.ts";
import { command, jsonArg } from "./command.ts";

type ListedKey = KeyLine & Pick<Key, "fingerprint">;

/** Every key of authorized_keys, with its fingerprint. */
function listKeys(host: Host): ListedKey[] {
  const lines = parseKeyLines(authorizedKeys(host));
  const fingerprints = fingerprintsOf(host, lines);
  return lines.flatMap((line, i) => {
    const fingerprint = fingerprints[i];
    return fingerprint ? [{ ...line, fingerprint }] : [];
  });
}

const nameOf = ({ access, comment }: KeyLine) =>
  access && access.name !== "default" ? access.name : comment || "default";

/** A day as people write it, of `YYYYMMDD…`. */
const dayOf = (until: string) => until.replace(/^(\d{4})(\d\d)(\d\d).*$/, "$1-$2-$3");

/** Today in the server's time, `YYYY-MM-DD`. */
function today(host: Host): string {
  const now = new Date(host.now());
  const two = (number: number) => String(number).padStart(2, "0");
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}

/** What a key may do: `all`, its apps, or `login` for a line that has no piku behind it. */
const scopeOf = ({ access }: KeyLine) => (access ? (access.apps?.join(",") ?? "all") : "login");

export const keys = command({
  name: "keys",
  group: "The board",
  description: "List the keys that may push and give commands",
  details: "For each key: fingerprint, day added, apps, last day, name.",
  examples: ["ssh piku@board keys"],
  alias: ["keys:list", "ssh-keys", "ssh-keys:list"],
  args: { json: jsonArg },
  run({ args, host }) {
    const all = listKeys(host);
    if (args.json)
      return host.say(
        JSON.stringify(
          all.map((key) => ({
            fingerprint: key.fingerprint,
            name: nameOf(key),
            added: key.access?.added,
            apps: key.access?.apps,
            until: key.access?.until && dayOf(key.access.until),
            login: key.access === undefined,
          })),
        ),
      );
    const heading = ["FINGERPRINT", "ADDED", "APPS", "UNTIL", "NAME"];
    const rows = all.map((key) => [
      key.fingerprint,
      key.access?.added ?? "-",
      scopeOf(key),
      key.access?.until ? dayOf(key.access.until) : "-",
      printable(nameOf(key)),
    ]);
    const shown = host.isTerminal(1) ? [heading, ...rows] : rows;
    for (const line of columns(shown)) host.say(line);
    if (all.length === 0) host.sayError("There are no keys.");
  },
});

export const keysAdd = command({
  name: "keys:add",
  group: "The board",
  description: "Add a public key from stdin, for all apps or some",
  details:
    "With --apps it is for pushes to these apps and commands about them, but not for run or scp. That is a wall only where PIKU_ISOLATION=true is set for all apps.",
  examples: [
    "ssh piku@board keys:add anna <anna.pub",
    "ssh piku@board keys:add ben --apps blog,shop --until 2027-07-31 <ben.pub",
  ],
  alias: ["ssh-keys:add"],
  args: {
    name: { type: "positional", description: "whose key it is", required: true },
    apps: {
      type: "string",
      valueHint: "APP,APP",
      description: "the only apps that it may push to and ask about",
    },
    until: {
      type: "string",
      valueHint: "DATE",
      description: "the day on which it expires, such as 2027-07-31",
    },
  },
  run({ args, host }) {
    const access: Access = {
      name: keyName(args.name),
      added: today(host),
      apps: args.apps === undefined ? undefined : args.apps.split(",").map(parseAppName),
      until: args.until === undefined ? undefined : lastDay(host, args.until),
    };
    if (host.isTerminal(0)) host.sayError("Paste the public key, then press Return and Ctrl-D.");
    const given = host.stdin(maxKeysBytes);
    if (given.trim() === "")
      throw usageError("nothing came on stdin", `ssh piku@board keys:add ${access.name} <key.pub`);
    const read = readKeys(host, given, "stdin");
    if (read.length > 1)
      throw new PikuError(
        `stdin has ${read.length} keys`,
        "add each of them under a name of its own",
      );
    const key = read[0]!;
    withLock(host, pathsOf(host), "machine", undefined, "", () => addNamed(host, key, access));
    const apps = access.apps ? `, for ${access.apps.join(", ")} only` : "";
    const until = access.until ? `, until ${dayOf(access.until)}` : "";
    voiceOf(host).log(`Adding key '${key.fingerprint}' as '${access.name}'${apps}${until}.`);
  },
});

/** Adds a key under its name. Throws when the key or the name is there already. */
function addNamed(host: Host, key: Key, access: Access): void {
  const all = listKeys(host);
  const same = all.find(({ blob }) => blob === key.blob);
  if (same?.access)
    throw new PikuError(
      `this key has already been added as '${nameOf(same)}'`,
      `to change it, first: keys:remove ${nameOf(same)}`,
    );
  if (all.some((line) => line.access && nameOf(line) === access.name))
    throw new PikuError(
      `there already is a key called '${access.name}'`,
      "choose another name; `keys` lists them",
    );
  warnOfLoginLines(host, [key.blob]);
  if (addKeys(host, [key], () => access).length === 0)
    throw new PikuError(
      `this key is already in ${keysFile(host)}, in a line that piku did not write`,
      "on the server: remove that line with an editor",
    );
}

function keyName(typed: string): string {
  if (/^[A-Za-z0-9][\w.@+-]{0,39}$/.test(typed) && typed !== "default") return typed;
  throw usageError(
    `invalid name '${printable(typed)}' for a key`,
    "a name is up to 40 letters, digits and ._@+-, such as anna or anna@laptop",
  );
}

/** `2027-07-31` as sshd(8) wants it. Throws for what is not a day, or not in the future. */
function lastDay(host: Host, typed: string): string {
  const [, year, month, day] = /^(\d{4})-?(\d\d)-?(\d\d)$/.exec(typed) ?? [];
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const written = `${year}-${month}-${day}`;
  if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== written)
    throw usageError(`invalid date '${printable(typed)}'`, "write it as 2027-07-31");
  if (written <= today(host)) throw usageError(`${written} is not in the future`);
  return written.replaceAll("-", "");
}

export const keysRemove = command({
  name: "keys:remove",
  group: "The board",
  description: "Remove a key by its name or its fingerprint",
  examples: ["ssh piku@board keys:remove anna"],
  alias: ["keys:rm", "keys:delete", "ssh-keys:remove"],
  args: {
    key: { type: "positional", description: "its name or its fingerprint", required: true },
    force: {
      type: "boolean",
      description: "even if it is the last one for all apps, or the one in use",
    },
  },
  run({ args, host }) {
    withLock(host, pathsOf(host), "machine", undefined, "", () => {
      const all = listKeys(host);
      const meant = all.filter(
        (line) => line.fingerprint === args.key || nameOf(line) === args.key,
      );
      const fingerprints = [...new Set(meant.map(({ fingerprint }) => fingerprint))];
      const [fingerprint] = fingerprints;
      if (fingerprint === undefined)
        throw new PikuError(`there is no key '${printable(args.key)}'`, "`keys` lists them");
      if (fingerprints.length > 1)
        throw new PikuError(
          `several keys are called '${printable(args.key)}'`,
          `say which one: ${fingerprints.join(" or ")}`,
        );
      const foreign = meant.find(({ access }) => !access);
      if (foreign)
        throw new PikuError(
          `piku did not write line ${foreign.at + 1} of ${keysFile(host)}, which has this key`,
          "on the server: remove that line with an editor",
        );
      if (!args.force) refuseLockout(host, all, fingerprint);
      const gone = new Set(meant.map(({ at }) => at));
      const lines = authorizedKeys(host).split("\n");
      host.write(keysFile(host), lines.filter((_, at) => !gone.has(at)).join("\n"), 0o600);
      voiceOf(host).log(`Removing key '${fingerprint}' of '${nameOf(meant[0]!)}'.`);
    });
  },
});

/** Refuses to remove the key with which this command came, or the last one for all apps. */
function refuseLockout(host: Host, all: readonly ListedKey[], fingerprint: string): void {
  const hint = "--force removes it all the same";
  if (host.env().FINGERPRINT === fingerprint)
    throw new PikuError("you are connected with this key", hint);
  const isForAll = ({ access }: ListedKey) =>
    access !== undefined && !access.apps && !(access.until && dayOf(access.until) <= today(host));
  const left = all.filter((line) => line.fingerprint !== fingerprint);
  if (all.some(isForAll) && !left.some(isForAll))
    throw new PikuError("this is the last key for all apps: nobody could add another", hint);
}
