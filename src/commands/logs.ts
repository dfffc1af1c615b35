import { defineCommand } from "citty";
import { findApp, printable } from "../app.ts";
import { usageError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { appArg } from "./arguments.ts";

const history = 20;

/** One log that is followed. */
interface Followed {
  label: string;
  file: string;
  inode: number;
  offset: number;
  /** Where reading ended in files that had this name before, by their inodes: one of them may come back. */
  left: Map<number, number>;
}

export const logs = (host: Host) =>
  defineCommand({
    meta: { description: "Show an app's last log lines and follow its logs", example: "piku logs blog web" },
    args: {
      app: appArg,
      process: { type: "positional", description: "a kind of worker; all of them unless given", required: false },
    },
    run({ args }) {
      const app = findApp(host, args.app);
      const kind = args.process;
      if (kind !== undefined && !/^([\w-]+(\.\d+)?|\*)$/.test(kind))
        throw usageError(`'${printable(kind)}' cannot be a kind of worker`);
      const wanted = (name: string) =>
        kind === undefined || kind === "*" || name === `${kind}.log` || name.startsWith(`${kind}.`);
      const names = host.list(app.logs).filter((name) => /^[\w-]+\.\d+\.log$/.test(name) && wanted(name));
      if (names.length === 0) return host.complain(`No logs found for app '${app.name}'.`);
      follow(host, app.logs, names);
    },
  });

/** Prints the end of these logs and then what is added to them, until nobody reads any more. */
function follow(host: Host, folder: string, names: readonly string[]): void {
  const labels = names.map((name) => name.replace(/\.log$/, ""));
  const width = Math.max(...labels.map(({ length }) => length));
  const followed = names.map((name, i): Followed => {
    const file = `${folder}/${name}`;
    const label = labels[i]!.padEnd(width);
    const { text, offset } = host.readFrom(file, 0);
    for (const line of lines(text).slice(-history)) host.say(`${label} | ${line}`);
    return { label, file, inode: host.stat(file)?.inode ?? 0, offset, left: new Map() };
  });
  const reader = host.parent();
  // Nothing tells that a client has gone but the end of whoever started us, or a write that fails.
  while (host.parent() === reader) {
    for (const log of followed) {
      const { text, offset } = host.readFrom(log.file, log.offset);
      for (const line of lines(text)) host.say(`${log.label} | ${line}`);
      log.offset = offset;
      const entry = host.stat(log.file);
      if (!entry || (entry.inode === log.inode && entry.size >= log.offset)) continue;
      if (entry.inode !== log.inode) log.left.set(log.inode, log.offset);
      Object.assign(log, { inode: entry.inode, offset: log.left.get(entry.inode) ?? 0 });
    }
    host.sleep(500);
  }
}

const lines = (text: string) => text.split("\n").slice(0, -1);
