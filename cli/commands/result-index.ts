/** `sai result leaderboard|times|pairs`: what the results index knows over all campaigns that have ended. */
import type { Command } from "commander";
import { GetLeaderboardResponse, PairJobsResponse, type Place, QueryTimesResponse } from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { usageError } from "../exit.js";
import { withExamples } from "../help.js";
import { painter } from "../output/color.js";
import { printOne } from "../output/print.js";
import { formatNumber, formatValue } from "../output/quantity.js";
import { tableLines } from "../output/table.js";
import { clip } from "../output/width.js";
import type { Bind } from "../program.js";

const PATTERN = "(* stands for any text)";

export function registerResultIndex(noun: Command, bind: Bind): void {
  withExamples(
    noun
      .command("leaderboard")
      .description("models by one metric over all ended campaigns; of what was measured again, the newest")
      .option("--metric <id>", "by which (default: the one that most jobs have)", "")
      .option("--model <name>", `only these ${PATTERN}`, "")
      .option("--engine <name>", "only these", "")
      .option("--prompt <id>", "only these", "")
      .option("--dataset <id>", "only these", "")
      .option("--campaign <id>", "only its jobs", "")
      .option("--tenant <name>", "only these", "")
      .option("--all", "every campaign's jobs, not only the newest of the same", false)
      .option("--limit <n>", "at most so many", "100"),
    "sai result leaderboard --metric exact_match",
    'sai result leaderboard --dataset gsm8k --model "qwen*" -o json',
  ).action(
    bind<LeaderboardOptions>((context, _, options) =>
      withClient(context, async (client) => {
        const { campaign, ...filters } = options;
        const limit = whole("--limit", options.limit, 1);
        const answer = await client.leaderboard({ ...filters, campaignId: campaign, limit });
        await printOne(context, {
          json: GetLeaderboardResponse.toJSON(answer),
          name: answer.places.map((place) => `${place.campaignId}/${place.job}`).join("\n"),
          text: () => leaderboardLines(context, answer),
        });
        if (answer.total > answer.places.length)
          say(
            context,
            `there are more: these are ${answer.places.length} of ${answer.total}; --limit shows more`,
          );
        sayBehind(context, answer.behind);
      }),
    ),
  );
  withExamples(
    noun
      .command("times")
      .description("the distribution of a time over samples of all ended campaigns, from raw values")
      .option("--where <condition...>", "only samples for which all of these hold", [])
      .option("--time <name>", "e2e_ms, ttft_ms or tpot_ms", "e2e_ms"),
    'sai result times --where "model=qwen2.5vl:7b" "level=tiny"',
  ).action(
    bind<{ where: string[]; time: string }>((context, _, { where, time }) =>
      withClient(context, async (client) => {
        const answer = await client.queryTimes({ where, time });
        await printOne(context, {
          json: QueryTimesResponse.toJSON(answer),
          name: time,
          text: () => timesLines(answer),
        });
        sayBehind(context, answer.behind);
      }),
    ),
  );
  withExamples(
    noun
      .command("pairs <campaign/job> <campaign/job>")
      .description("two jobs sample by sample, matched by item and repetition, and where they differ")
      .option("--score <name>", "which score, as the records name it", "exact_match")
      .option("--limit <n>", "so many samples that differ", "20"),
    "sai result pairs c-1/j0000 c-2/j0000 --score exact_match",
  ).action(
    bind<{ score: string; limit: string }>((context, [a = "", b = ""], { score, limit }) =>
      withClient(context, async (client) => {
        const [campaignA, jobA] = jobName(a);
        const [campaignB, jobB] = jobName(b);
        const request = { campaignA, jobA, campaignB, jobB, score, limit: whole("--limit", limit, 0) };
        const answer = await client.pairJobs(request);
        await printOne(context, {
          json: PairJobsResponse.toJSON(answer),
          name: `${a} ${b}`,
          text: () => pairsLines(context, answer),
        });
        sayBehind(context, answer.behind);
      }),
    ),
  );
}

interface LeaderboardOptions {
  metric: string;
  model: string;
  engine: string;
  prompt: string;
  dataset: string;
  campaign: string;
  tenant: string;
  all: boolean;
  limit: string;
}

/** Ended campaigns that the answer does not know of yet. */
export function sayBehind(context: Context, behind: number): void {
  if (behind === 0) return;
  const them = behind === 1 ? "1 campaign that has ended is" : `${behind} campaigns that have ended are`;
  say(context, `${them} not in the results index yet; \`sai admin status\` tells more`);
}

