import { expect, test } from "bun:test";
import { renderBoardPage } from "../../../src/board/page.ts";
import { pageWords } from "../../../src/board/page-words.ts";
import { languages } from "../../../src/site/home.ts";

const page = {
  hostname: "board",
  user: "piku",
  version: "1.0.0",
  now: "2026-11-26T10:00:00.000Z",
  apps: [
    { app: "blog", state: "up", since: "2026-11-25T09:30:00.000Z", url: "http://blog.local/" },
    { app: "shop", state: "down", port: 8001 },
    { app: "bot", state: "stopped" },
  ],
} as const;

test.each(languages.map((language) => [language]))("the page in %s is whole", (language) => {
  const html = renderBoardPage(page, language);
  const say = pageWords[language];
  expect(html).toStartWith("<!doctype html>\n");
  expect(html).toContain(`<html lang="${language}">`);
  for (const one of [say.apps, say.up, say.down, say.stopped, say.push, say.pushSays, say.client])
    expect(html).toContain(one);
  expect(html).not.toContain("{}");
  expect(html).not.toContain("<script");
  expect(html).not.toMatch(/(src|href)="(?!http:)/);
});

test("a named app is linked by its name, a nameless one by the reader's host and its port", () => {
  const html = renderBoardPage(page, "en");
  expect(html).toContain('<a href="http://blog.local/">blog</a>');
  expect(html).toContain('<a href="http://<!--#echo var="host" -->:8001/">shop</a>');
  expect(html).toContain('<li class="stopped">bot\n');
  expect(html).toContain(
    'since <time datetime="2026-11-25T09:30:00.000Z">2026-11-25 09:30 UTC</time>',
  );
});

test.each(languages.map((language) => [language]))("a newer piku is told in %s", (language) => {
  const [before] = pageWords[language].newer.split("{}");
  expect(renderBoardPage(page, language)).not.toContain(before);
  expect(renderBoardPage({ ...page, newer: "9.9.9" }, language)).toContain(`${before}9.9.9`);
});

test("a hundred apps take less than 20 KB", () => {
  const apps = Array.from({ length: 100 }, (_, i) => ({ ...page.apps[0], app: `app-number-${i}` }));
  expect(renderBoardPage({ ...page, apps }, "fr").length).toBeLessThan(20_000);
});

test("names are text, in HTML and for nginx's includes", () => {
  const html = renderBoardPage({ ...page, hostname: '<!--#include file="/etc/passwd" -->' }, "en");
  expect(html).not.toContain("<!--#include");
});
