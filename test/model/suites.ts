/** The two campaigns of the real-model test as suites: the ladder, and the first items of GSM8K. */
import { type LadderItem, ladder } from "../support/ladder.js";
import { CHAT_MODEL, COMPLETION_MODEL } from "./ollama.js";

export const LADDER_SEED = 7;

/** A few worked tasks, then the item's. A model of this size understands a pattern far better than an instruction. */
export const SHOTS: [string, string][] = [
  ["Copy: silver 31 window", "silver 31 window"],
  ["2 + 4 =", "6"],
  ["Tom lives in Madrid and has 4 boxes. Where does Tom live?", "Madrid"],
  ["Copy: mirror 58 carrot", "mirror 58 carrot"],
  ["15 + 31 =", "46"],
  ["Amy lives in Tokyo and has 7 lamps. How many lamps does Amy have?", "7"],
  ["7 + 8 =", "15"],
  ["Copy: pillow 12 tiger", "pillow 12 tiger"],
  ["Zoe lives in Berlin and has 5 rings. Where does Zoe live?", "Berlin"],
  ["204 + 513 =", "717"],
  ["5 + 1 =", "6"],
  ["Max lives in Athens and has 3 chairs. How many chairs does Max have?", "3"],
];

/** Sixty generated tasks at five levels, scored by the first line of the answer. */
export function ladderSuite(more: { device?: string; num_ctx?: number } = {}): string {
  const shots = SHOTS.map(([task, answer]) => `${task}\n=> ${answer}\n\n`).join("");
  const items: LadderItem[] = ladder(LADDER_SEED);
  return suite({
    name: "ladder",
    description: "Generated copy, extract and sum tasks for a very small language model",
    prompts: [
      {
        id: "ladder_shots",
        template: `${shots}{{ input }}\n=>`,
        answer: {
          extract: ["^\\s*([^\\n]*)"],
          normalize: ["trim", "lower", "collapse_spaces"],
          type: "text",
        },
      },
    ],
    models: [{ id: "smollm2-135m-instruct", engine: "ollama", model: COMPLETION_MODEL }],
    datasets: [{ id: "ladder", items }],
    engine_config: { temperature: 0, seed: 1, max_tokens: 16, stop: ["\n"], timeout: 120, ...more },
  });
}

/** GSM8K from a JSONL file below the suite's root, with the model's chat markup; the last number is the answer. */
export function gsm8kSuite(path: string): string {
  return suite({
    name: "gsm8k-first-20",
    description: "The first 20 problems of GSM8K's test split",
    prompts: [
      {
        id: "gsm8k_chat",
        template: "{{ question }}\nSolve it step by step. End with: The answer is <number>.",
        answer: {
          extract: [
            "(?i)answer is:? *\\$?(-?[0-9][0-9,]*(?:\\.[0-9]+)?)",
            "(?s).*?(-?[0-9][0-9,]*(?:\\.[0-9]+)?)[^0-9]*$",
          ],
          normalize: ["trim", "strip_commas"],
          type: "number",
        },
      },
    ],
    models: [{ id: "smollm2-135m-instruct", engine: "ollama", model: CHAT_MODEL }],
    datasets: [{ id: "gsm8k", path, type: "jsonl", target: { path: "answer", extract: "#### *(.+)" } }],
    engine_config: { temperature: 0, seed: 1, max_tokens: 160, timeout: 300 },
  });
}

/** JSON is YAML; small shards, so that both agents get some. */
function suite(parts: object): string {
  const run = { shard_size: 5 };
  return JSON.stringify({
    schema: "sai/v1",
    ...parts,
    metrics: ["exact_match", "parse_success_rate", "error_rate"],
    run,
  });
}
