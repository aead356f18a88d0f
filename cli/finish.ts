/** What `apply` and `run` do once a campaign is submitted: wait, print the table, write files, choose the exit code. */

import { join } from "node:path";
import { isScenario } from "../shared/benchmark/scenarios.js";
import { type Campaign, CampaignState, type Client } from "./client.js";
import { EXPORT_FORMATS, formatByEnding, printSummary, saveExport } from "./commands/result.js";
import { type Context, say } from "./context.js";
import { EXIT } from "./exit.js";
import { persist } from "./reconnect.js";
import { endLine, exitCodeOfEnd, waitForEnd } from "./wait.js";

export interface FinishOptions {
  /** A file (by its ending) or a folder for report.html, summary.json, cells.csv and records.jsonl. */
  output?: string | undefined;
  /** Exit 5 when a metric misses its target, 6 when one cannot be judged. */
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
    const targets = summary.cells
      .flatMap((cell) => [
        ...cell.metrics,
        ...cell.levels.filter(isScenario).flatMap((level) => level.metrics),
      ])
      .flatMap((metric) => metric.target ?? []);
    if (targets.some((target) => target.met === false)) context.exit(EXIT.failures);
    else if (targets.length === 0 || targets.some((t) => t.met === undefined)) context.exit(EXIT.incomplete);
  }
  return ended;
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
