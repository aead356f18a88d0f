/** The files `sai init` writes; a test prepares them, so that nobody starts from a suite that does not run. */
const SUITE = `# A first suite for SAI Bench. Try it:
#   sai validate -f suite.yaml --show 2      what would be asked, without running anything
#   sai dev                                  a coordinator and an agent, in another terminal
#   sai apply -f suite.yaml --wait           run it and see the table
schema: sai/v1
name: first suite
description: Small sums, asked in two ways.

# Every prompt is run with every model on every dataset.
prompts:
  - id: plain
    template: "{{ input }} Answer with the number only."
    # How the answer is taken out of the text: the first pattern that matches, its last group.
    answer: {extract: ["(-?[0-9]+)"], type: number}
  - id: step_by_step
    template: |
      {{ input }}
      Think step by step and end with a line "Answer: <number>".
    answer: {extract: ["Answer: *(-?[0-9]+)", "(-?[0-9]+)[^0-9]*$"], type: number}

models:
  # Scripted answers, so that this file runs anywhere; its numbers are marked SIMULATED wherever they show.
  - {id: simulated, engine: simulated, model: scripted, options: {accuracy: 0.8, latency_ms: 50}}
  # A model of a local Ollama (ollama pull qwen2.5:0.5b):
  # - {id: "qwen2.5:0.5b", engine: ollama, model: "qwen2.5:0.5b"}
  # A model behind any OpenAI-compatible server; the key comes from OPENAI_API_KEY:
  # - {id: gpt, engine: openai, model: gpt-4o-mini, price: {in_1m: 0.15, out_1m: 0.6}}

datasets:
  # JSON lines with input and target; a CSV, a JSON list or a folder of images work as well.
  - {id: sums, path: sums.jsonl}

metrics:
  - {id: exact_match, target: ">= 0.80"}
  - latency
  - parse_success_rate
  - error_rate

engine_config:
  temperature: 0
  max_tokens: 256
  timeout: 60

run:
  repetitions: 1
`;

const SUMS = [
  [3, 4],
  [12, 9],
  [25, 17],
  [48, 36],
  [120, 85],
  [407, 296],
]
  .map(([a = 0, b = 0], i) =>
    JSON.stringify({ id: `sum-${i + 1}`, input: `What is ${a} + ${b}?`, target: String(a + b) }),
  )
  .join("\n");

/** Text by file name. */
export const STARTER_FILES: Readonly<Record<string, string>> = {
  "suite.yaml": SUITE,
  "sums.jsonl": `${SUMS}\n`,
};
