/**
 * Hostile values through the real program, sshd's way: what test/fuzz proves of functions, with
 * files, processes and nginx.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are hostile values.
import { expect } from "bun:test";
import fs from "node:fs";
import { appOf } from "../../src/app/app.ts";
import { pathsOf } from "../../src/app/paths.ts";
import { renderSite } from "../../src/site/render.ts";
import { planSite } from "../../src/site/site.ts";
import { fc, hostile, seed, unlessRefused } from "../fuzz/hold.ts";
import { allowedFolders, demandSite, siteSettings } from "../fuzz/site.ts";
import { memoryHost } from "../host/memory.ts";
import { type Files, fails, list, ok, type Ran, read } from "./sandbox.ts";
import { stories } from "./story.ts";

const count = process.env.PIKU_LONG ? 500 : 25;
/** So many of what comes from a generator, the same for the same PIKU_SEED. */
const some = <T>(values: fc.Arbitrary<T>, number = count): T[] =>
  fc.sample(values, { seed, numRuns: number });

/** Runs many calls one after the other, each in an environment of bytes; tells how each ended. */
const driver = `import json, os, subprocess, sys, time
for line in sys.stdin:
    call = json.loads(line)
    env = {**os.environb, **{name.encode(): bytes.fromhex(value) for name, value in call["env"].items()}}
    start = time.monotonic()
    try:
        ran = subprocess.run(call["argv"], env=env, input=bytes.fromhex(call["input"]), capture_output=True, timeout=20)
        status, out = ran.returncode, (ran.stdout + ran.stderr).decode(errors="replace")
    except subprocess.TimeoutExpired:
        status, out = 128, "it hangs"
    print(json.dumps({"status": status, "out": out[-3000:], "ms": (time.monotonic() - start) * 1000}), flush=True)
`;

interface Call {
  argv: string[];
  env?: Record<string, Uint8Array | string>;
  input?: Uint8Array | string;
}
interface Told {
  status: number;
  out: string;
  ms: number;
}

const words = [
  "config",
  "config:get",
  "config:live",
  "config:set",
  "config:unset",
  "deploy",
  "destroy",
  "git-receive-pack",
  "git-upload-pack",
];
words.push(
  "git-hook",
  "help",
  "logs",
  "ps",
  "ps:scale",
  "releases",
  "releases:output",
  "restart",
  "rollback",
  "stop",
  "setup:ssh",
  "apps",
);
// The kernel has no longer ones (MAX_ARG_STRLEN).
const longest = 130_000;
const bytes = fc.uint8Array({ min: 1, max: 255, maxLength: 40 });

