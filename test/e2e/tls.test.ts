/**
 * Certificates: of a real authority on loopback (pebble), which asks the board's nginx for the
 * challenge.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { webProbe } from "./probe.ts";
import { type Board, eventually, ok, read } from "./sandbox.ts";
import { skipped, stories, unlessLong } from "./story.ts";
import { lackOf } from "./toolchains.ts";
import { install, standIn } from "./tools.ts";

const lack = lackOf("go", "dehydrated");

/** What nginx shows for a name: who issued it, for which names, and until when. */
function shown(board: Board, host: string): string {
  const ran = board.run([
    "openssl",
    "s_client",
    "-connect",
    `127.0.0.1:${board.httpsPort}`,
    "-servername",
    host,
  ]);
  const words = [
    "openssl",
    "x509",
    "-noout",
    "-issuer",
    "-serial",
    "-enddate",
    "-ext",
    "subjectAltName",
  ];
  return ok(board.run(words, { input: ran.stdout })).stdout;
}

/**
 * A certificate of an authority of our own in an app's place, or anywhere: for these names, with so
 * many days of 100 left.
 */
function forge(
  board: Board,
  place: { certificate: string; key: string },
  names: string[],
  left: number,
  subject = `/CN=${names[0]}`,
) {
  const day = (offset: number) =>
    new Date(Date.now() + offset * 86_400_000)
      .toISOString()
      .replace(/[-:T]/g, "")
      .slice(0, 14)
      .concat("Z");
  const folder = fs.mkdtempSync("/tmp/piku-ca-");
  const ca = [
    ...[
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "1",
      "-subj",
      "/O=Some Authority/CN=Root",
    ],
    ...["-keyout", `${folder}/ca.key`, "-out", `${folder}/ca.crt`],
  ];
  ok(board.run(ca));
  const request = ["-subj", subject, "-keyout", place.key, "-out", `${folder}/csr`];
  ok(board.run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", ...request]));
  fs.writeFileSync(
    `${folder}/cnf`,
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${folder}/index\nserial=${folder}/serial\nnew_certs_dir=${folder}\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n[p]\norganizationName=optional\ncommonName=supplied\n[x]\nsubjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\n`,
  );
  fs.writeFileSync(`${folder}/index`, "");
  fs.writeFileSync(`${folder}/serial`, "01\n");
  ok(
    board.run([
      ...[
        "openssl",
        "ca",
        "-batch",
        "-notext",
        "-config",
        `${folder}/cnf`,
        "-cert",
        `${folder}/ca.crt`,
      ],
      ...["-keyfile", `${folder}/ca.key`, "-in", `${folder}/csr`, "-out", place.certificate],
      ...["-startdate", day(left - 100), "-enddate", day(left)],
    ]),
  );
  fs.rmSync(folder, { recursive: true });
}

const pairOf = (board: Board, app: string) => ({
  certificate: `${board.pikuRoot}/nginx/${app}.crt`,
  key: `${board.pikuRoot}/nginx/${app}.key`,
});

/** The reload of a board whose certificate was put in place by hand. */
const reload = (board: Board) =>
  ok(board.on(["kill", "-HUP", read(`${board.pikuRoot}/web/nginx.pid`).trim()]));

const numbers = (count: number) =>
  Array.from({ length: count }, () => 20_000 + Math.floor(Math.random() * 10_000));

stories((board, story) => {
  const certified =
    "a certificate for several names comes from the authority once the site is up, and is asked for once";
  if (lack) skipped(certified, lack);
  else {
    const servers: ChildProcess[] = [];
    const [directory = 0, management = 0, dns = 0, dnsManagement = 0] = numbers(4);
    const env = { ...process.env, PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "0" };
    const serve = (name: string, words: string[]) =>
      servers.push(spawn(install(board, name), words, { stdio: "ignore", env }));

    beforeAll(() => {
      // Its own certificate, which only the board's curl is told to trust.
      const [key, certificate] = ["key", "crt"].map((ending) => `${board.folder}/pebble.${ending}`);
      ok(
        board.run([
          ...[
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
          ],
          ...["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key!, "-out", certificate!],
        ]),
      );
      const pebble = {
        listenAddress: `127.0.0.1:${directory}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate,
        privateKey: key,
        httpPort: board.httpPort,
        tlsPort: board.httpsPort,
        ocspResponderURL: "",
        externalAccountBindingRequired: false,
      };
      fs.writeFileSync(`${board.folder}/pebble.json`, JSON.stringify({ pebble }));
      const answers = [
        "-defaultIPv4",
        "127.0.0.1",
        "-defaultIPv6",
        "",
        "-dns01",
        `127.0.0.1:${dns}`,
      ];
      const nothing = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""];
      serve("pebble-challtestsrv", [
        ...answers,
        ...nothing,
        "-management",
        `127.0.0.1:${dnsManagement}`,
      ]);
      serve("pebble", ["-config", `${board.folder}/pebble.json`, "-dnsserver", `127.0.0.1:${dns}`]);
      standIn(board, "curl", `CURL_CA_BUNDLE=${certificate} exec /usr/bin/curl "$@"\n`);
      fs.appendFileSync(
        `${board.pikuRoot}/ENV`,
        `ACME_ROOT_CA=https://127.0.0.1:${directory}/dir\n`,
      );
      const up = [
        "/usr/bin/curl",
        "-sk",
        "--noproxy",
        "*",
        "-o",
        "/dev/null",
        `https://127.0.0.1:${directory}/dir`,
      ];
      eventually(() => ok(board.run(up)));
    }, 300_000);
    afterAll(() => {
      for (const child of servers) child.kill("SIGKILL");
    });

    const names = "shop.example.com,www.shop.example.com";
    const app = () =>
      board.repo(undefined, { ...webProbe("x"), ENV: `NGINX_SERVER_NAME=${names}\n` });

    story(certified, () => {
      const shop = app();
      const first = ok(board.push(shop, "shop")).output;
      expect(first).toMatch(
        /is live\.(.|\n)*getting a certificate for shop\.example\.com, www\.shop\.example\.com/,
      );
      expect(first).toContain("certificate for shop.example.com, www.shop.example.com installed");
      expect(shown(board, "shop.example.com")).toMatch(/issuer=.*Pebble/);
      expect(shown(board, "www.shop.example.com")).toMatch(
        /DNS:shop\.example\.com, DNS:www\.shop\.example\.com/,
      );
      expect(fs.statSync(pairOf(board, "shop").key).mode & 0o077).toBe(0);
      shop.commit("Second");
      expect(ok(board.push(shop, "shop")).output).not.toContain("certificate");
      expect(board.get("/", { host: "shop.example.com", https: true }).body).toBe("one");
    });

    story("another name, and names that lead to the first, are in the next certificate", () => {
      ok(
        board.ssh(
          "config:set",
          "shop",
          `NGINX_SERVER_NAME=shop.example.com`,
          "NGINX_REDIRECT_FROM=old.example.com",
        ),
      );
      expect(shown(board, "old.example.com")).toMatch(
        /issuer=.*Pebble(.|\n)*DNS:old\.example\.com/,
      );
    });

    story(
      "the daily timer is the board's own, and renews a certificate that ends soon, on an https-only site too",
      () => {
        ok(board.ssh("config:set", "shop", "NGINX_HTTPS_ONLY=true"));
        // What the client got, as it is when it is time.
        const held = (name: string) =>
          fs.realpathSync(`${board.pikuRoot}/acme/.dehydrated/certs/shop/${name}.pem`);
        const [certificate, key] = [held("fullchain"), held("privkey")];
        forge(board, { certificate, key }, ["shop.example.com", "old.example.com"], 20);
        fs.copyFileSync(certificate, pairOf(board, "shop").certificate);
        fs.copyFileSync(key, pairOf(board, "shop").key);
        reload(board);
        eventually(() => expect(shown(board, "shop.example.com")).toMatch(/Some Authority/));
        const vassal = read(`${board.pikuRoot}/uwsgi-enabled/~daily.ini`);
        const launcher = /^cron = \d+ -1 -1 -1 -1 exec sh (\S+)$/m.exec(vassal)![1]!;
        // What the timer runs, as it runs it.
        const timer = () =>
          ok(
            board.run(["sh", launcher], {
              env: { PATH: board.boardEnv().PATH!, HOME: "/" },
              limit: 120,
            }),
          );
        timer();
        expect(shown(board, "shop.example.com")).toMatch(/issuer=.*Pebble/);
        expect(timer().output).toBe("");
        expect(ok(board.ssh("apps")).stdout).toBe("*shop\n");
      },
    );

    story(
      "a certificate that somebody else got stays while it is valid, also when it ends soon",
      () => {
        const got = { certificate: `${board.folder}/got.crt`, key: `${board.folder}/got.key` };
        fs.copyFileSync(pairOf(board, "shop").certificate, got.certificate);
        fs.copyFileSync(pairOf(board, "shop").key, got.key);
        forge(board, pairOf(board, "shop"), ["shop.example.com", "old.example.com"], 10);
        reload(board);
        expect(ok(board.piku("daily")).output).not.toContain("certificate");
        expect(ok(board.ssh("restart", "shop")).output).not.toContain("certificate");
        eventually(() => expect(shown(board, "shop.example.com")).toMatch(/Some Authority/));
        fs.copyFileSync(got.certificate, pairOf(board, "shop").certificate);
        fs.copyFileSync(got.key, pairOf(board, "shop").key);
      },
    );

    story(
      "when the authority is away a deploy goes live, says why, and does not ask again at once",
      () => {
        const curl = read(`${board.home}/bin/curl`);
        standIn(
          board,
          "curl",
          'case "$*" in *http://*) exec /usr/bin/curl "$@" ;; esac\necho "curl: (7) nobody is there" >&2\nexit 7\n',
        );
        const file = pairOf(board, "shop").certificate;
        const was = read(file);
        const change = ok(
          board.ssh("config:set", "shop", "NGINX_SERVER_NAME=shop.example.com,new.example.com"),
        );
        expect(change.output).toMatch(
          /is live\.(.|\n)*no new certificate, the one there is stays\. dehydrated: /,
        );
        expect(read(file)).toBe(was);
        expect(board.get("/", { host: "new.example.com", https: true }).body).toBe("one");
        expect(ok(board.ssh("restart", "shop")).output).toContain("failed within the last hour");
        const daily = board.piku("daily");
        expect(daily.status).toBe(1);
        expect(daily.stderr).toMatch(/app 'shop': dehydrated: /);
        fs.writeFileSync(`${board.home}/bin/curl`, curl);
        ok(board.piku("daily"));
        expect(shown(board, "new.example.com")).toMatch(
          /issuer=.*Pebble(.|\n)*DNS:new\.example\.com/,
        );
      },
    );

    story("destroy lets go of the certificate", () => {
      ok(board.ssh("destroy", "shop"));
      expect(fs.existsSync(`${board.pikuRoot}/acme/.dehydrated/certs/shop`)).toBe(false);
      expect(fs.existsSync(pairOf(board, "shop").key)).toBe(false);
      fs.writeFileSync(
        `${board.pikuRoot}/ENV`,
        read(`${board.pikuRoot}/ENV`).replace(/^ACME_ROOT_CA=.*\n/m, ""),
      );
    });
  }

  story(
    "a self-signed certificate that ends soon is renewed by the daily timer, and no other",
    () => {
      ok(board.push(board.repo(undefined, webProbe("self.test")), "self"));
      const { certificate, key } = pairOf(board, "self");
      expect(ok(board.piku("daily")).output).not.toContain("certificate");
      const before = read(certificate);
      forge(board, { certificate, key }, ["self.test"], 20, "/O=Piku/CN=self.test");
      ok(board.piku("daily"));
      expect(read(certificate)).not.toBe(before);
      expect(shown(board, "self.test")).toMatch(/O = Piku/);
      expect(
        ok(board.run(["openssl", "x509", "-checkend", "8000000", "-in", certificate])).stdout,
      ).toContain("not expire");
    },
  );

  story(
    "acme.sh goes before dehydrated, its newest folder counts, and destroy takes it back [acme.sh is a stand-in]",
    () => {
      const root = `${board.home}/.acme.sh`;
      fs.mkdirSync(root);
      fs.writeFileSync(
        `${root}/acme.sh`,
        `#!/bin/sh\necho "$*" >>${root}/called\ncase " $* " in *" --issue "*) for kind in ecc; do mkdir -p "${root}/blog.example.com_$kind"; cp ${root}/ready.crt "${root}/blog.example.com_$kind/fullchain.cer"; cp ${root}/ready.key "${root}/blog.example.com_$kind/blog.example.com.key"; done ;; esac\n`,
        { mode: 0o755 },
      );
      const called = () => {
        const lines = fs.existsSync(`${root}/called`)
          ? read(`${root}/called`).trim().split("\n")
          : [];
        fs.rmSync(`${root}/called`, { force: true });
        return lines;
      };
      forge(
        board,
        { certificate: `${root}/ready.crt`, key: `${root}/ready.key` },
        ["blog.example.com"],
        90,
      );
      // From before acme.sh preferred elliptic curves: due, so a new one is asked for.
      const old = `${root}/blog.example.com`;
      fs.mkdirSync(old);
      forge(
        board,
        { certificate: `${old}/fullchain.cer`, key: `${old}/blog.example.com.key` },
        ["blog.example.com"],
        5,
      );
      fs.writeFileSync(
        `${board.pikuRoot}/ENV`,
        read(`${board.pikuRoot}/ENV`).replace(/^ACME_ROOT_CA=.*\n/m, ""),
      );
      const settings = "NGINX_SERVER_NAME=blog.example.com,blog.local\nACME_ROOT_CA=zerossl\n";
      ok(board.push(board.repo(undefined, { ...webProbe("x"), ENV: settings }), "blog"));
      expect(called()).toEqual([
        `--home ${root} --issue -d blog.example.com -w ${board.pikuRoot}/acme --server zerossl --force`,
      ]);
      expect(shown(board, "blog.example.com")).toMatch(/Some Authority/);
      ok(board.ssh("restart", "blog"));
      expect(called()).toEqual([]);
      // What acme.sh renews by itself, into the folder that it has used before, is taken over
      // without asking.
      const now = {
        certificate: `${old}_ecc/fullchain.cer`,
        key: `${old}_ecc/blog.example.com.key`,
      };
      forge(board, now, ["blog.example.com"], 5);
      fs.copyFileSync(now.certificate, pairOf(board, "blog").certificate);
      fs.copyFileSync(now.key, pairOf(board, "blog").key);
      const fresh = { certificate: `${old}/fullchain.cer`, key: `${old}/blog.example.com.key` };
      forge(board, fresh, ["blog.example.com"], 95);
      ok(board.piku("daily"));
      expect(called()).toEqual([]);
      expect(read(pairOf(board, "blog").certificate)).toBe(read(`${old}/fullchain.cer`));
      ok(board.ssh("destroy", "blog"));
      expect(called()).toEqual([
        `--home ${root} --remove -d blog.example.com --ecc`,
        `--home ${root} --remove -d blog.example.com`,
      ]);
    },
  );
}, unlessLong);
