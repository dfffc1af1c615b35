import { expect } from "bun:test";
import fs from "node:fs";
import {
  type Board,
  examples,
  type Files,
  fails,
  ok,
  type Ran,
  type Repo,
  read,
  type Target,
} from "./sandbox.ts";
import { skipped, stories } from "./story.ts";
import {
  lackOf,
  lackOfMaven,
  link,
  oldCargo,
  recorded,
  recording,
  standIn,
  toolOf,
} from "./toolchains.ts";

/** What is told of an example app in each language. */
interface Chapter {
  example: string;
  /** Its name on the board, when it is not the example's. */
  name?: string;
  /** Files on top of the example's. */
  files?: Files;
  /** What it says, and the file that says it. */
  greeting: string;
  source: string;
  /** What only the first push may print: work that need not be done twice. */
  once?: RegExp;
  /** A manifest that cannot be built. */
  broken: Files;
}

const exampleFile = (example: string, name: string) => read(`${examples}/${example}/${name}`);

/**
 * Pushes an example, changes it, breaks it; it answers all along. Gives the first push and the
 * second.
 */
function live(
  board: Board,
  { example, name = example, greeting, source, once, broken, ...rest }: Chapter,
): [Ran, Ran, Repo] {
  const host = `${name}.test`;
  const files = { ENV: `NGINX_SERVER_NAME=${host}\n`, ...rest.files };
  const app = board.repo(example, files);
  const first = ok(board.push(app, name));
  expect(board.get("/", { host })).toMatchObject({ status: 200, body: `${greeting}\n` });
  app.commit("Second", { [source]: exampleFile(example, source).replace(greeting, "Hello again") });
  const second = ok(board.push(app, name));
  expect(board.get("/", { host })).toMatchObject({ status: 200, body: "Hello again\n" });
  if (once) {
    expect(first.output).toMatch(once);
    expect(second.output).not.toMatch(once);
  }
  console.log(
    `${name}: ${(first.ms / 1000).toFixed(1)} s, again ${(second.ms / 1000).toFixed(1)} s`,
  );
  const tip = app.head();
  app.commit("Broken", broken);
  const { output } = fails(board.push(app, name));
  expect(output).toMatch(/failed with exit status/);
  expect(board.get("/", { host })).toMatchObject({ status: 200, body: "Hello again\n" });
  expect(board.tip(name)).toBe(tip);
  ok(app.git("reset", "--quiet", "--hard", tip));
  return [first, second, app];
}

/** The files below a folder of the app's tree, without those of git. */
const served = (board: Board, app: string, folder: string) =>
  fs
    .readdirSync(`${board.pikuRoot}/apps/${app}/${folder}`, {
      recursive: true,
      withFileTypes: true,
    })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.split(`/apps/${app}/`)[1]!)
    .sort();

const goMain = (says: string) => `package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, ${JSON.stringify(says)}) })
	http.ListenAndServe(os.Getenv("BIND_ADDRESS")+":"+os.Getenv("PORT"), nil)
}
`;

/** Building is the same on either executable, and slow. */
const unlessSlow = {
  unless: ({ name }: Target) =>
    name.endsWith("-lite") ? "told on the other executable" : undefined,
};

