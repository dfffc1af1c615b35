import { expect, test } from "bun:test";
import { renderEmperor } from "../../../src/workers/emperor-file.ts";
import { appBelow } from "./example.ts";

const app = appBelow("/p");
const tail = "set-placeholder = pikunil=\nset-placeholder = pikulp=(\n";
test("the emperor's file", () => {
  expect(renderEmperor(app.paths)).toBe(`[uwsgi]
; Written by piku; changes are lost.
chdir = /p/uwsgi
emperor = /p/uwsgi-enabled
emperor-pidfile = /p/uwsgi/emperor.pid
emperor-curse-tolerance = 3600
emperor-graceful-shutdown = true
emperor-no-blacklist = true
emperor-on-demand-extension = .socket
env = PIKU_ON_DEMAND=true
reload-mercy = 999999
logto = /p/uwsgi/uwsgi.log
${tail}`);
});
