import { expect } from "bun:test";
import fs from "node:fs";
import { webProbe } from "./probe.ts";
import { fails, ok, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

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
      ok(
        board.run([...scp, "board:.piku/apps/copied/app.py", "fetched.py"], { cwd: board.folder }),
      );
      expect(read(`${board.folder}/fetched.py`)).toBe(read(`${board.pikuRoot}/apps/copied/app.py`));
      ok(
        board.run([...scp, "fetched.py", "board:.piku/data/copied/brought.py"], {
          cwd: board.folder,
        }),
      );
      expect(read(`${board.pikuRoot}/data/copied/brought.py`)).toBe(
        read(`${board.folder}/fetched.py`),
      );
    }
  });

  /** Another person, who comes with this key. */
  const person = (name: string, file: string) => {
    const config = `${board.folder}/ssh/config`;
    const entry = read(config)
      .split("Host other")[0]!
      .replace("Host board", `Host ${name}`)
      .replace(/IdentityFile .*/, `IdentityFile ${file.slice(0, -4)}`);
    fs.appendFileSync(config, entry);
    return (line: string, input?: string) => board.sshRaw(line, { host: name, input });
  };
  const fingerprint = (file: string) =>
    ok(board.run(["ssh-keygen", "-l", "-f", file])).stdout.split(" ")[1]!;
  const today = new Date().toLocaleDateString("sv");

  story("keys:add gives a key a name, which a release then has; keys lists it", () => {
    const { file, text } = newKey();
    const before = keys();
    expect(ok(board.sshRaw("keys:add anna", { input: text })).stdout).toBe(
      `Adding key '${fingerprint(file)}' as 'anna'.\n`,
    );
    expect(keys().startsWith(before)).toBe(true);
    const anna = person("anna", file);
    ok(anna("config:set copied A=1"));
    expect(ok(anna("releases copied")).stdout).toContain("config:set A  anna  First");
    const listed = ok(board.ssh("keys")).stdout;
    expect(listed).toMatch(
      new RegExp(`^${fingerprint(file).replaceAll("+", "\\+")}  ${today}  all  -  anna$`, "m"),
    );
    expect(ok(board.run(["ssh", "-tt", "board", "keys"])).stdout).toMatch(
      /^FINGERPRINT +ADDED +APPS +UNTIL +NAME\r\n/,
    );
    const found = JSON.parse(ok(board.ssh("keys", "--json")).stdout);
    expect(found).toContainEqual({
      fingerprint: fingerprint(file),
      name: "anna",
      added: today,
      login: false,
    });
    expect(found).toContainEqual(expect.objectContaining({ name: "id@client", login: false }));
    const after = keys();
    expect(fails(board.sshRaw("keys:add other-name", { input: text }), 1).stderr).toContain(
      "already been added as 'anna'",
    );
    expect(fails(board.sshRaw("keys:add anna", { input: newKey().text }), 1).stderr).toContain(
      "called 'anna'",
    );
    expect(
      fails(board.sshRaw("keys:add class", { input: newKey().text + newKey().text }), 1).stderr,
    ).toContain("2 keys");
    for (const input of ["", "nonsense\n", `no-pty ${newKey().text}`])
      fails(board.sshRaw("keys:add x", { input }), input === "" ? 2 : 1);
    for (const name of ["'a b'", "'$(id)'", "-x", "default", ""])
      fails(board.sshRaw(`keys:add ${name}`, { input: newKey().text }), 2);
    expect(keys()).toBe(after);
  });

  story("a key that is bound to apps is for these alone", () => {
    const { file, text } = newKey();
    ok(board.sshRaw("keys:add ben --apps ben,ben-2", { input: text }));
    const ben = person("ben", file);
    const app = board.repo(undefined, webProbe("ben.test"));
    ok(board.run(["git", "push", "ben:ben", "main"], { cwd: app.folder }));
    expect(board.get("/", { host: "ben.test" }).body).toBe("one");
    // What is deployed with it knows nothing of the key.
    expect(board.get("/names", { host: "ben.test" }).body).not.toMatch(/PIKU_KEY|FINGERPRINT/);
    ok(board.run(["git", "ls-remote", "ben:/ben.git"]));
    ok(ben("config:set ben A=1"));
    ok(ben("config:set --no-restart -- ben A=2"));
    expect(ok(ben("config:get ben A")).stdout).toBe("2\n");
    expect(ok(ben("releases ben --json")).stdout).toContain('"push"');
    const help = ok(ben("help")).stdout;
    expect(help).toContain("config:set");
    expect(help).not.toMatch(/^ +(keys|run|setup|doctor) /m);
    expect(ok(ben("apps")).stdout).toBe("*ben\n");
    expect(JSON.parse(ok(ben("apps --json")).stdout)).toHaveLength(1);
    const before = [ok(board.ssh("config", "copied")).stdout, keys(), board.settings];
    const message = "Hint: it is for pushes to ben, ben-2, and commands about these apps but `run`";
    expect(fails(ben("config copied"), 1).stderr).toContain(message);
    // As sshd would call it, less what connecting takes.
    const command = lines()
      .find((line) => line.includes("NAME=ben "))!
      .match(/command="([^"]*)"/)![1]!;
    const asked = (line: string, input: string) =>
      board.on(["sh", "-c", command], {
        env: { ...board.boardEnv(), SSH_ORIGINAL_COMMAND: line },
        input,
      });
    expect(ok(asked("config ben", "")).stdout).toBe("A=2\n");
    for (const line of [
      "config copied",
      "config:set copied A=9",
      "config:set --global A=9",
      "config:set --global ben A=9",
      "config:unset --global ben PIKU_HTTP_PORT",
      "config:get '' A",
      "destroy copied",
      "git-receive-pack 'copied'",
      "git-upload-pack '/copied.git'",
      "git-hook copied",
      "keys",
      "keys:add me",
      "keys:remove anna",
      "setup:ssh -",
      "run ben -- id",
      "run ben id",
      "scp -f .piku/ENV",
      "recover",
      "backup",
      "restore --force",
      "daily",
    ]) {
      const ran = fails(asked(line, text), 1);
      expect(`${line}: ${ran.stdout}`).toBe(`${line}: `);
      expect(ran.stderr).toContain(message);
    }
    fails(
      board.run(["scp", "-q", "-F", `${board.folder}/ssh/config`, "ben:.piku/ENV", "x"], {
        cwd: board.folder,
      }),
    );
    const refused = fails(board.run(["git", "push", "ben:copied", "main"], { cwd: app.folder }));
    expect(refused.stderr).toContain("this key is not for app 'copied'");
    expect([ok(board.ssh("config", "copied")).stdout, keys(), board.settings]).toEqual(before);
    fails(board.sshRaw("keys:add x --apps ben,../x", { input: newKey().text }), 2);
  });

  story("a key may end on a day", () => {
    const { file, text } = newKey();
    for (const day of ["2020-01-01", today, "2027-02-30", "tomorrow", "20270"])
      fails(board.sshRaw(`keys:add cleo --until ${day}`, { input: text }), 2);
    expect(ok(board.sshRaw("keys:add cleo --until 2099-07-31", { input: text })).stdout).toContain(
      "until 2099-07-31",
    );
    const cleo = person("cleo", file);
    ok(cleo("apps"));
    expect(ok(board.ssh("keys")).stdout).toMatch(/ {2}2099-07-31 {2}cleo$/m);
    const name = `${board.home}/.ssh/authorized_keys`;
    fs.writeFileSync(name, keys().replace('expiry-time="20990731"', 'expiry-time="20200731"'));
    fails(cleo("apps"), 255);
  });

  story("keys:remove takes one line away, and not the last way in", () => {
    const before = lines();
    for (const name of ["anna", "cleo"]) ok(board.ssh("keys:remove", name));
    fails(board.sshRaw("apps", { host: "anna" }), 255);
    expect(lines()).toEqual(before.filter((line) => !/NAME=(anna|cleo) /.test(line)));
    expect(fails(board.ssh("keys:remove", "anna"), 1).stderr).toContain("no key 'anna'");
    const own = fingerprint(`${board.folder}/ssh/id.pub`);
    expect(fails(board.ssh("keys:remove", own), 1).stderr).toContain(
      "you are connected with this key",
    );
    const name = `${board.home}/.ssh/authorized_keys`;
    const foreign = `${newKey().text.trim()} by-hand\n`;
    const last = before.filter((line) => /NAME=ben /.test(line) || line.includes("id@client"));
    fs.writeFileSync(name, `# mine\n${foreign}${last.join("\n")}\n`);
    expect(ok(board.ssh("keys")).stdout).toMatch(/login +- +extra \d+ by-hand$/m);
    expect(fails(board.piku("keys:remove", "id@client"), 1).stderr).toContain(
      "the last key for all apps",
    );
    expect(fails(board.piku("keys:remove", fingerprint(writeKey(foreign))), 1).stderr).toContain(
      "line 2",
    );
    ok(board.piku("keys:remove", own, "--force"));
    expect(keys()).toBe(`# mine\n${foreign}${last.find((line) => line.includes("NAME=ben"))}\n`);
    fails(board.ssh("apps"), 255);
    ok(board.piku("setup:ssh", `${board.folder}/ssh/id.pub`));
  });

  const writeKey = (text: string) => {
    fs.writeFileSync(`${board.folder}/ssh/written.pub`, text);
    return `${board.folder}/ssh/written.pub`;
  };

  story("a key opens no shell and no forwarding", () => {
    for (const line of [
      "bash",
      "sh -c id",
      "apps; id",
      "$(id)",
      "`id`",
      "apps && id",
      "scp -t /etc/x; id",
    ])
      expect(fails(board.sshRaw(line)).stdout).not.toContain("uid=");
    fails(board.run(["ssh", "-o", "ExitOnForwardFailure=yes", "-W", "127.0.0.1:80", "board"]));
  });
}, longOnAnyBoard);
