/** The API's enums and times as the words people see. */
import { CampaignState, campaignStateToJSON } from "../client.js";
import type { Color } from "./color.js";

/** `running` for CAMPAIGN_STATE_RUNNING. */
export const campaignState = (state: CampaignState): string =>
  campaignStateToJSON(state)
    .replace(/^CAMPAIGN_STATE_/, "")
    .toLowerCase();

/** Why jobs wait, each reason once: `j0000: no node has ollama`, `no node has ollama (50 jobs)`. */
export function waitingReasons(waiting: readonly string[]): string[] {
  const jobs = new Map<string, string[]>();
  for (const text of waiting) {
    const reason = text.replace(/^[^:]+: /, "");
    jobs.set(reason, [...(jobs.get(reason) ?? []), text]);
  }
  return [...jobs].map(([reason, all]) =>
    all.length === 1 ? (all[0] ?? "") : `${reason} (${all.length} jobs)`,
  );
}

/** True when nothing will change any more. */
export const isTerminal = (state: CampaignState): boolean =>
  state === CampaignState.SUCCEEDED ||
  state === CampaignState.PARTIAL ||
  state === CampaignState.FAILED ||
  state === CampaignState.CANCELLED;

const COLORS: { [state: string]: Color } = {
  succeeded: "green",
  ready: "green",
  partial: "yellow",
  suspect: "yellow",
  draining: "yellow",
  cancelled: "yellow",
  failed: "red",
  lost: "red",
  running: "cyan",
};

/** The colour of a campaign's, job's or node's state; undefined for the ordinary ones. */
export const stateColor = (state: string): Color | undefined => COLORS[state];

/** `2026-01-31 12:00:00Z`, or `-` when it has not happened. */
export const time = (date: Date | undefined): string =>
  date === undefined
    ? "-"
    : date
        .toISOString()
        .replace("T", " ")
        .replace(/\.\d+Z$/, "Z");
