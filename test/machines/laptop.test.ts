/**
 * The client on a laptop: a machine of its own, whose user is nobody on the boards and not root on
 * the laptop. He pushes to one board, gives it commands, and moves an app to another.
 */
import { afterAll, expect } from "bun:test";
import fs from "node:fs";
import { alike } from "../e2e/alike.ts";
import { type Files, fails, ok, quote } from "../e2e/board.ts";
import { webProbe } from "../e2e/probe.ts";
import { dist, Machine, machines } from "./machine.ts";

/** Asks for a page as visitors do, who each look up its name first, until the file is gone. */
const visitors = `import http.client, json, os, socket, sys, threading

asked, failed, seen = [0], [], set()


def visit():
    while os.path.exists("load"):
        asked[0] += 1
        try:
            address = socket.getaddrinfo("shop.test", 80)[0][4][0]
            connection = http.client.HTTPConnection(address, timeout=30)
            connection.request("GET", "/", headers={"Host": "shop.test"})
            answer = connection.getresponse()
            body = answer.read().decode()
            if answer.status != 200 or body != "one":
                failed.append(f"{address} {answer.status} {body[:100]}")
            seen.add(address)
        except Exception as error:
            failed.append(repr(error))


threads = [threading.Thread(target=visit) for _ in range(4)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(json.dumps({"asked": asked[0], "failed": failed, "seen": sorted(seen)}))
`;

