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

const CHOICE = `# Questions with choices, with worked examples before each one.
#   sai validate -f suite.yaml --show 1      what would be asked, examples included
schema: sai/v1
name: choices
description: Which of four, with two examples before each question.

prompts:
  - id: choose
    template: |
      {{ input }}
      {{ choices }}
      Answer with one letter.
    answer: {extract: ["\\b([A-D])\\b"], type: choice, choices: [A, B, C, D]}

models:
  - {id: simulated, engine: simulated, model: scripted, options: {accuracy: 0.7, latency_ms: 50}}

datasets:
  - {id: facts, path: facts.jsonl, split: test}

# Examples come from the other rows and never show the question itself.
fewshot: {n: 2, seed: 1, split: dev, target_template: "{{ target }}"}

metrics:
  - {id: accuracy, target: ">= 0.60"}
  - parse_success_rate

engine_config: {temperature: 0, max_tokens: 16}
`;

const FACTS = [
  ["dev", "Which is a metal?", "A) oak B) iron C) wool D) glass", "B"],
  ["dev", "Which is a fruit?", "A) pear B) carrot C) leek D) beet", "A"],
  ["dev", "Which is a bird?", "A) trout B) newt C) wren D) bat", "C"],
  ["test", "Which is a planet?", "A) Rigel B) Luna C) Vega D) Mars", "D"],
  ["test", "Which is a gas?", "A) neon B) tin C) salt D) coal", "A"],
  ["test", "Which is a tree?", "A) moss B) elm C) fern D) kelp", "B"],
  ["test", "Which is a prime?", "A) 9 B) 15 C) 17 D) 21", "C"],
]
  .map(([split, input, choices, target], i) =>
    JSON.stringify({ id: `fact-${i + 1}`, split, input, choices, target }),
  )
  .join("\n");

const SCENARIOS = `# The style of SAI suites: metrics in groups, scenarios with expectations of their own, criteria of success.
#   sai apply -f suite.yaml --wait --gate    exit 5 when a target is missed
name: tower reports
description: Whether a report speaks of smoke, by day and by night.
version: "1.0"

prompts:
  - id: report
    template: "{{ input }} Is there smoke? Answer as JSON with has_smoke."
    output: json
    fields: {has_smoke: has_smoke}

models:
  - name: scripted
    type: simulated
    config: {temperature: 0.2}
  - name: second
    type: simulated

datasets:
  - name: reports
    type: jsonl
    path: reports.jsonl
    filter: {language: en}

metrics:
  quality:
    accuracy: ">= 0.50"
    recall:
  running: [latency, parse_success_rate]

test_scenarios:
  - name: at night
    filter_conditions: {time: night}
    expected_performance: {recall: ">= 0.40"}

success_criteria: {max_error_rate: 0.1}
execution: {repetitions: 2}

# All cells but one.
matrix:
  exclude: [{model: second, prompt: report}]
`;

const REPORTS = [
  ["day", "en", "A grey column stands behind the ridge.", true],
  ["day", "en", "Clear sky, good view to the coast.", false],
  ["night", "en", "A red glow and haze in the north.", true],
  ["night", "en", "Stars, no wind.", false],
  ["night", "de", "Nebel im Tal.", false],
]
  .map(([time, language, input, has_smoke], i) =>
    JSON.stringify({ id: `report-${i + 1}`, time, language, input, ground_truth: { has_smoke } }),
  )
  .join("\n");

export interface Template {
  about: string;
  /** Text by file name. */
  files: Readonly<Record<string, string>>;
}

/** What `sai init --template` knows; the first one is the default. */
export const TEMPLATES: Readonly<Record<string, Template>> = {
  sums: {
    about: "two prompts and a small dataset of sums",
    files: { "suite.yaml": SUITE, "sums.jsonl": `${SUMS}\n` },
  },
  choice: {
    about: "questions with choices, few-shot",
    files: { "suite.yaml": CHOICE, "facts.jsonl": `${FACTS}\n` },
  },
  scenarios: {
    about: "the style of SAI suites: scenarios, criteria, matrix",
    files: { "suite.yaml": SCENARIOS, "reports.jsonl": `${REPORTS}\n` },
  },
};
