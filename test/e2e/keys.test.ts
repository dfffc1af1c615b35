import { expect } from "bun:test";
import fs from "node:fs";
import { webProbe } from "./probe.ts";
import { fails, ok, read } from "./sandbox.ts";
import { stories } from "./story.ts";

stories((board, story) => {
  const keys = () => read(`${board.home}/.ssh/authorized_keys`);
  const lines = () => keys().split("\n").filter(Boolean);
  let made = 0;
  const newKey = (type = "ed25519") => {
    const file = `${board.folder}/ssh/extra-${++made}`;
    ok(board.run(["ssh-keygen", "-q", "-t", type, "-N", "", "-C", `extra ${made}`, "-f", file]));
    return { file: `${file}.pub`, text: read(`${file}.pub`) };
  };
  const blob = (text: string) => text.split(" ")[1]!;

  story("a key's line is restricted and private", () => {
    expect(lines()).toHaveLength(1);
    expect(lines()[0]).toMatch(/^restrict\b.*command="/);
    expect(fs.statSync(`${board.home}/.ssh/authorized_keys`).mode & 0o777).toBe(0o600);
    expect(fs.statSync(`${board.home}/.ssh`).mode & 0o777).toBe(0o700);
  });

  story("two keys in one file give two restricted lines", () => {
    const [one, two] = [newKey(), newKey("ecdsa")];
    const file = `${board.folder}/ssh/two.pub`;
    fs.writeFileSync(file, `# our class\n${one.text}\n${two.text}`);
    ok(board.piku("setup:ssh", file));
    for (const { text } of [one, two]) {
      const line = lines().filter((each) => each.includes(blob(text)));
      expect(line).toHaveLength(1);
      expect(line[0]).toMatch(/^restrict\b.*command="/);
    }
  });

  story("the same key twice is one line", () => {
    const key = newKey();
    ok(board.piku("setup:ssh", key.file));
    const before = keys();
    ok(board.piku("setup:ssh", key.file));
    ok(board.sshRaw("setup:ssh -", { input: key.text.replace(/extra.*/, "under another name") }));
    expect(keys()).toBe(before);
  });

  story("a key through ssh, from stdin", () => {
    fails(board.sshRaw("apps", { host: "other" }));
    ok(board.sshRaw("setup:ssh -", { input: read(`${board.folder}/ssh/other.pub`) }));
    ok(board.sshRaw("apps", { host: "other" }));
  });

  story("options and garbage are refused, and the file stays as it was", () => {
    const before = keys();
    const { text } = newKey();
    const bad = [
      `command="/bin/sh" ${text}`,
      `no-pty ${text}`,
      "garbage\n",
      `${text.split(" ")[0]} AAAAgarbage name\n`,
      `${text}second line of nonsense\n`,
      "",
      "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
    ];
    for (const input of bad) {
      const file = `${board.folder}/ssh/bad.pub`;
      fs.writeFileSync(file, input);
      expect(fails(board.piku("setup:ssh", file)).stderr).toContain("Error");
      fails(board.sshRaw("setup:ssh -", { input }));
      expect(keys()).toBe(before);
    }
    fails(board.piku("setup:ssh", `${board.folder}/ssh/none.pub`), 1);
  });

  story("lines that others wrote stay byte for byte", () => {
    const foreign = "# my own note\n\n  ssh-ed25519 not-a-key of mine";
    fs.appendFileSync(`${board.home}/.ssh/authorized_keys`, foreign);
    const before = keys();
    const key = newKey();
    ok(board.piku("setup:ssh", key.file));
    expect(keys().startsWith(`${before}\n`)).toBe(true);
    expect(lines().at(-1)).toMatch(/^restrict\b/);
  });

  story("a key line as the original writes it keeps working", () => {
    const key = newKey();
    const options = "no-agent-forwarding,no-user-rc,no-X11-forwarding,no-port-forwarding";
    const line = `command="FINGERPRINT=SHA256:abc NAME=default ${board.home}/piku $SSH_ORIGINAL_COMMAND",${options} ${key.text}`;
    fs.appendFileSync(`${board.home}/.ssh/authorized_keys`, line);
    const config = `${board.folder}/ssh/config`;
    const entry = read(config)
      .split("Host other")[0]!
      .replace("Host board", "Host veteran")
      .replace(/IdentityFile .*/, `IdentityFile ${key.file.slice(0, -4)}`);
    fs.appendFileSync(config, entry);
    const veteran = { host: "veteran" };
    expect(ok(board.sshRaw("help", veteran)).output).toContain("config:set");
    expect(ok(board.sshRaw("", veteran)).output).toContain("config:set");
    const app = board.repo(undefined, webProbe("veteran.test"));
    ok(board.run(["git", "push", "veteran:veteran", "main"], { cwd: app.folder }));
    ok(board.sshRaw(`config:set veteran "A=b  c" 'B=* $HOME "quoted"'`, veteran));
    expect(ok(board.sshRaw("config:get veteran A", veteran)).stdout).toBe("b  c\n");
    expect(ok(board.sshRaw("config:get veteran B", veteran)).stdout).toBe('* $HOME "quoted"\n');
    expect(board.get("/env/A", { host: "veteran.test" }).body).toBe("b  c");
    fails(board.sshRaw("run veteran -- sh -c 'exit 5'", veteran), 5);
  });

  story("scp fetches and brings an app's files, in its old protocol and in its new one", () => {
    ok(board.push(board.repo(undefined, webProbe("files.test")), "copied"));
    for (const protocol of [[], ["-O"]]) {
      const scp = ["scp", "-q", "-F", `${board.folder}/ssh/config`, ...protocol];
      ok(board.run([...scp, "board:.piku/apps/copied/app.py", "fetched.py"], { cwd: board.folder }));
      expect(read(`${board.folder}/fetched.py`)).toBe(read(`${board.pikuRoot}/apps/copied/app.py`));
      ok(board.run([...scp, "fetched.py", "board:.piku/data/copied/brought.py"], { cwd: board.folder }));
      expect(read(`${board.pikuRoot}/data/copied/brought.py`)).toBe(read(`${board.folder}/fetched.py`));
    }
  });

  story("a key opens no shell and no forwarding", () => {
    for (const line of ["bash", "sh -c id", "apps; id", "$(id)", "`id`", "apps && id", "scp -t /etc/x; id"])
      expect(fails(board.sshRaw(line)).stdout).not.toContain("uid=");
    fails(board.run(["ssh", "-o", "ExitOnForwardFailure=yes", "-W", "127.0.0.1:80", "board"]));
  });
});
