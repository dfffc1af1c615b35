import { pathsOf } from "../app/paths.ts";
import { Ended, PikuError, usageError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { command } from "./command.ts";

/** Where distributions keep the server of the SFTP protocol, which scp speaks since OpenSSH 9. */
const sftpServers = [
  "/usr/lib/openssh/sftp-server",
  "/usr/libexec/openssh/sftp-server",
  "/usr/lib/ssh/sftp-server",
  "/usr/libexec/sftp-server",
];

/** The far end of the older scp: flags and one path, without a shell. */
export const scp = command({
  name: "scp",
  group: "Internal",
  description: "Copy files to and from the server",
  examples: ["scp -O piku@board:.piku/apps/blog/notes.txt ."],
  passthrough: true,
  run({ words, host }) {
    const flags = words.filter((word) => /^-[rpdvtf]+$/.test(word));
    const [path, ...others] = words.filter((word) => !flags.includes(word) && word !== "--");
    if (
      path === undefined ||
      others.length > 0 ||
      path.startsWith("-") ||
      !flags.some((flag) => /[tf]/.test(flag))
    ) {
      throw usageError(`'scp ${printable(words.join(" "))}' is not what scp asks of a server`);
    }
    const { home } = pathsOf(host);
    const status = host.run(["scp", ...flags, "--", path.replace(/^~(?=\/|$)/, home)], {
      cwd: home,
    });
    if (status !== 0) throw new Ended(status);
  },
});

/** Serves the SFTP protocol, as sshd would do without a forced command. */
export const sftp = command({
  name: "sftp",
  group: "Internal",
  description: "Serve scp and sftp",
  examples: ["scp piku@board:.piku/apps/blog/notes.txt .", "sftp piku@board"],
  passthrough: true,
  run({ host }) {
    const server = sftpServers.find((path) => host.stat(path));
    if (!server)
      throw new PikuError(
        "the server has no sftp-server",
        "on the server: sudo apt install openssh-sftp-server; or use scp -O",
      );
    const status = host.run([server], { cwd: pathsOf(host).home });
    if (status !== 0) throw new Ended(status);
  },
});
