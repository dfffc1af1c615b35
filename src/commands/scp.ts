import { defineCommand } from "citty";
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { Ended, PikuError, usageError } from "../text/errors.ts";
import { printable } from "../text/text.ts";

/** Where distributions keep the server of the SFTP protocol, which scp speaks since OpenSSH 9. */
const servers = [
  "/usr/lib/openssh/sftp-server",
  "/usr/libexec/openssh/sftp-server",
  "/usr/lib/ssh/sftp-server",
  "/usr/libexec/sftp-server",
];

/** The far end of the older scp: flags and one path, without a shell. */
export const scp = (host: Host) =>
  defineCommand({
    meta: {
      description: "INTERNAL: Copy files to and from the server",
      example: "scp piku@host:.piku/apps/blog/notes.txt .",
    },
    run({ rawArgs }) {
      const flags = rawArgs.filter((word) => /^-[rpdvtf]+$/.test(word));
      const [path, ...others] = rawArgs.filter((word) => !flags.includes(word) && word !== "--");
      if (
        path === undefined ||
        others.length > 0 ||
        path.startsWith("-") ||
        !flags.some((flag) => /[tf]/.test(flag))
      ) {
        throw usageError(`'scp ${printable(rawArgs.join(" "))}' is not what scp asks of a server`);
      }
      const { home } = pathsOf(host);
      const status = host.run(["scp", ...flags, "--", path.replace(/^~(?=\/|$)/, home)], {
        cwd: home,
      });
      if (status !== 0) throw new Ended(status);
    },
  });

/** Serves the SFTP protocol, as sshd would do without a forced command. */
export const sftp = (host: Host) =>
  defineCommand({
    meta: {
      description: "INTERNAL: Serve scp and sftp",
      example: "scp piku@host:.piku/apps/blog/notes.txt .",
    },
    run() {
      const server = servers.find((path) => host.stat(path));
      if (!server)
        throw new PikuError(
          "the server has no sftp-server",
          "on the server: sudo apt install openssh-sftp-server; or use scp -O",
        );
      const status = host.run([server], { cwd: pathsOf(host).home });
      if (status !== 0) throw new Ended(status);
    },
  });
