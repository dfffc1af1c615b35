const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const ms = require("ms");

const built = readFileSync("dist/message.txt", "utf8");
createServer((_, response) => response.end(`${built} ${ms(60000)}\n`)).listen(
  process.env.PORT,
  process.env.BIND_ADDRESS,
);
