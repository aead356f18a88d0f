import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { compileExpression } from "../expression.js";
import type { Json } from "../json.js";
import { parseOutput } from "../parse.js";
import type { PromptSpec } from "../plan.js";
import { readSuite } from "../suite/read-suite.js";
import { renderMessages } from "../template.js";
import { builtinPrompts } from "./builtin-prompts.js";
import { promptHash } from "./prompt-hash.js";
import { resolvePrompts } from "./resolve-prompts.js";

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

function resolve(prompts: Json[], files = new Map<string, string>()) {
  const { suite, findings } = readSuite({
    name: "n",
    description: "d",
    prompts,
    models: ["m"],
    datasets: ["d"],
    metrics: ["accuracy"],
  });
  if (!suite) throw new Error(JSON.stringify(findings));
  return resolvePrompts(suite, files, sha256);
}

function builtin(id: string): PromptSpec {
  const [prompt] = resolve([id]).prompts;
  if (!prompt) throw new Error(id);
  return prompt;
}

/** The output fields each prompt of the SAI format asks for. */
const OUTPUT: Record<string, string[]> = {
  early_fire_json: ["has_smoke", "bbox"],
  wildfire_confidence: ["Judgment", "Confidence", "Justification"],
  detailed_sequence_analysis: [
    "smoke_detected",
    "justification",
    "confidence",
    "images_discarded",
    "number_of_images",
  ],
  llama_format: ["has_smoke", "bbox"],
  llava_format: ["has_smoke", "bbox"],
  minicpm_format: ["has_smoke", "bbox"],
  gemma_format: ["has_smoke", "bbox"],
  mistral_format: ["has_smoke", "bbox"],
  vision_object_detection: ["objects"],
  vision_object_counting: ["total_objects", "categories"],
  vision_color_recognition: ["colors"],
  vision_spatial_relationships: ["relationships"],
  vision_size_estimation: ["sizes"],
  vision_text_recognition: ["text_found", "text_items"],
  vision_material_recognition: ["materials"],
  vision_shape_analysis: ["shapes"],
  vision_comprehensive_analysis: [
    "objects",
    "total_objects",
    "categories",
    "colors",
    "materials",
    "shapes",
    "text_found",
    "spatial_relationships",
  ],
  vision_resolution_comparison: [
    "detail_level",
    "small_objects_visible",
    "text_readable",
    "textures_clear",
    "confidence_score",
  ],
};

test("the 18 prompts of the SAI format are there, and no others", () => {
  expect([...builtinPrompts.keys()].sort()).toEqual(Object.keys(OUTPUT).sort());
});

test.each(Object.entries(OUTPUT))("%s asks for its fields, and schema and mapping agree", (id, fields) => {
  const prompt = builtin(id);
  const { user } = renderMessages(prompt, { id: "i", media: [] });
  for (const field of fields) expect(user).toContain(field);
  const schema = prompt.outputSchema;
  if (prompt.output === "lines") expect(schema).toBeUndefined();
  else expect(schema).toMatchObject({ type: "object", required: fields });
  for (const text of Object.values(prompt.fields))
    expect(compileExpression(text)).toMatchObject({ ok: true });
  expect(prompt.tags).toContain("vision");
  expect(prompt.sha256).toMatch(/^[0-9a-f]{64}$/);
});

test("a confident No is a low probability of smoke, a confident Yes a high one", () => {
  const lines = (judgment: string, confidence: number) =>
    parseOutput(
      builtin("wildfire_confidence"),
      `Judgment: ${judgment}\nConfidence: ${confidence}\nJustification: a plume`,
    );
  expect(lines("Yes", 0.75)).toMatchObject({ ok: true, fields: { has_smoke: true, p_smoke: 0.75 } });
  expect(lines("No", 0.75)).toMatchObject({ ok: true, fields: { has_smoke: false, p_smoke: 0.25 } });
  const json = (smoke_detected: string, confidence: number) =>
    parseOutput(
      builtin("detailed_sequence_analysis"),
      JSON.stringify({
        smoke_detected,
        justification: "x",
        confidence,
        images_discarded: 0,
        number_of_images: 2,
      }),
    );
  expect(json("Yes", 0.75)).toMatchObject({ ok: true, fields: { has_smoke: true, p_smoke: 0.75 } });
  expect(json("No", 1)).toMatchObject({ ok: true, fields: { has_smoke: false, p_smoke: 0 } });
});

test("a JSON answer with a box keeps it", () => {
  expect(
    parseOutput(builtin("early_fire_json"), '{"has_smoke": true, "bbox": [0.5, 0.5, 0.1, 0.2]}'),
  ).toMatchObject({
    ok: true,
    fields: { has_smoke: true, bbox: [0.5, 0.5, 0.1, 0.2] },
  });
});

test("a prompt's hash names its content: equal for equal, different for any change", () => {
  const { sha256: hash, ...def } = builtin("early_fire_json");
  expect(promptHash(def, sha256)).toBe(hash);
  expect(promptHash({ ...def, template: `${def.template} ` }, sha256)).not.toBe(hash);
  expect(promptHash({ ...def, fields: {} }, sha256)).not.toBe(hash);
  expect(promptHash({ ...def, answer: { extract: [], normalize: [], type: "text" } }, sha256)).not.toBe(hash);
  const hashes = [...builtinPrompts.keys()].map((id) => builtin(id).sha256);
  expect(new Set(hashes).size).toBe(18);
});

test("an unknown prompt is an error with a suggestion", () => {
  const [finding] = resolve(["early_fire_jsn"]).findings;
  expect(finding).toMatchObject({
    severity: "error",
    field: "prompts[0]",
    hint: 'did you mean "early_fire_json"?',
  });
});

test("the suite's own prompts are checked at once: template and fields", () => {
  const { prompts, findings } = resolve([
    { id: "a", template: "{% if %}", fields: { x: "1 +" } },
    { id: "b", template: "fine" },
  ]);
  expect(prompts.map(({ id }) => id)).toEqual(["b"]);
  expect(findings.map(({ field }) => field)).toEqual(["prompts[0].template", "prompts[0].fields.x"]);
});

test("a prompt of a file takes the file's text; without it the prompt is left out", () => {
  const entry = { id: "a", file: "a.liquid" };
  expect(resolve([entry], new Map([["a", "text {{ input }}"]])).prompts[0]?.template).toBe(
    "text {{ input }}",
  );
  expect(resolve([entry])).toEqual({ prompts: [], findings: [] });
});
