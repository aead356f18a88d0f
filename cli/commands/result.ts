/** `sai result table|samples|export|report` and, over all campaigns (result-index.ts), leaderboard, times and pairs. */
import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { isStatus, type ResultRecord, STATUSES, type Status } from "../../shared/benchmark/record.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { type Client, Summary } from "../client.js";
import { requireConfig } from "../config.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { usageError } from "../exit.js";
import { painter } from "../output/color.js";
import { writeWhole } from "../output/file.js";
import { type Listing, printOne, printRows } from "../output/print.js";
import { formatNumber } from "../output/quantity.js";
import { summaryLines } from "../output/summary-text.js";
import { clip } from "../output/width.js";
import type { Bind } from "../program.js";
import { availableModels, prepareOrRefuse, specOf, uploadMissing } from "../submit.js";
import { readSuiteSource, type SuiteFlags } from "../suite-source.js";
import { registerCompare } from "./compare.js";
import { registerResultCosts } from "./result-costs.js";
import { registerResultIndex, sayBehind } from "./result-index.js";
import { suiteFlags } from "./suite.js";

const REPORT_FORMATS = ["html", "markdown", "junit"];
export const EXPORT_FORMATS = ["html", "json", "csv", "jsonl"] as const;

export function registerResult(program: Command, bind: Bind): void {
  const noun = program.command("result").description("results: tables, samples, exports, reports");
  noun
    .command("table <campaign>")
    .description(
      "metrics with 95 % intervals, comparisons and failures; of a running campaign as far as it is",
    )
    .action(
      bind((context, [id = ""]) =>
        withClient(context, async (client) => printSummary(context, await client.summary(id))),
      ),
    );
  noun
    .command("samples [campaign]")
    .description(
      "result records, one a sample; -o jsonl prints them whole. With --where of all ended campaigns",
    )
    .option("--job <id>", "only this job's")
    .option("--status <status>", `only these: ${STATUSES.join(", ")}`)
    .option(
      "--where <condition...>",
      'such as "e2e_ms>2000" "model=qwen*" "score.exact_match<1"; all must hold',
    )
    .option("--limit <n>", "at most so many", "50")
    .action(
      bind<SampleOptions>((context, [id = ""], options) =>
        withClient(context, (client) => samples(context, client, id, options)),
      ),
    );
  suiteFlags(noun.command("rescore <campaign>"))
    .description(
      "metrics of the answers that are there, by a changed suite (-f) or as this version scores; asks no model, stores nothing",
    )
    .action(bind<SuiteFlags>((context, [id = ""], flags) => rescore(context, id, flags)));
  registerCompare(noun, bind);
  registerResultIndex(noun, bind);
  registerResultCosts(noun, bind);
  noun
    .command("export <campaign>")
    .description("a whole file: html (report), json (summary), csv (a row per metric), jsonl (records)")
    .option(
      "--as <format>",
      "html, json, csv, jsonl, markdown or junit (default: by the file's ending, else jsonl)",
    )
    .option("--output <file>", "where to (default: stdout)")
    .action(
      bind<{ as?: string; output?: string }>((context, [id = ""], options) =>
        withClient(context, async (client) => {
          const format = exportFormat(options.as ?? formatByEnding(options.output) ?? "jsonl");
          await requireFolder(context, options.output);
          if (options.output !== undefined) return saveExport(context, client, id, format, options.output);
          for await (const chunk of client.exportResult(id, format)) await context.io.out(chunk);
        }),
      ),
    );
  noun
    .command("report <campaign>")
    .description("the report as one HTML file without scripts")
    .option("--output <file>", "where to (default: reports/<campaign>.html below the data folder)")
    .option(
      "--format <format>",
      "html, markdown (for pull requests) or junit; the last two go to stdout",
      "html",
    )
    .action(
      bind<{ output?: string; format: string }>((context, [id = ""], options) =>
        withClient(context, async (client) => {
          const { format, output } = options;
          if (!REPORT_FORMATS.includes(format))
            throw usageError(`--format: ${format} is not one of ${REPORT_FORMATS.join(", ")}`);
          await requireFolder(context, output);
          if (format !== "html") {
            if (output !== undefined) return saveExport(context, client, id, format, output);
            for await (const chunk of client.exportResult(id, format)) await context.io.out(chunk);
            return;
          }
          const path = options.output ?? reportPath(requireConfig(context, false).config.dataDir, id);
          await saveExport(context, client, id, "html", path);
          await context.io.out(`${path}\n`);
        }),
      ),
    );
}

/** Where reports lie unless the user says otherwise; relative to the working folder. */
export const reportPath = (dataDir: string, campaign: string): string =>
  join(dataDir, "reports", `${campaign.replace(/[^A-Za-z0-9._-]/g, "_")}.html`);

/** A folder that is not there is rather misspelt than wished for. */
async function requireFolder(context: Context, output: string | undefined): Promise<void> {
  if (output === undefined) return;
  const folder = dirname(resolve(context.io.cwd, output));
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new SaiError("failed_precondition", `--output: the folder ${folder} is not there`, {
      hint: "make it, or name another",
    });
  }
}

/** The summary as text, or its JSON. */
export async function printSummary(context: Context, summary: Summary): Promise<void> {
  const style = {
    paint: painter(context.flags.color && context.io.outIsTty),
    wide: context.flags.output === "wide",
  };
  await printOne(context, {
    json: Summary.toJSON(summary),
    name: summary.campaignId,
    text: () => summaryLines(summary, style),
  });
}

