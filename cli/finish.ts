/** What `apply` and `run` do once a campaign is submitted: wait, print the table, write files, choose the exit code. */

import { join } from "node:path";
import { isScenario } from "../shared/benchmark/scenarios.js";
import { type Campaign, CampaignState, type Client } from "./client.js";
import { compareWithBaseline, comparingText, exitCodeForVerdict } from "./commands/compare.js";
import { EXPORT_FORMATS, formatByEnding, printSummary, saveExport } from "./commands/result.js";
import { type Context, say } from "./context.js";
import { EXIT, type ExitCode } from "./exit.js";
import { persist } from "./reconnect.js";
import { endLine, exitCodeOfEnd, waitForEnd } from "./wait.js";

export interface FinishOptions {
  /** A file (by its ending) or a folder for report.html, summary.json, cells.csv and records.jsonl. */
  output?: string | undefined;
  /** Exit 5 when a metric misses its target or loses too much to the baseline, 6 when one cannot be judged. */
  gate?: boolean | undefined;
  /** Give up when nothing of it has run for so long for want of a node that can. */
  stalledMs?: number | undefined;
}

/** Waits for the campaign's end and shows what it found. */
export async function finish(
  context: Context,
  client: Client,
  campaign: Campaign,
  options: FinishOptions,
): Promise<Campaign> {
  const limits = { timeoutMs: context.flags.timeoutMs, stalledMs: options.stalledMs };
  const ended = await waitForEnd(context, client, campaign.id, limits, campaign);
  say(context, endLine(ended));
  const summary = await persist(context, "asking again", () => client.summary(campaign.id));
  await printSummary(context, summary);
  const { output } = options;
  if (output !== undefined)
    await persist(context, "asking again", () => saveAll(context, client, campaign.id, output));
  context.exit(exitCodeOfEnd(ended));
  if (options.gate && ended.state === CampaignState.SUCCEEDED) {
    const comparing = await persist(context, "asking again", () => compareWithBaseline(client, campaign.id));
    for (const line of comparing ? ["", ...comparingText(context, comparing)] : []) say(context, line);
    const targets = summary.cells
      .flatMap((cell) => [
        ...cell.metrics,
        ...cell.levels.filter(isScenario).flatMap((level) => level.metrics),
      ])
      .flatMap((metric) => metric.target ?? []);
    context.exit(gateCode(targets, comparing?.verdict));
  }
  return ended;
}

/** Of targets and the baseline both: what missed counts before what cannot be told, and nothing to judge by is no pass. */
function gateCode(targets: readonly { met?: boolean | undefined }[], verdict: string | undefined): ExitCode {
  const codes = [
    ...targets.map(({ met }) => (met === undefined ? EXIT.incomplete : met ? EXIT.ok : EXIT.failures)),
    ...(verdict === undefined ? [] : [exitCodeForVerdict(verdict)]),
  ];
  if (codes.includes(EXIT.failures)) return EXIT.failures;
  return codes.length === 0 || codes.includes(EXIT.incomplete) ? EXIT.incomplete : EXIT.ok;
}

const FILES: Record<(typeof EXPORT_FORMATS)[number], string> = {
  html: "report.html",
  json: "summary.json",
  csv: "cells.csv",
  jsonl: "records.jsonl",
};

async function saveAll(context: Context, client: Client, id: string, output: string): Promise<void> {
  const format = formatByEnding(output);
  if (format !== undefined) return saveExport(context, client, id, format, output);
  for (const each of EXPORT_FORMATS) await saveExport(context, client, id, each, join(output, FILES[each]));
}
