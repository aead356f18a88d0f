/**
 * Judge models: a metric whose values another model gives, answer by answer. For each job and each such metric there is a
 * judge job: the same samples, whose questions are the judge's prompt over the item and the answer to it.
 *
 *     judges:  [{id: referee, engine: ollama, model: "qwen3:32b"}]
 *     metrics: [{id: helpful, judge: {model: referee, template: "… {{ input }} … {{ answer }} …", scale: [1, 5]}}]
 *
 * 1. A verdict that cannot be read, or lies beyond the scale, is none: the answer is unscored, and counted as such.
 * 2. An answer that never came counts the worst of the scale, like any failure; nobody is asked about it.
 * 3. What judges take (tokens, time, money) stands in their own jobs, and in no other.
 * 4. Judges see what is right only if their template says `target`; the models that are judged never do.
 */
import type { CellInput } from "./aggregate-cell.js";
import type { Item } from "./item.js";
import { canonicalJson, type Sha256 } from "./json.js";
import { parseOutput } from "./parse.js";
import type { JobSpec, JudgeSpec, PromptSpec } from "./plan.js";
import { promptHash } from "./prompts/prompt-hash.js";
import type { SampleScore } from "./score.js";

/** The name a verdict has among a sample's scores. */
export const judgeScore = (metric: string): string => `judge.${metric}`;

/** `Verdict: 4`, wherever it stands, or nothing but a number. */
const NUMBER = "(-?\\d+(?:\\.\\d+)?)";
const VERDICT = [`(?i)verdict\\W*?${NUMBER}`, `^\\s*${NUMBER}\\s*$`];

/** What the judge is asked, as a prompt like any other: its hash is part of who judges. */
export function judgePrompt(metric: string, judge: JudgeSpec, sha256: Sha256): PromptSpec {
  const { choices } = judge;
  const prompt: Omit<PromptSpec, "sha256"> = {
    ...{ id: `${metric}.judge`, name: `${metric}.judge`, description: "", version: "1" },
    template: judge.template,
    ...(judge.system === undefined ? {} : { system: judge.system }),
    output: "text",
    ...{ fields: {}, tags: [], useCases: [] },
    answer:
      choices === undefined
        ? { extract: judge.extract ?? VERDICT, normalize: [], type: "number" }
        : { extract: judge.extract ?? [], normalize: [], type: "choice", choices: Object.keys(choices) },
  };
  return { ...prompt, sha256: promptHash(prompt, sha256) };
}

/** The item as its judge sees it: with the answer, and what would be right, among its columns; without pictures. */
export function judgedItem(item: Item, answer: string): Item {
  const target = item.target ?? (item.truth === undefined ? "" : canonicalJson(item.truth));
  const { shots: _shots, ...rest } = item;
  return { ...rest, media: [], vars: { ...item.vars, answer, target } };
}

/** What a judge's output is worth. */
export function verdictOf(
  job: Pick<JobSpec, "prompt"> & { judge: NonNullable<JobSpec["judge"]> },
  output: string | undefined,
): SampleScore {
  if (output === undefined) return { status: "unscored", scores: {} };
  const unread = (message: string): SampleScore => ({
    ...{ status: "parse_error", scores: {} },
    error: { class: "no_verdict", message },
  });
  const parsed = parseOutput(job.prompt, output);
  if (!parsed.ok) return unread(parsed.reason);
  const { metric, scale, choices } = job.judge;
  const said = parsed.fields["answer"];
  const value = typeof said === "string" ? choices?.[said] : said;
  const [lo, hi] = scale;
  if (typeof value !== "number") return unread(`${JSON.stringify(said ?? null)} is no verdict`);
  if (value < lo || value > hi) return unread(`${value} is not on the scale of ${lo} to ${hi}`);
  return {
    ...{ status: "ok", parsed: parsed.fields, parseMode: parsed.mode },
    scores: { [judgeScore(metric)]: value },
  };
}

/** The cells with the verdicts on their answers among their scores; those of judges stay as they are. */
export function withVerdicts(inputs: readonly CellInput[]): CellInput[] {
  return inputs.map((input) => {
    const judges = inputs.filter(({ job }) => job.judge?.of === input.job.id);
    if (judges.length === 0) return input;
    const verdicts = judges.map(({ job, samples }) => ({
      name: judgeScore(job.judge?.metric ?? ""),
      worst: worstOf(job),
      of: new Map(samples.map((sample) => [sample.ordinal, sample.scores])),
    }));
    const samples = input.samples.map((sample) => {
      const scores = { ...sample.scores };
      for (const { name, worst, of } of verdicts) {
        const value = sample.failed ? worst : of.get(sample.ordinal)?.[name]; // invariant 2
        if (value !== undefined) scores[name] = value;
      }
      return { ...sample, scores };
    });
    return { ...input, samples };
  });
}

const worstOf = ({ judge }: JobSpec): number => {
  const [lo, hi] = judge?.scale ?? [0, 0];
  return judge?.higherIsBetter === false ? hi : lo;
};

/** Answers of a judged cell that have no verdict (invariant 1), one line a metric. */
export function unjudged({ job, samples }: CellInput): string[] {
  return job.metrics.flatMap(({ id, judge }) => {
    if (judge === undefined) return [];
    const answered = samples.filter((sample) => sample.answered);
    const unscored = answered.filter(({ scores }) => scores[judgeScore(id)] === undefined).length;
    return unscored === 0
      ? []
      : [`${id}: ${unscored} of ${answered.length} answers have no verdict, and are not in it`];
  });
}

/** `qwen` of `Qwen/Qwen3-8B`, `hf.co/x/qwen2.5:7b`: models of one family like each other's answers. */
export function modelFamily(model: string): string {
  const name = model.split("/").at(-1) ?? model;
  return (/^[A-Za-z]+/.exec(name)?.[0] ?? name).toLowerCase();
}
