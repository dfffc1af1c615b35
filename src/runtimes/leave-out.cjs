// Removes scripts from copies of package.json: the names in one word, then the files.
const fs = require("node:fs");
const [names, ...files] = process.argv.slice(1);
for (const file of files) {
  const found = JSON.parse(fs.readFileSync(file, "utf8").replace(/^\ufeff/, ""));
  for (const name of names.split(" ")) delete found.scripts[name];
  fs.writeFileSync(file, JSON.stringify(found));
}
