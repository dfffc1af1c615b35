/** Which branch is live, what a push says of it at its end, and Ctrl-C. */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { type Board, type Files, fails, ok, type Ran } from "./sandbox.ts";
import { stories, unlessLong } from "./story.ts";
import { running } from "./watch.ts";

const page = (host: string, text: string): Files => ({
  Procfile: "static: public\n",
  ENV: `NGINX_SERVER_NAME=${host}\n`,
  "public/index.html": text,
});

/** What the board said during a push, line by line. */
const told = ({ stderr }: Ran) =>
  stderr
    .split("\n")
    .filter((line) => line.startsWith("remote: "))
    .map((line) => line.slice("remote: ".length).trimEnd());

const shown = (board: Board, host: string) => board.get("/", { host }).body;

stories((board, story) => {
  story("a push of another branch says which was live, and deploy brings that one back", () => {
    const host = "branch.test";
    const app = board.repo(undefined, page(host, "main"));
    ok(board.push(app, "branch"));
    ok(app.git("checkout", "--quiet", "-b", "feature"));
    app.commit("Feature", { "public/index.html": "feature" });
    const lines = told(ok(board.push(app, "branch", "feature")));
    expect(lines.find((line) => line.includes("This was branch 'feature'"))).toMatch(
      /to go back to 'main': ssh \S+@127\.0\.0\.1 deploy branch main$/,
    );
    expect(lines.at(-1)).toContain(board.url(host));
    expect(ok(board.push(app, "branch", "main")).output).toContain("Everything up-to-date");
    expect(shown(board, host)).toBe("feature");
    ok(board.ssh("deploy", "branch", "main"));
    expect(shown(board, host)).toBe("main");
    const list = ok(board.ssh("releases", "branch")).stdout;
    expect(list).toMatch(/\*3 .* deploy .* First\n 2 .* push \(feature\) .* Feature/);
    expect(ok(board.ssh("branches", "branch")).stdout.split("\n").sort()).toEqual(
      ["", " feature", "*main"].sort(),
    );
    const wrong = fails(board.ssh("deploy", "branch", "futura"), 1).stderr;
    expect(wrong).toContain("has no branch 'futura'");
    expect(wrong).toContain("it has feature, main");
    expect(fails(board.ssh("deploy", "branch", "main~0"), 1).stderr).toContain("main~0");
    expect(ok(board.ssh("rollback", "branch")).output).toMatch(
      /It is again as release 2 was: [0-9a-f]{7} "Feature"\n[\s\S]*To go forward again: deploy branch main/,
    );
    expect(shown(board, host)).toBe("feature");
    app.commit("More of it", { "public/index.html": "more" });
    expect(ok(board.push(app, "branch", "feature")).output).not.toContain("This was branch");
  });

  story("PIKU_BRANCH: git takes other branches, and nothing of them is deployed", () => {
    const host = "one.test";
    const files = page(host, "main");
    const app = board.repo(undefined, { ...files, ENV: `${files.ENV}PIKU_BRANCH=main\n` });
    ok(app.git("branch", "early"));
    expect(ok(board.push(app, "one", "early")).output).toContain("only branch 'main' is");
    expect(ok(board.ssh("apps")).stdout).not.toMatch(/\bone\b/);
    ok(board.push(app, "one"));
    ok(app.git("checkout", "--quiet", "-b", "feature"));
    app.commit("Feature", { "public/index.html": "feature" });
    const { stderr } = ok(board.push(app, "one", "feature"));
    expect(stderr).toContain("Not deployed: only branch 'main' is (PIKU_BRANCH)");
    expect(stderr).toContain("deploy one feature");
    expect(stderr).not.toContain("Deploying app");
    expect(shown(board, host)).toBe("main");
    expect(board.tip("one", "refs/heads/feature")).toBe(app.head());
    ok(board.ssh("deploy", "one", "feature"));
    expect(shown(board, host)).toBe("feature");
    ok(board.push(app, "one", "feature:main", "feature:other"));
    expect(fails(board.ssh("config:set", "one", "PIKU_BRANCH=a b"), 1).stderr).toContain("main");
  });

  story("a refused push ends on what visitors still see, and a good one on its address", () => {
    const host = "ends.test";
    const app = board.repo(undefined, {
      ...page(host, "one"),
      Procfile: "preflight: false\nstatic: public\n",
    });
    expect(told(fails(board.push(app, "ends"), 1)).at(-1)).toBe(
      "-----> Nothing of app 'ends' is live: mend it and push again",
    );
    const good = app.commit('It\'s "good"', { Procfile: "static: public\n" });
    const lines = told(ok(board.push(app, "ends")));
    expect(lines).toContain("-----> Release 2 of app 'ends' is live.");
    expect(lines.at(-1)).toStartWith(`-----> ${board.url(host)}`);
    const still = `release 2 (${good.slice(0, 7)}, "It's "good"").`;
    app.commit("Bad", { Procfile: "web\n" });
    expect(told(fails(board.push(app, "ends"), 1)).at(-1)).toBe(
      `-----> Nothing has changed: visitors still see ${still}`,
    );
    expect(told(fails(board.push(app, "ends", "-o", "tkae=x", "main"), 1)).at(-1)).toContain(still);
    const set = fails(board.ssh("config:set", "ends", "NGINX_SERVER_NAME=a;b"), 1);
    expect(set.stderr.trimEnd().split("\n").at(-1)).toContain(`visitors still see ${still}`);
    expect(set.stdout).not.toContain("release 2");
    // Through ssh both are streams of their own: as a terminal shows them, the end is last.
    const both = board.run(["sh", "-c", "ssh board config:set ends 'NGINX_SERVER_NAME=a;b' 2>&1"]);
    expect(both.stdout).toEndWith(set.stderr);
    ok(board.ssh("stop", "ends"));
    expect(told(fails(board.push(app, "ends"), 1)).at(-1)).toBe(
      `-----> Nothing has changed: the app is still stopped, at ${still}`,
    );
  });

  story("Ctrl-C on a terminal cancels a deploy, and says so", async () => {
    const host = "ctrl.test";
    const app = board.repo(undefined, page(host, "one"));
    ok(board.push(app, "ctrl"));
    app.commit("Slow", { Procfile: "preflight: sleep 63\nstatic: public\n" });
    const pushed = board.pushing(app, "ctrl");
    while (running(board, "sleep 63").length === 0) await Bun.sleep(50);
    ok(board.ssh("deploy:cancel", "ctrl"));
    fails(await pushed);
    app.commit("Slow on the board only", {
      Procfile: 'preflight: [ -n "$QUICK" ] || sleep 63\nstatic: public\n',
      ENV: `NGINX_SERVER_NAME=${host}\nQUICK=1\n`,
      "public/index.html": "two",
    });
    ok(board.push(app, "ctrl"));
    ok(board.ssh("config:set", "--no-restart", "ctrl", "QUICK="));
    const words = ["-F", `${board.folder}/ssh/config`, "-tt", "board", "deploy", "ctrl"];
    const child = spawn("ssh", words, { env: board.clientEnv() });
    let output = "";
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    while (running(board, "sleep 63").length === 0) await Bun.sleep(50);
    child.stdin.write("\x03");
    expect(await ended).toBe(1);
    expect(output).toContain("the deploy was cancelled by Ctrl-C");
    expect(output).toContain("Nothing has changed: visitors still see release");
    expect(running(board, "sleep 63")).toEqual([]);
    expect(shown(board, host)).toBe("two");
  });
}, unlessLong);