async function rescore(context: Context, id: string, flags: SuiteFlags): Promise<void> {
  const source =
    flags.file === undefined && flags.suite === undefined ? undefined : await readSuiteSource(context, flags);
  await withClient(context, async (client) => {
    if (source === undefined) return printSummary(context, await client.rescore(id, undefined));
    const prepared = await prepareOrRefuse(context, source, await availableModels(client));
    await uploadMissing(client, prepared);
    return printSummary(context, await client.rescore(id, specOf(source, prepared, { priority: 0 })));
  });
}

interface SampleOptions {
  where?: string[];
  job?: string;
  status?: string;
  limit: string;
}

async function samples(context: Context, client: Client, id: string, options: SampleOptions): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1)
    throw usageError(`--limit: ${options.limit} is not a positive number`);
  if (options.status !== undefined && !isStatus(options.status)) {
    throw usageError(`--status: ${options.status} is not one of ${STATUSES.join(", ")}`);
  }
  if (options.where !== undefined) return searched(context, client, id, options, limit);
  if (id === "") throw usageError("samples: name a campaign, or --where for a search over all of them");
  const records: ResultRecord[] = [];
  let pageToken = "";
  do {
    const page = await client.listSamples({
      campaignId: id,
      jobId: options.job ?? "",
      status: options.status ?? "",
      pageSize: Math.min(1000, limit - records.length),
      pageToken,
    });
    records.push(...page.recordsJson.map((text) => JSON.parse(text) as ResultRecord));
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && records.length < limit);
  await printRows(context, records, LISTING);
  if (pageToken !== "") {
    const all = recordsIn(await client.summary(id), options);
    say(context, `there are more: these are ${records.length} of ${all}; --limit ${all} shows all`);
  }
}

/** Of all ended campaigns, from the results index. */
async function searched(
  context: Context,
  client: Client,
  campaign: string,
  { where = [], job, status }: SampleOptions,
  limit: number,
): Promise<void> {
  const all = [...where];
  for (const [name, value] of Object.entries({ campaign, job, status }))
    if (value !== undefined && value !== "") all.push(`${name}=${value}`);
  const records: ResultRecord[] = [];
  let [pageToken, behind] = ["", 0];
  do {
    const pageSize = Math.min(1000, limit - records.length);
    const page = await client.querySamples({ where: all, pageSize, pageToken });
    records.push(...page.recordsJson.map((text) => JSON.parse(text) as ResultRecord));
    ({ nextPageToken: pageToken, behind } = page);
  } while (pageToken !== "" && records.length < limit);
  await printRows(context, records, { ...LISTING, columns: [CAMPAIGN, ...LISTING.columns] });
  if (pageToken !== "") say(context, `there are more than these ${records.length}; --limit shows more`);
  sayBehind(context, behind);
}

const CAMPAIGN = { title: "CAMPAIGN", value: (r: ResultRecord) => r.campaign };

/** How many records of a job (else of all) have a status (else any). */
function recordsIn(summary: Summary, { job, status }: { job?: string; status?: string }): number {
  const cells = summary.cells.filter((cell) => job === undefined || cell.job === job);
  return cells.reduce((sum, { counts }) => {
    if (counts === undefined) return sum;
    const of: { [status in Status]: number } = {
      ok: counts.ok,
      parse_error: counts.parseError,
      refused: counts.refused,
      engine_error: counts.engineError,
      timeout: counts.timeout,
      oom: counts.oom,
      poison: counts.poison,
      cancelled: counts.cancelled,
    };
    return sum + STATUSES.filter((s) => status === undefined || s === status).reduce((n, s) => n + of[s], 0);
  }, 0);
}

const LISTING: Listing<ResultRecord> = {
  columns: [
    { title: "JOB", value: (r) => r.job },
    { title: "#", align: "right", value: (r) => String(r.ordinal) },
    {
      title: "MODEL",
      value: (r) => (r.engine.kind === "simulated" ? `${r.model.id} [SIMULATED]` : r.model.id),
    },
    { title: "PROMPT", value: (r) => r.prompt.id, wide: true },
    { title: "ITEM", value: (r) => clip(r.item_id, 32) },
    {
      title: "STATUS",
      value: (r) => r.status,
      color: (r) => (r.status === "ok" ? "green" : r.status === "refused" ? "yellow" : "red"),
    },
    {
      title: "MS",
      align: "right",
      value: (r) => (r.cached ? "cached" : formatNumber((r.t_ns.done - r.t_ns.sent) / 1e6)),
    },
    { title: "SCORES", value: (r) => scoresText(r.scores) },
    { title: "NODE", value: (r) => r.node.id, wide: true },
    {
      title: "ANSWER",
      value: (r) => clip(r.error ? `${r.error.class}: ${r.error.message}` : (r.output ?? ""), 60),
    },
  ],
  json: (r) => r,
  name: (r) => r.record_id,
  none: "no samples match",
};

const scoresText = (scores: { [name: string]: number }): string =>
  Object.entries(scores)
    .slice(0, 3)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toFixed(3)}`)
    .join(", ");

/** The format as the API knows it; a usage error otherwise. */
export function exportFormat(text: string): string {
  const known = [...EXPORT_FORMATS, ...REPORT_FORMATS.slice(1)];
  const format = known.find((f) => f === text);
  if (format === undefined) throw usageError(`--as: ${text} is not one of ${known.join(", ")}`);
  return format;
}

/** html for `report.html`; undefined when the ending says nothing. */
export const formatByEnding = (path: string | undefined): string | undefined =>
  EXPORT_FORMATS.find((format) => path?.endsWith(`.${format}`));

/** Writes one export to a file and says so. */
export async function saveExport(
  context: Context,
  client: Client,
  id: string,
  format: string,
  path: string,
): Promise<void> {
  await writeWhole(resolve(context.io.cwd, path), client.exportResult(id, format));
  say(context, `wrote ${path}`);
}
