import { expect, test } from "bun:test";
import { serviceCommand } from "../../../src/host/services.ts";
import { memoryHost } from "../../host/memory.ts";

test.each([
  [{}, "systemctl restart piku-web"],
  [{ "/run/openrc/softlevel": "default" }, "rc-service piku-web restart"],
] as [Record<string, string>, string][])("on a machine with %j: %s", (files, command) => {
  expect(serviceCommand(memoryHost({ files }), "restart", "piku-web")).toBe(command);
});
