/**
 * A campaign as somebody would run it to learn something: two small language models, each asked in two ways, on a generated ladder
 * and on GSM8K; two settings of a recogniser on generated pictures. One report has all of it.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { demoImages } from "../../cli/demo/images.js";
import { writeDemoFiles } from "../../cli/demo/suite.js";
import { ladder } from "../support/ladder.js";
import { CHAT_MODEL, OTHER_MODEL } from "./ollama.js";
import { LADDER_SEED, SHOTS } from "./suites.js";

const SHORT = { normalize: ["trim", "lower", "collapse_spaces"], type: "text" };
const NUMBER = {
  extract: [
    "(?i)answer(?: is)?:? *\\$?(-?[0-9][0-9,]*(?:\\.[0-9]+)?)",
    "(?s).*?(-?[0-9][0-9,]*(?:\\.[0-9]+)?)[^0-9]*$",
  ],
  normalize: ["trim", "strip_commas"],
  type: "number",
};

export interface RealCampaign {
  name: string;
  /** Worked examples before each task of the ladder, 12 at most. */
  shots: number;
  /** A JSONL file of GSM8K below the suite's folder; without it those cells are left out. */
  gsm8k?: string;
}

/** Writes the pictures and answers the suite's text; JSON is YAML. */
export async function realCampaign(folder: string, { name, shots, gsm8k }: RealCampaign): Promise<string> {
  await writeDemoFiles(folder, await demoImages(1, 12));
  const items = ladder(LADDER_SEED);
  writeFileSync(join(folder, "ladder.json"), JSON.stringify(items));
  const worked = SHOTS.slice(0, shots).map(([task, answer]) => `${task}\n=> ${answer}\n\n`);
  const language = [CHAT_MODEL, OTHER_MODEL];
  const math = gsm8k === undefined ? [] : [gsm8k];
  return JSON.stringify({
    schema: "sai/v1",
    name,
    description: "Small language models on generated tasks and GSM8K, a recogniser on generated pictures",
    prompts: [
      {
        id: "ladder_plain",
        template: "{{ input }}\nAnswer with the result only.",
        answer: { extract: ["^\\s*([^\\n]*)"], ...SHORT },
      },
      {
        id: "ladder_shots",
        template: `${worked.join("")}{{ input }}\n=>`,
        answer: { extract: ["^\\s*(?:=>)?\\s*([^\\n]*)"], ...SHORT },
      },
      ...math.flatMap(() => [
        { id: "gsm8k_direct", template: "{{ question }}\nAnswer with the number only.", answer: NUMBER },
        {
          id: "gsm8k_steps",
          template: "{{ question }}\nSolve it step by step. End with: The answer is <number>.",
          answer: NUMBER,
        },
      ]),
      {
        id: "read_text",
        template: "Read the line of text in the picture. Answer with the text only, nothing else.",
      },
    ],
    models: [
      ...language.map((model) => ({ id: model, engine: "ollama", model })),
      { id: "lstm", engine: "ocr", model: "4.0.0_best_int", options: { psm: 7, dpi: 150 } },
      { id: "legacy", engine: "ocr", model: "4.0.0", options: { psm: 7, dpi: 150 } },
    ],
    datasets: [
      { id: "ladder", path: "ladder.json" },
      ...math.map((path) => ({
        ...{ id: "gsm8k", path, type: "jsonl", target: { path: "answer", extract: "#### *(.+)" } },
      })),
      { id: "pictures", path: "dataset.json" },
    ],
    matrix: {
      include: [
        { prompts: ["ladder_plain", "ladder_shots"], models: language, dataset: "ladder" },
        ...math.map(() => ({
          ...{ prompts: ["gsm8k_direct", "gsm8k_steps"], models: language, dataset: "gsm8k" },
        })),
        { prompt: "read_text", models: ["lstm", "legacy"], dataset: "pictures" },
      ],
    },
    metrics: ["exact_match", "cer", "parse_success_rate", "error_rate", "latency"],
    engine_config: { temperature: 0, seed: 1, max_tokens: 96, timeout: 300 },
    run: { shard_size: 10 },
  });
}
