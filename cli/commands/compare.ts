/**
 * `sai result compare BASE NEW`: is the new one worse than it may be? What is printed and the exit code are the one
 * verdict that the coordinator gives.
 */
import { resolve } from "node:path";
import type { Command } from "commander";
import { SaiError } from "../../shared/runtime/errors.js";
import { type Client, CompareRequest, Comparing } from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { EXIT, type ExitCode, usageError } from "../exit.js";
import { withExamples } from "../help.js";
import { painter } from "../output/color.js";
import { comparingLines } from "../output/comparing-text.js";
import { writeWhole } from "../output/file.js";
import { printOne } from "../output/print.js";
import type { Bind } from "../program.js";

interface CompareOptions {
  metric?: string[];
  failOn?: string[];
  maxDrop?: string;
  alpha?: string;
  map?: string[];
  flips?: string;
  partial?: boolean;
  format?: string;
  report?: string;
  markdown?: string;
  junit?: string;
}

export function registerCompare(noun: Command, bind: Bind): void {
  withExamples(
    noun
      .command("compare <base> <new>")
      .description("two campaigns (or baselines) sample by sample: exit 0 pass, 5 fail, 6 cannot tell")
      .option("--metric <ids...>", "only these metrics (default: all that both have)")
      .option(
        "--fail-on <metrics...>",
        "only these decide; cer=0.01 or =1% says how much one may lose, in its unit",
      )
      .option("--max-drop <share>", "how much a share may lose, such as 0.02 or 2% (default: 2%)")
      .option("--alpha <a>", "intervals are of 1 - alpha (default: 0.05)")
      .option(
        "--map <old=new...>",
        "a name that was changed; model:, prompt: or dataset: before it says which",
      )
      .option("--flips <n>", "show so many samples that were lost and won in each cell")
      .option("--format <format>", "print markdown (for pull requests), junit or html instead of the table")
      .option("--report <file>", "write the comparison as one HTML file, with the samples that flipped")
      .option("--markdown <file>", "write the summary for pull requests")
      .option("--junit <file>", "write JUnit XML, a case for each judged metric")
      .option("--partial", "what only one of them has does not make it incomplete"),
    "sai result compare release c-7f3k2 --max-drop 1%",
    "sai result compare c-1 c-2 --fail-on exact_match=0.02 latency=200 --map model:old=new",
  ).action(
    bind<CompareOptions>((context, [base = "", candidate = ""], options) =>
      withClient(context, (client) => compare(context, client, base, candidate, options)),
    ),
  );
}

const FILES = { report: "html", markdown: "markdown", junit: "junit" } as const;
const FORMATS = ["markdown", "junit", "html"];

async function compare(
  context: Context,
  client: Client,
  base: string,
  candidate: string,
  options: CompareOptions,
): Promise<void> {
  const { format } = options;
  if (format !== undefined && !FORMATS.includes(format))
    throw usageError(`--format: ${format} is not one of ${FORMATS.join(", ")}`);
  const request = requestOf(base, candidate, options);
  const comparing = await compared(client, request);
  if (comparing === undefined) throw usageError("compare: name the campaign or baseline it is compared with");
  for (const [option, as] of Object.entries(FILES)) {
    const path = options[option as keyof typeof FILES];
    if (path === undefined) continue;
    await writeWhole(resolve(context.io.cwd, path), client.exportComparison(request, as));
    say(context, `wrote ${path}`);
  }
  if (format === undefined) await printComparing(context, comparing);
  else for await (const chunk of client.exportComparison(request, format)) await context.io.out(chunk);
  context.exit(exitCodeForVerdict(comparing.verdict));
}

/** The comparison of a campaign with the baseline that its suite names; undefined if it names none. */
export const compareWithBaseline = (client: Client, campaignId: string): Promise<Comparing | undefined> =>
  compared(client, CompareRequest.fromPartial({ candidate: campaignId }));

async function compared(client: Client, request: CompareRequest): Promise<Comparing | undefined> {
  return client.compare(request).catch((error: unknown) => {
    throw asUsage(error);
  });
}

async function printComparing(context: Context, comparing: Comparing): Promise<void> {
  await printOne(context, {
    json: Comparing.toJSON(comparing),
    name: comparing.verdict,
    text: () => comparingText(context, comparing),
  });
}

/** As the table shows it. */
export const comparingText = (context: Context, comparing: Comparing): string[] =>
  comparingLines(comparing, {
    paint: painter(context.flags.color && context.io.outIsTty),
    wide: context.flags.output === "wide",
  });

/** 0 for a pass, 5 for a fail, 6 for all that cannot tell. */
export function exitCodeForVerdict(verdict: string): ExitCode {
  if (verdict === "pass") return EXIT.ok;
  return verdict === "fail" ? EXIT.failures : EXIT.incomplete;
}

/** A metric or model that neither has was misspelt on the command line. */
function asUsage(error: unknown): unknown {
  if (!(error instanceof SaiError) || error.code !== "invalid_argument" || error.violations.length === 0)
    return error;
  return usageError(error.violations.map(({ field, description }) => `${field}: ${description}`).join("\n"));
}

function requestOf(base: string, candidate: string, options: CompareOptions): CompareRequest {
  const { metric = [], failOn = [], map = [], maxDrop, alpha, flips, partial = false } = options;
  return CompareRequest.fromPartial({
    ...{ base, candidate, metrics: metric, partial },
    failOn: failOn.map(gateIn),
    map: map.map(pairIn),
    ...(maxDrop === undefined ? {} : { maxDrop: dropIn("--max-drop", maxDrop) }),
    ...(alpha === undefined ? {} : { alpha: numberIn("--alpha", alpha) }),
    ...(flips === undefined ? {} : { flips: numberIn("--flips", flips) }),
  });
}

function gateIn(text: string): { metric: string; maxDrop?: number } {
  const at = text.lastIndexOf("=");
  if (at < 0) return { metric: text };
  return { metric: text.slice(0, at), maxDrop: dropIn("--fail-on", text.slice(at + 1)) };
}

function pairIn(text: string): { kind: string; base: string; candidate: string } {
  const [, kind = "model", base = "", candidate = ""] =
    /^(?:(model|prompt|dataset):)?([^=]+)=(.+)$/.exec(text) ?? [];
  if (candidate === "")
    throw usageError(`--map: ${text} is not OLD=NEW, such as model:qwen2.5vl:3b=qwen2.5vl:7b`);
  return { kind, base, candidate };
}

function dropIn(flag: string, text: string): number {
  const isPercent = text.endsWith("%");
  const value = numberIn(flag, isPercent ? text.slice(0, -1) : text);
  return isPercent ? value / 100 : value;
}

function numberIn(flag: string, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || value < 0) throw usageError(`${flag}: ${text} is not a number of 0 or more`);
  return value;
}