stories((board, story) => {
  const hex = (value: Uint8Array | string) => Buffer.from(value).toString("hex");
  const drive = (calls: Call[], env: Record<string, string> = {}): Told[] => {
    const lines = calls.map(({ argv, env = {}, input = "" }) => {
      const pairs = Object.entries(env).map(([name, value]) => [name, hex(value)]);
      return `${JSON.stringify({ argv, env: Object.fromEntries(pairs), input: hex(input) })}\n`;
    });
    const how = {
      cwd: board.home,
      env: { ...board.boardEnv(), ...env },
      input: lines.join(""),
      limit: 600,
    };
    const told = ok(board.run(["python3", "-c", driver], how))
      .stdout.trim()
      .split("\n");
    expect(told).toHaveLength(calls.length);
    return told.map((line) => JSON.parse(line) as Told);
  };
  const piku = () => `${board.home}/piku`;
  const asked = (line: Uint8Array | string): Call => ({
    argv: [piku()],
    env: { SSH_ORIGINAL_COMMAND: line },
  });
  const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
  /** What is outside of piku's folder: nothing may come or go. */
  const outside = () =>
    ok(
      board.run([
        "find",
        board.folder,
        "/etc/passwd",
        "-path",
        board.pikuRoot,
        "-prune",
        "-o",
        "-path",
        `${board.folder}/logs`,
        "-prune",
        "-o",
        "-printf",
        "%p %s %T@\n",
      ]),
    ).stdout;
  const sane = (what: string, { status, out, ms }: Told) => {
    // git's own, of a client that says nothing.
    const isGits =
      status === 128 && /^"git-(receive|upload)-pack /.test(what) && !out.includes("it hangs");
    expect([what, status, isGits || (status >= 0 && status <= 2)]).toEqual([what, status, true]);
    expect([what, out]).not.toEqual([
      what,
      expect.stringMatching(/fault of piku's own|\n {4}at |it hangs/),
    ]);
    expect([what, ms < 5000]).toEqual([what, true]);
  };

  story(
    `ssh command lines of any bytes are done or refused, and nothing happens outside (PIKU_SEED=${seed})`,
    () => {
      const before = outside();
      const text = fc
        .tuple(fc.constantFrom(...words), hostile(20_000))
        .map(([word, rest]) => `${word} ${rest}`);
      const raw = fc
        .tuple(fc.constantFrom(...words, ""), bytes)
        .map(([word, rest]) => Buffer.concat([Buffer.from(`${word} `), rest]));
      const lines = some(fc.oneof(text, raw, hostile(100_000)));
      const calls = lines
        .map((line) =>
          Buffer.from(line)
            .filter((byte) => byte !== 0)
            .subarray(0, longest),
        )
        .map(asked);
      const told = drive(calls);
      for (const [i, one] of told.entries())
        sane(JSON.stringify(Buffer.from(lines[i]!).toString("latin1")).slice(0, 300), one);
      expect(outside()).toBe(before);
      for (const folder of ["apps", "repos", "envs", "logs", "releases", "locks"])
        for (const name of list(`${board.pikuRoot}/${folder}`))
          expect(name).toMatch(/^[A-Za-z0-9][\w.-]*$/);
    },
  );

  const source = `import json, os


def app(environ, start_response):
    body = json.dumps({k.decode(errors="replace"): v.hex() for k, v in os.environb.items()}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    make_server(os.environ["BIND_ADDRESS"], int(os.environ["PORT"]), app).serve_forever()
`;
  const strange = [
    "PPID",
    "LINENO",
    "IFS",
    "PS1",
    "PS4",
    "MAIL",
    "PWD",
    "OLDPWD",
    "UID",
    "EUID",
    "SHLVL",
    "ENV",
    "BASH_ENV",
    "GIT_DIR",
    "CDPATH",
    "HISTFILE",
    "__proto__",
    "constructor",
    "UWSGI_FILE",
  ];

  story(
    `values of config:set are in the processes' environment to the byte, or were refused (PIKU_SEED=${seed})`,
    () => {
      const canary = `${board.folder}/canary`;
      const evil = [
        `@(exec://touch ${canary})`,
        `$(touch ${canary})`,
        `\`touch ${canary}\``,
        `'; touch ${canary}; '`,
        `\\'; touch ${canary}; #`,
        `%(uid) @(${board.pikuRoot}/ENV) $(PATH)`,
        `"; touch ${canary}`,
        `x\nexec-asap = touch ${canary}`,
      ];
      const values = [...evil, ...some(hostile(2000, evil))].map((value) =>
        value.replaceAll("\0", ""),
      );
      const bad = (value: string) =>
        /[\r\ufffd]/.test(value) || Buffer.from(value).toString() !== value;
      // A dollar that is to stay one is written so.
      const kept = (value: string) =>
        value.replace(/(\\*)(\$)|\\+/g, (all, slashes: string, dollar?: string) =>
          dollar ? `${slashes}${slashes}\\$` : all,
        );
      const names = values.map((_, i) => `K${i}`);
      for (const kind of ["web", "wsgi"]) {
        const app = `env-${kind}`;
        const told = drive(
          values.map((value, i) =>
            asked(`config:set ${app} ${quote(`${names[i]}=${kept(value)}`)}`),
          ),
        );
        for (const [i, { status, out }] of told.entries()) {
          expect([values[i], status]).toEqual([values[i], bad(values[i]!) ? 1 : 0]);
          if (status !== 0) expect(out).toMatch(/carriage return|not UTF-8/);
        }
        // The one form that uWSGI's files cannot carry is refused with the deploy, so it is taken
        // back.
        const refused = (value: string) =>
          kind === "wsgi" &&
          /^[^\n]*[ \t]$/.test(value) &&
          (/%\([^)]*\)/.test(value) || /[\x00-\x08\x0a-\x1f\x7f]/.test(value));
        // uWSGI's envdir cuts the end of a value of several lines.
        const carried = (value: string) =>
          kind === "wsgi" && value.includes("\n") ? value.replace(/[ \t\n]+$/, "") : value;
        const unwritable = names.filter((_, i) => !bad(values[i]!) && refused(values[i]!));
        if (unwritable.length > 0) ok(board.piku("config:unset", app, ...unwritable));
        for (const name of strange) ok(board.piku("config:set", app, `${name}=x y ${name}`));
        const files: Files = {
          Procfile: kind === "web" ? "web: exec python3 app.py\n" : "wsgi: app:app\n",
          ENV: `NGINX_SERVER_NAME=${app}.test\n`,
          "app.py": source,
        };
        expect(fails(board.piku("config:set", app, "OPTIND=x y"), 2).stderr).toContain(
          "belongs to the shell",
        );
        ok(board.push(board.repo(undefined, files), app));
        const got = JSON.parse(board.get("/", { host: `${app}.test` }).body) as Record<
          string,
          string
        >;
        const wanted = Object.fromEntries(
          names.flatMap((name, i) =>
            bad(values[i]!) || refused(values[i]!) ? [] : [[name, hex(carried(values[i]!))]],
          ),
        );
        const shown = Object.fromEntries(
          Object.entries(got).filter(([name]) => /^K\d+$/.test(name)),
        );
        expect(shown).toEqual(wanted);
        expect(strange.filter((name) => got[name] !== hex(`x y ${name}`))).toEqual([]);
        expect(fs.existsSync(canary)).toBe(false);
      }
    },
  );

  story(
    `Procfiles and ENV files of any bytes are refused with a sentence, or deployed (PIKU_SEED=${seed})`,
    () => {
      // Without an emperor nothing of a Procfile is run.
      const env = { PIKU_ROOT: `${board.folder}/fuzz` };
      ok(board.run([piku(), "setup"], { env: { ...board.boardEnv(), ...env } }));
      // An emperor of somebody else's on this machine may be taken for ours.
      fs.writeFileSync(`${env.PIKU_ROOT}/ENV`, "PIKU_HEALTHCHECK_TIMEOUT=1\nPIKU_GRACE=0\n");
      const before = outside();
      const kinds = fc.constantFrom(
        "web",
        "wsgi",
        "worker",
        "cron",
        "php",
        "static",
        "x y",
        "../x",
        "",
      );
      const line = fc
        .tuple(kinds, fc.constantFrom(": ", ":", " "), hostile(3000))
        .map((parts) => parts.join(""));
      const lines = fc.array(line, { maxLength: 5 }).map((all) => all.join("\n"));
      const plain = (content: string) => content.replace(/preflight|release/g, "x");
      const setting = fc
        .tuple(
          fc.constantFrom(
            "A",
            "B",
            "PORT",
            "NGINX_SERVER_NAME",
            "PIKU_GRACE",
            "UWSGI_THREADS",
            "a b",
            "__proto__",
          ),
          fc.constantFrom("=", " = ", ""),
          hostile(3000),
        )
        .map((parts) => parts.join(""));
      const settings = fc.array(setting, { maxLength: 5 }).map((all) => all.join("\n"));
      const cases = some(
        fc.tuple(
          fc.oneof(lines, fc.constant("worker: true\n"), bytes),
          fc.oneof(settings, fc.constant(""), bytes),
        ),
      );
      const repo = `${env.PIKU_ROOT}/repos/fuzz`;
      drive([asked("git-receive-pack fuzz")], env);
      const blob = (content: Uint8Array | string) =>
        Buffer.from(typeof content === "string" ? plain(content) : content);
      const commit = ([procfile, settings]: (typeof cases)[number]): string => {
        const id = (content: Buffer) => {
          fs.writeFileSync(`${board.folder}/logs/blob`, content);
          return ok(
            board.run(["git", "-C", repo, "hash-object", "-w", `${board.folder}/logs/blob`]),
          ).stdout.trim();
        };
        const input = `100644 blob ${id(blob(settings))}\tENV\n100644 blob ${id(blob(procfile))}\tProcfile\n`;
        const tree = ok(board.run(["git", "-C", repo, "mktree"], { input })).stdout.trim();
        return ok(board.run(["git", "-C", repo, "commit-tree", tree, "-m", "x"])).stdout.trim();
      };
      const calls = cases.map(
        (one): Call => ({
          argv: [piku(), "git-hook", "fuzz"],
          input: `${"0".repeat(40)} ${commit(one)} refs/heads/main\n`,
        }),
      );
      for (const [i, told] of drive(calls, env).entries()) {
        sane(JSON.stringify(cases[i]).slice(0, 500), told);
        if (told.status === 0) continue;
        expect(told.out).toMatch(/^Error: [^\x00-\x08\x0b-\x1f\x7f]+$/m);
      }
      expect(outside().replaceAll(/^\S+\/fuzz(\/.*)?\n/gm, "")).toBe(
        before.replaceAll(/^\S+\/fuzz(\/.*)?\n/gm, ""),
      );
    },
  );

  story(`key files of any bytes bring restricted lines or none (PIKU_SEED=${seed})`, () => {
    const home = `${board.folder}/keys`;
    const real = read(`${board.folder}/ssh/other.pub`).trim();
    const foreign = "# a note\nssh-ed25519 AAAA not mine\n";
    fs.mkdirSync(`${home}/.ssh`, { recursive: true });
    fs.writeFileSync(`${home}/.ssh/authorized_keys`, foreign);
    const pieces = [
      "\n",
      real,
      `command="sh" ${real}`,
      `${real}\n`,
      "ssh-ed25519 ",
      "ssh-rsa ",
      "AAAA",
      "no-pty ",
    ];
    const files = some(
      fc.oneof(
        hostile(5000, pieces),
        fc.array(fc.constantFrom(...pieces), { maxLength: 4 }).map((all) => all.join("")),
        bytes,
      ),
    );
    const calls = files.map((input): Call => ({ argv: [piku(), "setup:ssh", "-"], input }));
    for (const [i, told] of drive(calls, { HOME: home }).entries())
      sane(JSON.stringify(files[i]).slice(0, 300), told);
    const content = read(`${home}/.ssh/authorized_keys`);
    expect(content.startsWith(foreign)).toBe(true);
    const lines = content.slice(foreign.length).split("\n").filter(Boolean);
    expect(lines.length).toBeLessThan(2);
    for (const line of lines)
      expect(line).toMatch(/^restrict,pty,command="exec env -u [^"]*piku" ssh-ed25519 /);
  });

  story(
    `nginx reads of every site exactly the directives that are meant (PIKU_SEED=${seed})`,
    () => {
      const paths = pathsOf(memoryHost({ env: { HOME: "/home/piku", PIKU_ROOT: board.pikuRoot } }));
      const ports = { http: board.httpPort, https: board.httpsPort };
      const machine = {
        http2: "none",
        countsSent: true,
        ipv6: false,
        ports,
        folders: allowedFolders,
      } as const;
      const folder = `${board.folder}/sites`;
      fs.mkdirSync(`${folder}/temp`, { recursive: true });
      ok(
        board.run([
          "openssl",
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:prime256v1",
          "-nodes",
          "-subj",
          "/CN=x",
          "-keyout",
          `${folder}/x.key`,
          "-out",
          `${folder}/x.crt`,
        ]),
      );
      const sites = some(siteSettings, count * 3).flatMap(({ settings, workers, backend }, i) => {
        const site = unlessRefused(() =>
          planSite(
            appOf(paths, `site${i}`),
            workers,
            { ...settings, NGINX_DEFAULT: "" },
            machine,
            backend,
          ),
        );
        return site
          ? [
              {
                ...site,
                certificate: `${folder}/x.crt`,
                key: `${folder}/x.key`,
                cloudflare: undefined,
              },
            ]
          : [];
      });
      expect(sites.length).toBeGreaterThan(count / 2);
      /** What nginx says to these sites; and the text of each as it has read it. */
      const asked = (some: typeof sites): Ran => {
        fs.rmSync(`${folder}/live`, { recursive: true, force: true });
        fs.mkdirSync(`${folder}/live`);
        for (const site of some)
          fs.writeFileSync(`${folder}/live/${site.app}.conf`, renderSite(site));
        const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
          .map((name) => `${name}_temp_path ${folder}/temp;`)
          .join(" ");
        fs.writeFileSync(
          `${folder}/nginx.conf`,
          `pid ${folder}/pid; events {} http { access_log off; server_names_hash_bucket_size 512; server_names_hash_max_size 4096; ${temporary} include ${folder}/live/*.conf; }\n`,
        );
        return board.run(["nginx", "-T", "-e", "stderr", "-c", `${folder}/nginx.conf`], {
          env: board.boardEnv(),
        });
      };
      let shown = 0;
      const check = (group: typeof sites): void => {
        const ran = asked(group);
        // What nginx does not take is refused by `nginx -t`, which each deploy asks; the others
        // must be there.
        if (ran.status !== 0) {
          if (group.length > 1)
            for (const half of [group.slice(0, group.length >> 1), group.slice(group.length >> 1)])
              check(half);
          else expect(ran.stderr).toMatch(/\[emerg\]/);
          return;
        }
        for (const site of group) {
          const mark = `# configuration file ${folder}/live/${site.app}.conf:\n`;
          const from = ran.stdout.indexOf(mark) + mark.length;
          const to = ran.stdout.indexOf("\n# configuration file ", from);
          expect(from).toBeGreaterThan(mark.length);
          demandSite(site, to < 0 ? ran.stdout.slice(from) : ran.stdout.slice(from, to));
          shown++;
        }
      };
      for (let i = 0; i < sites.length; i += 50) check(sites.slice(i, i + 50));
      expect(shown).toBeGreaterThan(sites.length / 2);
    },
  );
});
