/** What we hand to people as a start must prepare without a finding. */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { prepareSuite } from "../shared/suites/prepare.js";

const example = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));

async function findings(name: string, modelMap: Record<string, string>, root?: string) {
  const suiteFile = example(name);
  const files = { kind: "local" as const, suiteFile, ...(root !== undefined && { root }) };
  const prepared = await prepareSuite({ text: readFileSync(suiteFile), files, modelMap });
  expect(prepared.samples).toBeGreaterThan(0);
  return prepared.findings.map((f) => `${f.severity}: ${f.field}: ${f.message}`);
}

test("ocr: the only remark is that OCR ignores prompts", async () => {
  for (const finding of await findings("ocr/suite.yaml", {})) expect(finding).toMatch(/ignores prompts/);
});

test("questions: nothing to remark", async () => {
  expect(await findings("questions/suite.yaml", { small: "ollama:qwen2.5:0.5b" })).toEqual([]);
});

test("fire: a plain SAI suite with sequences below --root", async () => {
  const root = await mkdtemp(join(tmpdir(), "sai-example-"));
  try {
    await mkdir(join(root, "sequences", "one"), { recursive: true });
    const png = readFileSync(example("ocr/images/clean-01.png"));
    await writeFile(join(root, "sequences", "one", "1.png"), png);
    await writeFile(join(root, "sequences", "one.txt"), "0.5,0.5,0.1,0.1\n");
    expect(await findings("fire/suite.yaml", { "*": "simulated:x" }, root)).toEqual([]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
