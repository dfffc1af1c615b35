// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are nginx's variables.
import { expect, test } from "bun:test";
import {
  cacheFoldersIn,
  defaultPortsIn,
  listensIn,
  readDirectives,
  serverNamesIn,
} from "../../../src/site/directives.ts";

test.each<[string, string[][]]>([
  ["", []],
  ["a b; c;", [["a", "b"], ["c"]]],
  ["server {\n\tlisten 80; # no;\n}", [["server"], ["listen", "80"]]],
  ["a\n  b\r\n\tc\n;", [["a", "b", "c"]]],
  [`a "b; c" 'd { e';`, [["a", "b; c", "d { e"]]],
  [`a "b\\"c" d\\;e \\"f;`, [["a", 'b"c', "d\\;e", '"f']]],
  ["set $a ${b}c;", [["set", "$a", "${b}c"]]],
  ["a b#c d}e;", [["a", "b#c", "d}e"]]],
  ["} server { a b; }", [["server"], ["a", "b"]]],
  ['"server_name" x;', [["server_name", "x"]]],
  ["a b", [["a", "b"]]],
  ['a "b', [["a", "b"]]],
  ["# only", []],
])("readDirectives(%j)", (text, directives) => {
  expect(readDirectives(text)).toEqual(directives);
});

test("a long file is read within a second", () => {
  const began = performance.now();
  expect(
    readDirectives(
      `a "${"\\\\".repeat(200_000)}" ${"x".repeat(200_000)} ${"{};#\n".repeat(50_000)}`,
    ).length,
  ).toBe(1);
  expect(performance.now() - began).toBeLessThan(1000);
});

test.each<[string, string[]]>([
  ["server_name a.test;", ["a.test"]],
  ["server_name A.Test b.test;", ["a.test", "b.test"]],
  ["server_name a.test; gzip on; server_name b.test;", ["a.test", "b.test"]],
  [`server_name "a.test" 'b.test';`, ["a.test", "b.test"]],
  ["server_name\n  a.test # the first\n  b.test;", ["a.test", "b.test"]],
  [`"server_name" a.test;`, ["a.test"]],
  ["}\nserver { server_name a.test;", ["a.test"]],
  ["server_name .a.test;", ["a.test", "*.a.test"]],
  ["server_name a.test.;", ["a.test"]],
  ["server_name ~^(?<x>.+)\\.test$;", ["~^(?<x>.+)\\.test$"]],
  [`server_name "";`, []],
  ["server_name $hostname;", ["board"]],
  ["# server_name a.test;", []],
  ["add_header X server_name; set $a 'server_name b.test;';", []],
])("serverNamesIn(%j)", (text, names) => {
  expect([...serverNamesIn(text, "Board")]).toEqual(names);
});

test.each<[string, number[]]>([
  ["listen 80;", []],
  ["listen 80 default_server;", [80]],
  ["listen 80 ssl default_server http2;", [80]],
  ["listen 80 default;", [80]],
  ["listen\n 80\n default_server;", [80]],
  ["listen 0.0.0.0:8080 default_server; listen [::]:443 'default_server';", [8080, 443]],
  ["listen localhost default_server;", [80]],
  ["listen [::1] default_server;", [80]],
  ["listen unix:/a:80 default_server;", []],
  ["# listen 80 default_server;", []],
])("defaultPortsIn(%j)", (text, ports) => {
  expect(defaultPortsIn(text)).toEqual(ports);
});

test.each<[string, string[]]>([
  ["listen 80; listen *:81; listen 0.0.0.0:82 ssl;", ["*:80", "*:81", "*:82"]],
  ["listen 10.0.0.1; listen 10.0.0.1:8080;", ["10.0.0.1:80", "10.0.0.1:8080"]],
  ["listen [::]:80; listen [::1]; listen [FE80::1]:443;", ["[::]:80", "[::1]:80", "[fe80::1]:443"]],
  ["listen localhost:81; listen unix:/x;", ["localhost:81"]],
])("listensIn(%j)", (text, listens) => {
  expect(listensIn(text)).toEqual(listens);
});

test("cacheFoldersIn", () => {
  const text =
    'proxy_cache_path "/a b" levels=1:2; uwsgi_cache_path /c keys_zone=x:2m; proxy_cache x;';
  expect(cacheFoldersIn(text)).toEqual(["/a b", "/c"]);
});
