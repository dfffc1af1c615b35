/**
 * What becomes more as a board fills: no cost grows worse than its cause, and what is about one app
 * costs little for each of the others. Counted, so that no noise reaches it: instructions of piku's
 * own process, programs, syncs, bytes. Who makes one of them smaller lowers its limit.
 */
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { Counter } from "../e2e/counting.ts";
import { InstructionCounter } from "../e2e/instructions.ts";
import { wsgiProbe } from "../e2e/probe.ts";
import { type Files, ok, Sandbox } from "../e2e/sandbox.ts";
import { skipped, stories } from "../e2e/story.ts";

const lite = {
  unless: ({ name }: { name: string }) =>
    name.endsWith("-lite")
      ? undefined
      : "told of the other executable, whose instructions qemu counts",
};

stories((board, story) => {
  if (!(board instanceof Sandbox)) throw new Error("not a sandbox");
  if (spawnSync("qemu-x86_64", ["--version"]).status !== 0)
    return skipped("what a full board costs", "needs the package qemu-user");
  const instructions = (counter: InstructionCounter, words: readonly string[]) =>
    counter.count([`${board.home}/piku`, ...words], board.boardEnv(), board.home);

  const one: Files = { ...wsgiProbe("one.test"), "requirements.txt": "" };
  const ofTemplate: Record<string, Files> = {
    pagely: {
      Procfile: "static: public\n",
      "public/index.html": "site\n",
      ENV: "NGINX_SERVER_NAME=pagely.test\n",
    },
    jobly: { Procfile: "worker: exec sleep 100000\n" },
  };

  /** The most that one more of each of those two apps may cost, in millions of instructions. */
  const forAnother: readonly [words: string, most: number][] = [
    ["apps", 0.8],
    ["apps --json", 5],
    ["config:get one A", 0.1],
    ["releases one", 0.2],
    ["ps one", 1.5],
    ["restart one", 9],
    ["config:set one A=2", 9],
    ["doctor", 14],
  ];

  story("an app that is not meant costs little, and its share does not grow", () => {
    const counter = new InstructionCounter(board.folder);
    ok(board.push(board.repo(undefined, one), "one"));
    for (const [name, files] of Object.entries(ofTemplate))
      ok(board.push(board.repo(undefined, files), name));
    let made = 0;
    const measureAt = (count: number) => {
      for (; made < count; made++)
        for (const name of Object.keys(ofTemplate)) copyApp(board, name, `${name}-${made}`);
      return forAnother.map(([words]) => {
        instructions(counter, words.split(" "));
        return instructions(counter, words.split(" "));
      });
    };
    const [few, some, many] = [5, 20, 50].map(measureAt) as [number[], number[], number[]];
    const shares = forAnother.map(([words, most], i) => ({
      words,
      most,
      first: (some[i]! - few[i]!) / 15,
      later: (many[i]! - some[i]!) / 30,
    }));
    for (const { words, first, later } of shares)
      console.log(`${words}: ${first.toFixed(2)}, then ${later.toFixed(2)} million a pair of apps`);
    expect(shares.filter(({ most, later }) => later > most)).toEqual([]);
    // What each of thirty costs, against each of the fifteen before.
    expect(
      shares.filter(({ most, first, later }) => later > 1.5 * Math.max(first, most / 2)),
    ).toEqual([]);
  });

  story("with fifty pairs of apps a change of one starts and syncs no more", () => {
    const counter = new Counter(board);
    try {
      const costs = (...words: string[]) => {
        const { programs, syncs } = counter.ssh(...words).counts;
        return [programs, syncs];
      };
      expect(costs("config:set", "one", "A=3")).toEqual([9, 6]);
      expect(costs("restart", "one")).toEqual([9, 4]);
    } finally {
      counter.stop();
    }
  });

  story("doctor starts no program for an app that it has seen before", () => {
    board.piku("doctor");
    const trace = `${board.folder}/doctor.trace`;
    const words = ["strace", "-f", "-qq", "-e", "trace=execve", "-o", trace];
    board.on([...words, `${board.home}/piku`, "doctor"]);
    const started = fs.readFileSync(trace, "utf8").match(/^\d+ +execve\(.* = 0$/gm) ?? [];
    expect(started.length).toBeGreaterThan(10);
    expect(started.length).toBeLessThan(40);
  });

  story("a log of a gigabyte costs what one of eight megabytes does", () => {
    const counter = new InstructionCounter(board.folder);
    const log = `${board.pikuRoot}/logs/one/wsgi.1.log`;
    const line = "\x1e2026-11-26T12:00:00+0000 a line of an app's log, as long as many are\n";
    const lines = line.repeat(100_000);
    const costOf = (bytes: number) => {
      fs.writeFileSync(log, "");
      fs.truncateSync(log, bytes - lines.length);
      fs.appendFileSync(log, `\n${lines}`);
      return instructions(counter, ["logs", "one", "--no-follow"]);
    };
    const [small, large] = [costOf(2 ** 23), costOf(2 ** 30)];
    fs.writeFileSync(log, "");
    console.log(`logs: ${small.toFixed(1)} million of 8 MB, ${large.toFixed(1)} of 1 GB`);
    expect(small).toBeLessThan(400);
    expect(large).toBeLessThan(1.1 * small);
  });

  story("the sixtieth release costs what the thirtieth does", () => {
    const counter = new InstructionCounter(board.folder);
    const costs: number[] = [];
    for (let i = 0; i < 60; i++) {
      if (i === 29 || i === 59) costs.push(instructions(counter, ["restart", "one"]));
      else ok(board.piku("restart", "one"));
    }
    console.log(`restart: ${costs.map((cost) => cost.toFixed(0)).join(", then ")} million`);
    expect(costs[1]!).toBeLessThan(1.2 * costs[0]!);
  });

  story(
    "one more of fifty workers starts no program, syncs nothing and costs what another does",
    () => {
      ok(board.push(board.repo(undefined, { Procfile: "worker: exec sleep 100000\n" }), "crowd"));
      const counter = new InstructionCounter(board.folder);
      const costs = [5, 25, 50].map((count) => {
        ok(board.ssh("ps:scale", "crowd", `worker=${count}`));
        instructions(counter, ["restart", "crowd"]);
        return instructions(counter, ["restart", "crowd"]);
      });
      const [first, later] = [(costs[1]! - costs[0]!) / 20, (costs[2]! - costs[1]!) / 25];
      console.log(`a worker: ${first.toFixed(1)}, then ${later.toFixed(1)} million`);
      expect(later).toBeLessThan(1.7 * first);
      const traced = new Counter(board);
      try {
        const argv = ["ssh", "-F", `${board.folder}/ssh/counted`, "board", "restart", "crowd"];
        const { programs, syncs } = traced.count(argv, { limit: 300 }).counts;
        expect([programs, syncs]).toEqual([7, 4]);
      } finally {
        traced.stop();
        ok(board.ssh("destroy", "crowd"));
      }
    },
  );

  story("one file of twenty thousand is pushed with as many programs as one of a hundred", () => {
    const counter = new Counter(board);
    try {
      const costOf = (count: number) => {
        const name = `files-${count}`;
        const repo = board.repo(undefined, {
          ...ofTemplate.pagely,
          ENV: `NGINX_SERVER_NAME=${name}.test\n`,
          ...manyFiles(count),
        });
        const push = () =>
          counter.count(["git", "push", `board:${name}`, "main"], { cwd: repo.folder });
        push();
        const next = (text: string) => {
          repo.commit("Next", { "public/0/0.txt": text });
          return push().counts;
        };
        next("once\n");
        return next("again\n");
      };
      const [small, large] = [costOf(100), costOf(20_000)];
      console.log(small, large);
      expect(large.programs).toBeLessThanOrEqual(small.programs + 1);
      expect(large.syncs).toBe(small.syncs);
      // The index of a work tree has a line for each file, and git writes it anew.
      expect(large.bytes - small.bytes).toBeLessThan(2 * 20_000 * 110);
    } finally {
      counter.stop();
    }
  });
}, lite);

const manyFiles = (count: number): Files =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`public/${i % 50}/${i}.txt`, `line ${i * 7919}\n`]),
  );

