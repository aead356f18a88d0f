/** One campaign for people: its facts, warnings, then a row per job. */
import { amount } from "../../shared/benchmark/budget.js";
import { type Budget, Campaign, type JobProgress } from "../client.js";
import type { Context } from "../context.js";
import { type Paint, painter } from "./color.js";
import { printOne } from "./print.js";
import { tableLines } from "./table.js";
import { campaignState, stateColor, time, waitingReasons } from "./words.js";

/** Prints it in the format asked for. */
export async function printCampaign(context: Context, campaign: Campaign): Promise<void> {
  const paint = painter(context.flags.color && context.io.outIsTty);
  const text = () => campaignLines(campaign, paint);
  await printOne(context, { json: Campaign.toJSON(campaign), name: campaign.id, text });
}

export const done = (progress: Campaign["progress"]) =>
  `${progress?.samplesDone ?? 0}/${progress?.samples ?? 0}`;

export function campaignLines(campaign: Campaign, paint: Paint): string[] {
  const state = campaignState(campaign.state);
  const facts: [string, string][] = [
    ["id", campaign.id],
    ["name", campaign.name],
    ["state", paint(state, ...[stateColor(state) ?? []].flat())],
    ["reason", campaign.reason],
    ["retries", campaign.retryOf],
    ["retried by", campaign.retriedBy.join(", ")],
    ["samples", `${done(campaign.progress)}, ${campaign.progress?.samplesFailed ?? 0} failed`],
    ["created", time(campaign.createTime)],
    ["ended", time(campaign.endTime)],
    ["budget", budgetText(campaign.budget)],
    ["spent", budgetText(campaign.spent)],
    ["waiting", waitingReasons(campaign.waiting).join("; ")],
    ["simulated", campaign.simulated ? "SIMULATED: numbers do not come from a model" : ""],
  ];
  const lines = facts.filter(([, value]) => value !== "").map(([key, value]) => `${key.padEnd(10)} ${value}`);
  lines.push(...campaign.warnings.map((w) => `${paint("warning:", "yellow")} ${w}`));
  return campaign.jobs.length === 0
    ? lines
    : [...lines, "", ...tableLines<JobProgress>(JOB_COLUMNS, campaign.jobs, { paint })];
}

/** `2.00 USD, 1.5 GPU hours, 600 s`; empty without any. */
export function budgetText(budget: Budget | undefined): string {
  const { usd, gpuHours, wallS } = budget ?? {};
  const money = usd === undefined ? [] : [amount("usd", usd)];
  const hours = gpuHours === undefined ? [] : [amount("gpuHours", gpuHours)];
  return [...money, ...hours, ...(wallS === undefined ? [] : [`${Math.round(wallS)} s`])].join(", ");
}

const JOB_COLUMNS = [
  { title: "JOB", value: (j: JobProgress) => j.id },
  { title: "MODEL", value: (j: JobProgress) => j.model },
  { title: "PROMPT", value: (j: JobProgress) => j.prompt },
  { title: "DATASET", value: (j: JobProgress) => j.dataset },
  {
    title: "STATE",
    value: (j: JobProgress) => (j.held ? `${j.state}, held` : j.state),
    color: (j: JobProgress) => stateColor(j.state),
  },
  { title: "SAMPLES", align: "right" as const, value: (j: JobProgress) => done(j.progress) },
  {
    title: "FAILED",
    align: "right" as const,
    value: (j: JobProgress) => String(j.progress?.samplesFailed ?? 0),
  },
];
