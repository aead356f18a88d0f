/** What we hand to people as a start must prepare without a finding. */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { expect, test } from "vitest";
import { SUITE_SCHEMA } from "../shared/benchmark/suite/schema.js";
import { loadSuite } from "../shared/suites/load.js";
import { planOf, prepareSuite } from "../shared/suites/prepare.js";
import { TEMPLATES } from "./starter.js";

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

test.each(["load/suite.yaml", "load/trace.yaml"])("%s: nothing to remark", async (suite) => {
  expect(await findings(suite, {})).toEqual([]);
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

test.each(
  Object.keys(TEMPLATES),
)("sai init --template %s: nothing to remark, by the schema neither", async (name) => {
  const folder = await mkdtemp(join(tmpdir(), "sai-template-"));
  try {
    for (const [file, text] of Object.entries(TEMPLATES[name]?.files ?? {}))
      await writeFile(join(folder, file), text);
    const suiteFile = join(folder, "suite.yaml");
    const text = readFileSync(suiteFile);
    const prepared = await prepareSuite({ text, files: { kind: "local", suiteFile }, modelMap: {} });
    expect(prepared.findings).toEqual([]);
    expect(planOf(prepared, "c").jobs.length).toBeGreaterThan(0);
    const loaded = loadSuite(text);
    const valid = new Ajv({ allowUnionTypes: true }).compile(SUITE_SCHEMA);
    expect(["value" in loaded && valid(loaded.value), valid.errors]).toEqual([true, null]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