machines([{ arch: "amd64", suite: "bookworm", baked: true }], (board, story) => {
  const second = new Machine({ arch: "amd64", suite: "bookworm", baked: true });
  const laptop = new Machine({ arch: "amd64", suite: "bookworm", baked: true });
  afterAll(async () => {
    for (const machine of [second, laptop]) await machine.destroy();
  }, 120_000);
  const home = "/home/anna";
  const path = 'export PATH="$HOME/.local/bin:$PATH"';

  /** One line of shell, as anna in a directory of hers on the laptop. */
  const anna = (line: string, directory = "shop") =>
    laptop.machine("exec", "su", "anna", "-c", `${path}; cd ${home}/${directory} && ${line}`);
  const piku = (...words: string[]) => anna(["piku", ...words].map(quote).join(" "));
  const write = (directory: string, files: Files) => {
    for (const [name, content] of Object.entries(files))
      fs.writeFileSync(`${laptop.root}${home}/${directory}/${name}`, content!);
  };
  /** The name of the shop leads to a board, as everybody sees it. */
  const pointTo = ({ address }: Machine) => {
    const file = `${laptop.root}/etc/hosts`;
    const others = fs.readFileSync(file, "utf8").replace(/^.* shop\.test\n/m, "");
    fs.writeFileSync(`${file}.new`, `${others}${address} shop.test\n`);
    fs.renameSync(`${file}.new`, file);
  };

  story("two boards are installed, and a client without root's rights", async () => {
    await Promise.all([second.create(), laptop.create()]);
    for (const machine of [board, second, laptop]) await machine.boot();
    ok(await laptop.sh("useradd -m -s /bin/bash anna"));
    ok(await anna("ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519", "."));
    fs.copyFileSync(`${laptop.root}${home}/.ssh/id_ed25519.pub`, `${board.folder}/id.pub`);
    fs.copyFileSync(`${board.folder}/id.pub`, `${second.folder}/id.pub`);
    for (const [machine, name] of [
      [board, "board"],
      [second, "second"],
    ] as const) {
      await machine.release(fs.readdirSync(dist));
      ok(await machine.sh(`sh /root/release/install.sh --key /root/id.pub --hostname ${name}`));
    }
    // Machines here begin as copies of one system; boards make keys of their own.
    ok(await second.sh("rm /etc/ssh/ssh_host_* && ssh-keygen -A && systemctl reload ssh.service"));
    const hosts = `${board.address} board\n${second.address} second\n`;
    fs.appendFileSync(`${laptop.root}/etc/hosts`, hosts);
    fs.writeFileSync(
      `${laptop.root}${home}/.ssh/config`,
      "StrictHostKeyChecking accept-new\nBatchMode yes\nLogLevel ERROR\n",
    );
    fs.writeFileSync(
      `${laptop.root}${home}/.gitconfig`,
      "[user]\n  name = Anna\n  email = anna@example.test\n",
    );
    fs.cpSync(dist, `${laptop.root}${home}/release`, {
      recursive: true,
      filter: (file) => !/linux-arm|darwin|windows/.test(file),
    });
    ok(await anna("sh release/install.sh --client && mkdir laptop shop", "."));
    expect(ok(await anna("piku --version", ".")).stdout).toContain("piku ");
  });

  story("anna pushes and sees her app", async () => {
    write("laptop", webProbe("laptop.test"));
    const said = ok(await anna("piku init board && git add . && git commit -qm First", "laptop"));
    expect(said.output).toContain("Remote 'piku' is piku@board:laptop.");
    expect(ok(await anna("piku deploy", "laptop")).output).toContain("of app 'laptop' is live");
    expect(await board.get("laptop.test")).toBe("200 one");
    expect(ok(await anna("piku open", "laptop")).stdout).toBe("http://laptop.test/\n");
  });

  story(`${alike.length} commands give the same bytes and status as plain ssh`, async () => {
    for (const [words, line] of alike) {
      const typed = ["piku", ...words].map(quote).join(" ");
      const both = [
        await anna(typed, "laptop"),
        await anna(`ssh piku@board ${quote(line)}`, "laptop"),
      ];
      const [client, plain] = both.map(({ status, stdout, stderr }) => ({
        status,
        stderr,
        stdout: stdout.replace(/up \d+s .* CPU/g, "up CPU"),
      }));
      expect({ words, ...client! }).toEqual({ words, ...plain! });
    }
  });

  story("files, a shell and another key", async () => {
    write("laptop", { "photo one.jpg": new Uint8Array([0, 255, 13, 10]) });
    ok(await anna("piku upload 'photo one.jpg' && mv 'photo one.jpg' before", "laptop"));
    ok(await anna("piku download 'photo one.jpg' && cmp before 'photo one.jpg'", "laptop"));
    expect(ok(await anna("echo 'ls app.py' | piku shell", "laptop")).stdout).toBe("app.py\n");
    ok(
      await anna("ssh-keygen -q -t ed25519 -N '' -f ~/ben && piku add-key ~/ben.pub ben", "laptop"),
    );
    const ben = "ssh -i ~/ben -o IdentitiesOnly=yes piku@board apps";
    expect(ok(await anna(ben, "laptop")).stdout).toContain("laptop");
    expect(fails(await anna("piku keys:remove nobody", "laptop")).output).toContain("nobody");
  });

  story("an app moves to the other board, and nobody who asks for its name notices", async () => {
    write("shop", { ...webProbe("shop.test"), "visitors.py": visitors });
    ok(await anna("piku init board && git add . && git commit -qm First && piku deploy"));
    ok(await piku("config:set", "SECRET=it's  kept"));
    pointTo(board);
    write("shop", { load: "" });
    const visiting = anna("python3 visitors.py");
    await Bun.sleep(2000);
    const moving = piku("move", "shop", "second");
    while (!(await second.get("shop.test")).startsWith("200")) await Bun.sleep(200);
    await Bun.sleep(3000);
    pointTo(second);
    const said = ok(await moving).output;
    await Bun.sleep(2000);
    fs.rmSync(`${laptop.root}${home}/shop/load`);
    const { asked, failed, seen } = JSON.parse(ok(await visiting).stdout);
    expect(failed).toEqual([]);
    expect(seen).toEqual([board.address, second.address].sort());
    expect(asked).toBeGreaterThan(1000);
    console.log(`${asked} visitors during the move, ${failed.length} failed`);
    expect(said).toContain("Waiting until shop.test leads to piku@second; until then piku@board");
    expect(said).toContain("-----> App 'shop' is on piku@second: http://shop.test/");
    expect(await board.get("shop.test")).toMatch(/^503 [\s\S]*This app has moved to another board/);
    expect(await second.get("shop.test", "http", "/env/SECRET")).toBe("200 it's  kept");
    expect(ok(await anna("git remote get-url piku")).stdout).toBe("piku@second:shop\n");
  });

  story("both boards are asked at once", async () => {
    const apps = ok(await anna("PIKU_BOARDS=board,second piku apps", "."));
    expect(apps.stdout.split("\n").sort()).toEqual(
      ["", "board: *laptop", "board:  shop", "second: *shop"].sort(),
    );
  });
});
