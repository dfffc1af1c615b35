/** What `npm run release` writes; the release itself is tried by e2e/update.test.ts. */
import { expect, test } from "bun:test";
import { billOfMaterials, changesOf, withVersion } from "../../release.ts";

const changes = "# Changes\n\n## Unreleased\n\n- New.\n\n## 0.1.0 - 2026-11-25\n\n- First.\n";

test("what is unreleased gets a version and a day", () => {
  const next = withVersion(changes, "0.2.0", "2026-12-01");
  expect(next).toBe(changes.replace("## Unreleased\n", "## Unreleased\n\n## 0.2.0 - 2026-12-01\n"));
  expect(changesOf(next, "0.2.0")).toBe("- New.");
  expect(changesOf(next, "0.1.0")).toBe("- First.");
  expect(changesOf(next, "0.3.0")).toBe("");
  expect(() => withVersion(next, "0.2.0", "2026-12-01")).toThrow("has 0.2.0 already");
  expect(() => withVersion(next, "0.3.0", "2026-12-01")).toThrow("nothing below 'Unreleased'");
});

test("the bill of materials names the three packages and both engines, with their sums", () => {
  const engine = { name: "quickjs", version: "1", purl: "pkg:generic/quickjs@1" };
  const bill = billOfMaterials([{ ...engine, files: [["quickjs.tar.xz", "SHA-256", "abc"]] }]);
  const { components, dependencies, ...rest } = JSON.parse(bill);
  expect(rest).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.5", version: 1 });
  expect(components.map(({ name }: { name: string }) => name)).toEqual([
    "citty",
    "consola",
    "defu",
    "quickjs",
  ]);
  for (const { hashes, components: files } of components)
    expect((hashes ?? files[0].hashes)[0].content).toMatch(/^[0-9a-f]+$/);
  expect(dependencies[0].dependsOn).toHaveLength(4);
  expect(billOfMaterials([{ ...engine, files: [["quickjs.tar.xz", "SHA-256", "abc"]] }])).toBe(
    bill,
  );
});