stories((board, story) => {
  const lacks = { cargo: oldCargo(), mvn: lackOf("mvn") ?? lackOfMaven() };
  /** A story that needs these programs. */
  const with_ = (tools: string[], name: string, body: () => void) => {
    const lack =
      lackOf(...tools) ??
      Object.entries(lacks).find(([tool, lack]) => lack && tools.includes(tool))?.[1];
    if (lack) skipped(name, lack);
    else story(name, body);
  };

  with_(
    ["go"],
    "Go: an example app is built by the push, again from what was built, and broken",
    () => {
      link(board, "go");
      const once = /downloading github\.com/;
      live(board, {
        example: "go",
        greeting: "Hello from Go",
        source: "main.go",
        once,
        broken: { "go.mod": "module example.test/hello\n\nrequire no/such v1.0.0\n" },
      });
      expect(served(board, "go", ".").filter((name) => !name.startsWith(".git/"))).toEqual([
        "ENV",
        "Procfile",
        "go.mod",
        "go.sum",
        "hello",
        "main.go",
      ]);
    },
  );

  const goFiles = (host: string, procfile: string): Files => ({
    Procfile: procfile,
    ENV: `NGINX_SERVER_NAME=${host}\n`,
  });

  with_(["go"], "Go: programs in folders of a module are built into bin", () => {
    const main = exampleFile("go", "main.go");
    const app = board.repo("go", {
      ...goFiles("several.test", "web: exec bin/server\nworker: exec bin/idle\n"),
      "main.go": null,
      "cmd/server/main.go": main,
      "cmd/idle/main.go": "package main\n\nfunc main() { select {} }\n".replace(
        "select {}",
        "<-make(chan int)",
      ),
      "lib/lib.go": "package lib\n",
    });
    app.commit("Idle", {
      "cmd/idle/main.go":
        'package main\n\nimport "time"\n\nfunc main() { time.Sleep(time.Hour) }\n',
    });
    ok(board.push(app, "several"));
    expect(board.get("/", { host: "several.test" }).body).toBe("Hello from Go\n");
    expect(served(board, "several", "bin")).toEqual(["bin/idle", "bin/server"]);
  });

  with_(["go"], "Go: programs are found as Heroku's and Dokku's own apps name them", () => {
    const module = "module example.test/you/getting-started\n\ngo 1.19\n";
    const app = board.repo(undefined, {
      Procfile: "web: getting-started\n",
      ENV: "NGINX_SERVER_NAME=named.test\n",
      "go.mod": module,
      "main.go": goMain("top"),
      "cmd/admin/main.go": goMain("admin"),
    });
    const served = () => board.get("/", { host: "named.test" }).body;
    ok(board.push(app, "named"));
    expect(served()).toBe("top");

    app.commit("In bin", { Procfile: "web: bin/admin\n" });
    ok(board.push(app, "named"));
    expect(served()).toBe("admin");

    app.commit("Another name", { Procfile: "web: web\n", "cmd/admin/main.go": null });
    ok(board.push(app, "named"));
    expect(served()).toBe("top");

    app.commit("Without a module", { Procfile: "web: ./server\n", "go.mod": null });
    ok(board.push(app, "named"));
    expect(served()).toBe("top");

    app.commit("A workspace", {
      Procfile: "web: api\n",
      "main.go": null,
      "go.work": "go 1.19\n\nuse (\n\t./api\n\t./job\n)\n",
      "api/go.mod": "module example.test/you/api\n\ngo 1.19\n",
      "api/main.go": goMain("api"),
      "job/go.mod": "module example.test/you/job\n\ngo 1.19\n",
      "job/main.go": goMain("job"),
    });
    ok(board.push(app, "named"));
    expect(served()).toBe("api");

    app.commit("No such program", { Procfile: "web: bin/server\n" });
    expect(board.push(app, "named").output).toContain(
      "the Procfile runs 'server', but what is built is bin/api, bin/job.",
    );
    expect(served()).toBe("api");
  });

  with_(["go"], "Go: `go run` as a worker, and `go build` as release, without a go.sum", () => {
    const app = board.repo("go", {
      ...goFiles("run.test", "release: go build -o released .\nweb: exec go run .\n"),
      "go.sum": null,
    });
    const { output } = ok(board.push(app, "run"));
    expect(output).toContain("Running go mod tidy");
    expect(board.get("/", { host: "run.test" }).body).toBe("Hello from Go\n");
    expect(served(board, "run", ".")).toContain("released");
  });

  with_(
    ["go"],
    "Go: a file without a module, and Godeps with a recording stand-in for godep",
    () => {
      const main = exampleFile("go", "main.go")
        .replace(/.*uuid.*\n/g, "")
        .replace("id)", '"")');
      const app = board.repo(undefined, {
        ...goFiles("loose.test", "web: exec ./loose\n"),
        "main.go": main,
      });
      ok(board.push(app, "loose"));
      expect(board.get("/", { host: "loose.test" }).body).toBe("Hello from Go\n");
      standIn(board, "godep", recording("", "GO111MODULE"));
      app.commit("Godeps", { "Godeps/Godeps.json": '{"ImportPath": "example.test/loose"}' });
      ok(board.push(app, "loose"));
      expect(recorded(board)).toEqual(["godep restore GO111MODULE=off"]);
      expect(board.get("/", { host: "loose.test" }).body).toBe("Hello from Go\n");
    },
  );

  const linkCargo = () => {
    const home = process.env.RUSTUP_HOME ?? `${process.env.HOME}/.rustup`;
    for (const name of ["cargo", "rustc"])
      link(board, name, fs.existsSync(home) ? { RUSTUP_HOME: home } : {});
  };

  with_(
    ["cargo", "rustc"],
    "Rust: an example app is built by the push, again from what was built, and broken",
    () => {
      linkCargo();
      live(board, {
        example: "rust",
        greeting: "Hello from Rust",
        source: "src/main.rs",
        once: /Compiling itoa/,
        broken: { "Cargo.toml": "[package\n" },
      });
      expect(served(board, "rust", "target")).toEqual(["target/release/hello"]);
    },
  );

  with_(
    ["cargo", "rustc"],
    "Rust: a Procfile of the original's, with `cargo run`, and one of target/debug",
    () => {
      linkCargo();
      const app = board.repo("rust", {
        Procfile: "web: exec cargo run\n",
        ENV: "NGINX_SERVER_NAME=cargo.test\n",
      });
      ok(board.push(app, "cargo"));
      expect(board.get("/", { host: "cargo.test" }).body).toBe("Hello from Rust\n");
      const log = ok(board.ssh("logs", "cargo", "-n", "200", "--no-follow")).stdout;
      expect(log).toContain("Compiling hello");
      expect(log).not.toContain("Compiling itoa");
      app.commit("Debug", { Procfile: "web: exec target/debug/hello\n" });
      ok(board.push(app, "cargo"));
      expect(board.get("/", { host: "cargo.test" }).body).toBe("Hello from Rust\n");
    },
  );

  with_(
    ["java", "javac", "mvn"],
    "Maven: an example app is built by the push, again without downloads, and broken",
    () => {
      link(board, "mvn", {}, [`-Dmaven.repo.local=${board.home}/.m2/repository`]);
      const [first, second] = live(board, {
        example: "java-maven",
        greeting: "Hello from Java",
        source: "src/main/java/Hello.java",
        broken: { "pom.xml": "<project>\n" },
      });
      expect(second.ms).toBeLessThan(first.ms);
      expect(served(board, "java-maven", "target")).toEqual([
        "target/classes/Hello.class",
        "target/hello.jar",
      ]);
    },
  );

  // What stands in for a builder: a jar with a program that says what the source says. It fails
  // where the manifest is broken.
  const jar = (manifest: string, source: string, output: string) => `
! grep -q broken ${manifest} || { echo "error in ${manifest}"; exit 1; }
rm -rf made && mkdir -p made "$(dirname ${output})"
sed "s/Hello from Java/$(grep -o 'Hello [a-zA-Z][a-zA-Z ]*' ${source} | head -n 1)/" <<'EOF' >made/Hello.java
${exampleFile("java-maven", "src/main/java/Hello.java")}EOF
javac -d made made/Hello.java
jar -c -f ${output} -e Hello -C made Hello.class
rm -r made
`;
  const jdk = ["java", "javac", "jar"];

  const gradleHere = toolOf("gradle") !== undefined;
  const orStandIn = (here: boolean) => (here ? "" : ", with a recording stand-in");

  with_(
    jdk,
    `Gradle${orStandIn(gradleHere)}: an example app is built by the push, again, and broken`,
    () => {
      const output = "build/libs/hello.jar";
      const script = jar("build.gradle", "src/main/java/Hello.java", output);
      if (gradleHere) link(board, "gradle", { GRADLE_USER_HOME: `${board.home}/.gradle` });
      else
        standIn(
          board,
          "gradle",
          recording(`${script}mkdir -p build/tmp .gradle && touch build/tmp/x .gradle/x\n`),
        );
      live(board, {
        example: "java-gradle",
        greeting: "Hello from Java",
        source: "src/main/java/Hello.java",
        broken: { "build.gradle": "broken\n" },
      });
      if (!gradleHere)
        expect(recorded(board)).toEqual(Array(3).fill("gradle --no-daemon --console=plain build"));
      expect(
        served(board, "java-gradle", "build").filter((name) => !name.endsWith(".class")),
      ).toEqual([output]);
      expect(fs.existsSync(`${board.pikuRoot}/apps/java-gradle/.gradle`)).toBe(false);
    },
  );

  with_(jdk, "Gradle's wrapper, with a recording stand-in: it is used where there is one", () => {
    const script = jar("build.gradle", "src/main/java/Hello.java", "build/libs/hello.jar");
    const app = board.repo("java-gradle", {
      gradlew: `#!/bin/sh\nset -e\n${recording(script)}`,
      ENV: "NGINX_SERVER_NAME=wrapper.test\n",
    });
    ok(board.push(app, "wrapper"));
    expect(recorded(board)).toEqual(["gradlew --no-daemon --console=plain build"]);
    expect(board.get("/", { host: "wrapper.test" }).body).toBe("Hello from Java\n");
  });

  with_(
    jdk,
    "Clojure CLI, with a recording stand-in: an example app is built by the push, again, and broken",
    () => {
      const script = jar("deps.edn", "src/hello.clj", "target/hello.jar");
      standIn(
        board,
        "clojure",
        recording(`${script}mkdir -p .cpcache && touch .cpcache/x target/x\n`, "CLJ_CONFIG"),
      );
      live(board, {
        example: "clojure-cli",
        files: { ENV: "NGINX_SERVER_NAME=clojure-cli.test\nCLJ_CONFIG=/etc/clojure\n" },
        greeting: "Hello from Clojure",
        source: "src/hello.clj",
        broken: { "deps.edn": "broken\n" },
      });
      expect(recorded(board)).toEqual(
        Array(3).fill("clojure -T:build release CLJ_CONFIG=/etc/clojure"),
      );
      expect(served(board, "clojure-cli", "target")).toEqual(["target/hello.jar"]);
      expect(fs.existsSync(`${board.pikuRoot}/apps/clojure-cli/.cpcache`)).toBe(false);
    },
  );

  with_(
    [...jdk, "mvn"],
    "Clojure CLI, its launcher ours and its libraries real: the example app is built, again, and broken",
    () => {
      // tools.deps comes from where Maven gets everything; only the launcher has a site of its own.
      const dependency =
        "<groupId>org.clojure</groupId><artifactId>tools.deps</artifactId><version>0.31.1646</version>";
      const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
      <groupId>test.example</groupId><artifactId>tools</artifactId><version>1</version>
      <dependencies><dependency>${dependency}</dependency></dependencies></project>`;
      const folder = `${board.home}/clojure-tools`;
      fs.mkdirSync(folder);
      fs.writeFileSync(`${folder}/pom.xml`, pom);
      const copy = [
        "dependency:copy-dependencies",
        `-DoutputDirectory=${folder}`,
        "-f",
        `${folder}/pom.xml`,
      ];
      const repository = `-Dmaven.repo.local=${board.home}/.m2/repository`;
      ok(
        board.run([toolOf("mvn")!, "-q", "-B", "-ntp", repository, ...copy], {
          env: board.boardEnv(),
          limit: 200,
        }),
      );
      standIn(
        board,
        "clojure",
        `[ "$*" = "-T:build release" ]
kept=.cpcache/$(cksum <deps.edn | tr -d ' ')
mkdir -p .cpcache
[ -s "$kept" ] || java -Duser.home="$HOME" -cp '${folder}/*' clojure.main -e '
  (require (quote [clojure.tools.deps :as deps]))
  (let [project (deps/slurp-deps (java.io.File. "deps.edn"))
        build {:paths ["."] :deps (get-in project [:aliases :build :deps])}]
    (print (deps/make-classpath (:libs (deps/calc-basis (merge (deps/root-deps) build))) ["."] nil))
    (flush))' >"$kept"
exec java -Duser.home="$HOME" -cp "$(cat "$kept")" clojure.main -e "(require 'build) (build/release {})"
`,
      );
      live(board, {
        example: "clojure-cli",
        name: "clojure-real",
        greeting: "Hello from Clojure",
        source: "src/hello.clj",
        once: /Downloading: org\/clojure/,
        broken: { "deps.edn": "{" },
      });
      expect(served(board, "clojure-real", "target")).toEqual(["target/hello.jar"]);
      expect(fs.existsSync(`${board.pikuRoot}/apps/clojure-real/.cpcache`)).toBe(false);
    },
  );

  const leinHere = toolOf("lein") !== undefined && lacks.mvn === undefined;

  with_(
    jdk,
    `Leiningen${orStandIn(leinHere)}: an example app is built by the push, again, and broken`,
    () => {
      const home = `${board.home}/lein`;
      fs.mkdirSync(home);
      fs.writeFileSync(`${home}/profiles.clj`, `{:user {:local-repo "${home}/repository"}}\n`);
      if (leinHere) link(board, "lein", { LEIN_ROOT: "1" });
      else
        standIn(
          board,
          "lein",
          recording(jar("project.clj", "src/hello.clj", "target/hello.jar"), "LEIN_HOME"),
        );
      live(board, {
        example: "clojure-lein",
        files: { ENV: "NGINX_SERVER_NAME=clojure-lein.test\nLEIN_HOME=$HOME/lein\n" },
        greeting: "Hello from Clojure",
        source: "src/hello.clj",
        once: leinHere ? /Retrieving org\/clojure/ : undefined,
        broken: { "project.clj": "broken\n" },
      });
      if (!leinHere)
        expect(recorded(board)).toEqual(Array(3).fill(`lein do clean, uberjar LEIN_HOME=${home}`));
      expect(served(board, "clojure-lein", "target")).toContain("target/hello.jar");
      expect(
        served(board, "clojure-lein", "target").filter((name) => !name.endsWith(".jar")),
      ).toEqual([]);
    },
  );

  const rubyTools = ["ruby", "gem", "bundle"];

  /** The lock file that bundler makes of a Gemfile with the gems of this machine. */
  const lockOf = (gemfile: string): string => {
    const repo = board.repo(undefined, { Gemfile: gemfile });
    ok(board.run(["bundle", "lock", "--local"], { cwd: repo.folder }));
    return read(`${repo.folder}/Gemfile.lock`);
  };

  with_(
    [...rubyTools, "rackup"],
    "Ruby: an example app with Debian's own gems is pushed, changed and broken",
    () => {
      live(board, {
        example: "ruby",
        files: {
          ENV: "NGINX_SERVER_NAME=ruby.test\nBUNDLE_PATH__SYSTEM=true\n",
          "Gemfile.lock": lockOf(exampleFile("ruby", "Gemfile")),
        },
        greeting: "Hello from Ruby",
        source: "config.ru",
        once: /Running bundle install/,
        broken: { Gemfile: 'source "https://rubygems.org"\ngem "rack", "~> 99"\n' },
      });
    },
  );

  with_(
    rubyTools,
    "Ruby: gems come from a repository in a folder of this machine into the app's own; its lock file is kept",
    () => {
      const gems = `${board.home}/gem-repository`;
      fs.mkdirSync(`${gems}/gems`, { recursive: true });
      const publish = (version: string) => {
        const spec = `Gem::Specification.new { |s| s.name = "greet"; s.version = "${version}"; s.summary = "A greeting";
        s.authors = ["A Pupil"]; s.files = ["greet.rb"]; s.require_paths = ["."] }`;
        fs.writeFileSync(`${gems}/greet.gemspec`, spec);
        fs.writeFileSync(`${gems}/greet.rb`, `GREETING = "greet ${version}"\n`);
        ok(
          board.run(
            ["gem", "build", "--quiet", "greet.gemspec", "-o", `gems/greet-${version}.gem`],
            { cwd: gems },
          ),
        );
        ok(board.run(["gem", "generate_index", "--quiet", "--directory", "."], { cwd: gems }));
      };
      publish("1.0.0");
      const server = `require "socket"
require "greet"
server = TCPServer.new(ENV["BIND_ADDRESS"], ENV["PORT"].to_i)
loop do
  client = server.accept
  client.readpartial(4096)
  client.write("HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n#{GREETING}")
  client.close
rescue EOFError
  client.close
end
`;
      const app = board.repo(undefined, {
        Procfile: "web: exec bundle exec ruby server.rb\n",
        ENV: "NGINX_SERVER_NAME=gems.test\n",
        Gemfile: `source "file://${gems}"\ngem "greet"\n`,
        "server.rb": server,
      });
      const first = ok(board.push(app, "gems"));
      expect(first.output).toContain("Installing greet 1.0.0");
      expect(board.get("/", { host: "gems.test" }).body).toBe("greet 1.0.0");
      expect(fs.existsSync(`${board.home}/.bundle/config`)).toBe(false);

      // A later gem is there, but nobody asked for it.
      publish("1.1.0");
      app.commit("Second", { "server.rb": server.replace("#{GREETING}", "again #{GREETING}") });
      const second = ok(board.push(app, "gems"));
      expect(second.output).not.toContain("bundle install");
      expect(board.get("/", { host: "gems.test" }).body).toBe("again greet 1.0.0");

      const lock = read(`${board.pikuRoot}/apps/gems/Gemfile.lock`);
      app.commit("Locked", { "Gemfile.lock": lock });
      expect(ok(board.push(app, "gems")).output).toContain("Installing greet 1.0.0");
      expect(board.get("/", { host: "gems.test" }).body).toBe("again greet 1.0.0");

      app.commit("Gemfile and lock disagree", {
        Gemfile: `source "file://${gems}"\ngem "greet", "1.1.0"\n`,
      });
      expect(fails(board.push(app, "gems")).output).toMatch(/Running bundle install failed/);
      expect(board.get("/", { host: "gems.test" }).body).toBe("again greet 1.0.0");

      app.commit("Unlocked", { "Gemfile.lock": null });
      ok(board.push(app, "gems"));
      expect(board.get("/", { host: "gems.test" }).body).toBe("again greet 1.1.0");
    },
  );
}, unlessSlow);
