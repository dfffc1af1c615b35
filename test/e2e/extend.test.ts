/** What the owner of a board adds to it: commands, hooks, and completion in the own shell. */
import { expect } from "bun:test";
import fs from "node:fs";
import { probeSource, webProbe } from "./probe.ts";
import { fails, ok, quote, read } from "./sandbox.ts";
import { longOnAnyBoard, stories } from "./story.ts";

stories((board, story) => {
  const write = (name: string, text: string, mode = 0o755) => {
    fs.mkdirSync(`${board.pikuRoot}/${name.split("/")[0]}`, { recursive: true });
    fs.writeFileSync(`${board.pikuRoot}/${name}`, text, { mode });
  };

  story(
    "a plugin is a command: its words, its paths, its exit status, its line on the help page",
    () => {
      const shown = '"$PIKU_COMMAND" "$PIKU_ROOT" "$PIKU_DATA" "$FINGERPRINT"';
      write(
        "plugins/dns",
        `#!/bin/sh\n# Point a name at an app.\nprintf '<%s>' "$@" ${shown}; cat; exit 7\n`,
      );
      write("plugins/README", "not a command\n", 0o644);
      const line = "dns:add blog 'two words' --flag --help";
      const ran = fails(board.sshRaw(line, { input: "from stdin" }), 7);
      const fingerprint = /FINGERPRINT=(\S+)/.exec(read(`${board.home}/.ssh/authorized_keys`))![1];
      const root = board.inside(board.pikuRoot);
      expect(ran.stdout).toBe(
        `<blog><two words><--flag><--help><dns:add><${root}><${root}/data><${fingerprint}>from stdin`,
      );
      expect(ok(board.ssh("help")).stdout).toMatch(/Plugins:\n {2}dns +Point a name at an app\n/);
      expect(ok(board.ssh("help", "dns")).stdout).toBe(
        "e.g.: ssh piku@board dns\n\nPoint a name at an app.\n",
      );
      expect(fails(board.ssh("dnss"), 2).stderr).toContain("did you mean 'dns'?");
      expect(fails(board.ssh("README"), 2).stderr).toContain("there is no command 'README'");
      fails(board.ssh("../plugins/dns"), 2);
    },
  );

  story("a plugin does not take the place of a command, and may call piku", () => {
    write("plugins/apps", "#!/bin/sh\necho mine\n");
    expect(board.ssh("apps").stdout).not.toContain("mine");
    fs.rmSync(`${board.pikuRoot}/plugins/apps`);
    write("plugins/version", '#!/bin/sh\nexec "$PIKU" --version\n');
    expect(ok(board.ssh("version")).stdout).toMatch(/^piku \d/);
  });

  story("hooks are told of a deploy before it, when it is live, and when it failed", () => {
    const app = board.repo(undefined, webProbe("hooked.test"));
    const told = `${board.folder}/told`;
    for (const name of ["pre-deploy", "post-deploy", "deploy-failed"])
      write(
        `hooks/${name}`,
        `#!/bin/sh\necho "${name} $1 $PIKU_RELEASE $PIKU_CAUSE $PIKU_COMMIT $PIKU_ERROR" >>${told}\necho hook ${name} says hello\n`,
      );
    expect(ok(board.push(app, "hooked")).output).toContain("hook post-deploy says hello");
    const [first, second] = [
      app.head(),
      app.commit("Broken", { "app.py": "raise SystemExit('no')\n" }),
    ];
    expect(fails(board.push(app, "hooked"), 1).output).toContain("hook deploy-failed says hello");
    expect(read(told).split("\n")).toEqual(
      [
        `pre-deploy hooked 1 push ${first} `,
        `post-deploy hooked 1 push ${first} `,
        `pre-deploy hooked 2 push ${second} `,
        `deploy-failed hooked 2 push ${second} 'web.1' is not healthy: it ended at once, with exit status 1`,
        "",
      ].map((line) =>
        line.startsWith("deploy-failed")
          ? expect.stringMatching(/^deploy-failed hooked 2 push \S+ .*web\.1/)
          : line,
      ),
    );
  });

  story("pre-deploy can refuse; a hook that fails or hangs afterwards changes nothing", () => {
    const app = board.repo(undefined, webProbe("asked.test"));
    for (const name of ["pre-deploy", "deploy-failed"])
      fs.rmSync(`${board.pikuRoot}/hooks/${name}`, { force: true });
    write("hooks/post-deploy", "#!/bin/sh\nexit 4\n");
    expect(ok(board.push(app, "asked")).output).toContain(
      "the server's post-deploy hook failed with exit status 4",
    );
    write("hooks/pre-deploy", "#!/bin/sh\necho not on a Friday\nexit 1\n");
    app.commit("Second", { "app.py": probeSource("two") });
    const push = fails(board.push(app, "asked"), 1);
    expect(push.output).toContain("not on a Friday");
    expect(push.output).toContain("the server's pre-deploy hook refuses it (exit status 1)");
    expect(board.get("/", { host: "asked.test" }).body).toBe("one");
    write("hooks/pre-deploy", "not executable\n");
    fs.chmodSync(`${board.pikuRoot}/hooks/pre-deploy`, 0o644);
    write("hooks/post-deploy", "#!/bin/sh\nsleep 600\n");
    const slow = ok(board.push(app, "asked"));
    expect(slow.ms).toBeLessThan(25_000);
    expect(board.get("/", { host: "asked.test" }).body).toBe("two");
  });

  story("completion, in bash itself: commands with colons, apps, options, over ssh as well", () => {
    const script = `${board.folder}/completion`;
    fs.writeFileSync(script, ok(board.ssh("completion")).stdout);
    const complete = (line: string, by = "_piku") => {
      const run = `piku() { printf '*blog\\n shop\\n'; }; ${ssh}; . ${script}; COMP_LINE='${line}' COMP_POINT=${line.length}; ${by}; echo "\${COMPREPLY[*]}"`;
      return ok(board.run(["bash", "-c", run])).stdout.trim();
    };
    expect(complete("piku roll")).toBe("rollback");
    expect(complete("piku config:s")).toBe("set");
    expect(complete("piku logs ")).toBe("blog shop");
    expect(complete("piku config:get b")).toBe("blog");
    expect(complete("piku update --r")).toBe("--rollback");
    expect(complete("piku git-")).toBe("");
    expect(complete("ssh -t piku@board lo", "_piku_ssh")).toBe("logs");
    expect(complete("ssh piku@board logs blog ", "_piku_ssh")).toBe("web worker");
    expect(complete("ssh piku@board rollback blog ", "_piku_ssh")).toBe("12 11");
    expect(complete("ssh piku@board deploy blog ", "_piku_ssh")).toBe("main try/2");
    expect(complete("ssh piku@board deploy blog t", "_piku_ssh")).toBe("try/2");
    expect(ok(board.run(["ls"])).stdout).not.toMatch(/^x$/m);
    expect(complete("ssh piku@board logs blog --a", "_piku_ssh")).toBe("--all");
    fails(board.ssh("completion", "csh"), 2);
  });

  // What a board would say.
  const ssh = `ssh() { case "$*" in *apps) printf '*blog\\n shop\\n' ;; *ps*) printf 'web:1\\nworker:0\\nweb.1  up 3s\\n' ;; *branches*) printf '*main\\n try/2\\n t$(echo>x)\\n' ;; *) printf '*12  x\\n 11  y\\n' ;; esac; }`;

  story("F4: completion, in zsh itself", () => {
    const script = `${board.folder}/completion.zsh`;
    fs.writeFileSync(script, ok(board.ssh("completion", "zsh")).stdout);
    const setUp = [
      `PS1=; cd ${board.folder}; autoload -U compinit; compinit -u -d ${board.folder}/zcompdump`,
      ssh,
      "piku() { printf '*blog\\n shop\\n'; }",
      `. ${script}`,
      "zstyle ':completion:*' list-prompt ''; LISTMAX=999; bindkey '^I' list-choices",
      'print REA""DY',
    ];
    const complete = (line: string) => {
      const words = [
        "zmodload zsh/zpty; zpty z zsh -f -i",
        ...setUp.map((one) => `zpty -w z ${quote(one)}`),
        "zpty -r -m z out '*READY*'",
        `zpty -wn z ${quote(`${line}\t`)}; sleep 1; while zpty -r -t z out; do print -r -- $out; done`,
      ];
      const { stdout } = ok(board.run(["zsh", "-f", "-c", words.join("\n")]));
      return stdout.replace(/\x1b\[[?\d;]*[A-Za-z]/g, " ").split(/\s+/);
    };
    expect(complete("piku config:s")).toContain("config:set");
    expect(complete("piku logs ")).toEqual(expect.arrayContaining(["blog", "shop"]));
    const releases = complete("ssh -t piku@board rollback blog ");
    expect(releases).toEqual(expect.arrayContaining(["11", "12"]));
    expect(complete("ssh piku@board logs blog ")).toContain("worker");
    expect(complete("ssh piku@board deploy blog ")).toEqual(
      expect.arrayContaining(["main", "try/2"]),
    );
  });

  story("completion in fish itself, and a script for PowerShell", () => {
    const script = `${board.folder}/piku.fish`;
    fs.writeFileSync(script, ok(board.ssh("completion", "fish")).stdout);
    const piku =
      'function piku; switch $argv[1]; case ps; printf "web:1\\nweb.1  up 3s\\n"; case branches; printf "*main\\n try/2\\n"; case "*"; printf "*12  x\\n 11  y\\n"; end; end';
    const complete = (line: string) =>
      ok(
        board.run(["fish", "-N", "-c", `${piku}; source ${script}; complete -C '${line}'`], {
          env: { ...board.clientEnv(), HOME: board.folder },
        }),
      )
        .stdout.trim()
        .split("\n")
        .map((one) => one.split("\t")[0]);
    expect(complete("piku config:s")).toEqual(["config:set"]);
    expect(complete("piku logs ")).toEqual(["web"]);
    expect(complete("piku rollback ")).toEqual(["11", "12"]);
    expect(complete("piku deploy ")).toEqual(["main", "try/2"]);
    expect(complete("piku logs --no")).toEqual(["--no-follow"]);
    const powershell = ok(board.ssh("completion", "powershell")).stdout;
    expect(powershell).toStartWith("Register-ArgumentCompleter -Native -CommandName piku");
    expect(powershell).toContain("'rollback' = ");
    const found = (asked: string, line: string) =>
      new RegExp(powershell.match(RegExp(`piku ${asked} .* -match '(.*?)'`))![1]!).exec(line)?.[1];
    expect(found("ps", "web:1")).toBe("web");
    expect(found("releases", "*12  x")).toBe("12");
    expect(found("branches", "*main")).toBe("main");
  });
}, longOnAnyBoard);