/**
 * A copy of an app under another name, by its files: all that are called by it, and what they say of
 * it. The emperor starts its workers.
 */
function copyApp(board: Sandbox, from: string, to: string): void {
  const root = board.pikuRoot;
  const isCalledSo = new RegExp(`^${from}(?=$|[._])`);
  // The vassals last: the emperor reads them at once.
  const folders = fs.readdirSync(root).sort((name) => (name === "uwsgi-enabled" ? 1 : -1));
  for (const folder of folders.filter((name) => fs.statSync(`${root}/${name}`).isDirectory()))
    for (const name of fs.readdirSync(`${root}/${folder}`).filter((one) => isCalledSo.test(one))) {
      const copy = `${root}/${folder}/${name.replace(isCalledSo, to)}`;
      if (fs.lstatSync(`${root}/${folder}/${name}`).isSocket()) continue;
      const staged = `${root}/.${to}.copy`;
      ok(board.run(["cp", "-a", `${root}/${folder}/${name}`, staged]));
      renamed(staged, from, to);
      fs.renameSync(staged, copy);
    }
}

/** Replaces a name in links and small files, at any depth. */
function renamed(file: string, from: string, to: string): void {
  const isIt = new RegExp(`\\b${from}(?![A-Za-z])`, "g");
  const stat = fs.lstatSync(file);
  if (stat.isDirectory())
    for (const name of fs.readdirSync(file)) renamed(`${file}/${name}`, from, to);
  else if (stat.isSymbolicLink()) {
    const target = fs.readlinkSync(file);
    fs.unlinkSync(file);
    fs.symlinkSync(target.replace(isIt, to), file);
  } else if (stat.isFile() && stat.size < 200_000 && !file.includes("/objects/")) {
    const text = fs.readFileSync(file, "latin1");
    if (isIt.test(text)) fs.writeFileSync(file, text.replace(isIt, to), "latin1");
  }
}