function leaderboardLines(
  context: Context,
  { places, metric, metrics, unit }: GetLeaderboardResponse,
): string[] {
  if (places.length === 0) {
    const others = metrics.length === 0 ? "no campaign has ended yet" : `metrics: ${metrics.join(", ")}`;
    return [`no job matches; ${others}`];
  }
  const paint = painter(context.flags.color && context.io.outIsTty);
  const groups = new Map<string, Place[]>();
  for (const place of places) {
    const name = `${place.prompt} on ${place.dataset} (${place.datasetSha256.slice(0, 8)})`;
    groups.set(name, [...(groups.get(name) ?? []), place]);
  }
  return [...groups].flatMap(([name, of], i) => [
    ...(i === 0 ? [] : [""]),
    paint(`${metric}: ${name}`, "bold"),
    ...tableLines(columns(unit), of, { paint, wide: context.flags.output === "wide" }),
  ]);
}

const columns = (unit: string): Parameters<typeof tableLines<Place>>[0] => [
  { title: "MODEL", value: (p) => (p.simulated ? `${p.model} [SIMULATED]` : p.model) },
  { title: "ENGINE", value: (p) => `${p.engine} ${p.engineVersion}`.trim() },
  { title: "VALUE", align: "right", value: (p) => formatValue(p.value, unit) },
  {
    title: "95 % CI",
    value: (p) =>
      p.interval === undefined
        ? "-"
        : `[${formatValue(p.interval.lo, unit)}, ${formatValue(p.interval.hi, unit)}]`,
  },
  { title: "N", align: "right", value: (p) => String(p.n) },
  {
    title: "FAILED",
    align: "right",
    value: (p) => String(p.failed),
    color: (p) => (p.failed > 0 ? "red" : undefined),
  },
  { title: "P50 MS", align: "right", value: (p) => ms(p.e2eP50Ms) },
  { title: "P95 MS", align: "right", value: (p) => ms(p.e2eP95Ms) },
  { title: "TTFT MS", align: "right", value: (p) => ms(p.ttftP50Ms), wide: true },
  { title: "SETTINGS", value: (p) => clip(p.settingsJson, 60), wide: true },
  { title: "ENDED", value: (p) => p.endedAt.slice(0, 10) },
  { title: "JOB", value: (p) => `${p.campaignId}/${p.job}` },
];

const ms = (value: number | undefined): string => (value === undefined ? "-" : formatNumber(value));

function timesLines({ n, mean, min, p50, p90, p95, p99, max }: QueryTimesResponse): string[] {
  if (n === 0) return ["no sample with this time matches"];
  const facts = { mean, min, p50, p90, p95, p99, max };
  return [
    `n     ${n}`,
    ...Object.entries(facts).map(([name, value]) => `${name.padEnd(5)} ${formatNumber(value)} ms`),
  ];
}

function pairsLines(context: Context, answer: PairJobsResponse): string[] {
  const { n, meanA, meanB, aHigher, bHigher, otherTruth, aAlone, bAlone, flips } = answer;
  const left = [
    ...(otherTruth > 0 ? [`${otherTruth} pairs with different truths left out`] : []),
    ...(aAlone + bAlone > 0 ? [`${aAlone} and ${bAlone} samples have no partner`] : []),
  ];
  const paint = painter(context.flags.color && context.io.outIsTty);
  return [
    `${n} pairs: mean ${formatNumber(meanA)} and ${formatNumber(meanB)}; the first is higher in ${aHigher}, the second in ${bHigher}`,
    ...left,
    ...(flips.length === 0
      ? []
      : tableLines<PairJobsResponse["flips"][number]>(
          [
            { title: "ITEM", value: (f) => clip(f.item, 40) },
            { title: "#A", align: "right", value: (f) => String(f.ordinalA) },
            { title: "#B", align: "right", value: (f) => String(f.ordinalB) },
            { title: "A", align: "right", value: (f) => formatNumber(f.scoreA) },
            { title: "B", align: "right", value: (f) => formatNumber(f.scoreB) },
          ],
          flips,
          { paint, wide: false },
        )),
  ];
}

function jobName(text: string): [campaign: string, job: string] {
  const [campaign = "", job = "", ...rest] = text.split("/");
  if (campaign === "" || job === "" || rest.length > 0)
    throw usageError(`${text} is not CAMPAIGN/JOB; \`sai result leaderboard --all\` shows those there are`);
  return [campaign, job];
}

function whole(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > 1000)
    throw usageError(`${flag}: ${text} is not a whole number from ${least} to 1000`);
  return value;
}
