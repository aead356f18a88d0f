/** The coordinator's state for people: one fact a line, what needs attention in colour. */
import type { Brake, GetStatusResponse, IndexStatus } from "../client.js";
import type { Paint } from "./color.js";
import { formatBytes, formatDuration } from "./quantity.js";
import { time } from "./words.js";

export function statusLines(status: GetStatusResponse, paint: Paint): string[] {
  const { brake, refusesCampaigns } = status;
  const facts: [string, string][] = [
    ["version", status.version],
    ["cluster", status.clusterId],
    ["leader", [status.leader, `epoch ${status.epoch}`].filter((part) => part !== "").join(", ")],
    ["up", `${formatDuration(status.uptimeS * 1000)}, since ${time(status.startTime)}`],
    ["store", storeText(status)],
    ["refuses", refusesCampaigns === "" ? "" : paint(`new campaigns: ${refusesCampaigns}`, "red")],
    ["brake", brake?.engaged ? paint(brakeText(brake), "yellow") : brakeText(brake)],
    ["nodes", `${status.nodesReady} of ${status.nodes} ready`],
    ["campaigns", `${status.campaignsActive} active${heldText(status)}`],
    ["shards", `${status.shardsPending} pending, ${status.shardsRunning} on nodes`],
    ["commits", `${status.commitQueue} queued`],
    ["spool", spoolText(status)],
    ["index", indexText(status.index, paint)],
  ];
  return facts.filter(([, value]) => value !== "").map(([key, value]) => `${key.padEnd(10)} ${value}`);
}

/** `not engaged`, or what it saw, since when, and what ends it. */
export function brakeText(brake: Brake | undefined): string {
  if (!brake?.engaged) return "not engaged";
  const since = brake.since === undefined ? "" : ` since ${time(brake.since)}`;
  const ends = brake.ends === "" ? "" : `; ${brake.ends}`;
  return `engaged${since}: ${brake.message === "" ? brake.causes.join(", ") : brake.message}${ends}`;
}

function storeText({ store, storeUsedBytes, storeQuotaBytes }: GetStatusResponse): string {
  if (storeQuotaBytes === 0) return `${store}, ${formatBytes(storeUsedBytes)} used`;
  const share = Math.round((storeUsedBytes / storeQuotaBytes) * 100);
  return `${store}, ${formatBytes(storeUsedBytes)} of ${formatBytes(storeQuotaBytes)} used (${share} %)`;
}

const heldText = ({ campaignsHeld }: GetStatusResponse): string =>
  campaignsHeld === 0
    ? ""
    : `, ${campaignsHeld} held back until the nodes known before the start have reported`;

const spoolText = ({ spoolResults, spoolBytes }: GetStatusResponse): string =>
  spoolResults === 0
    ? "empty: every result is acknowledged"
    : `${spoolResults} ${spoolResults === 1 ? "result" : "results"} unacknowledged, ${formatBytes(spoolBytes)}`;

/** The results index in one line: its database, how far it is, and why it does not go on. */
export function indexText(index: IndexStatus | undefined, paint: Paint): string {
  if (index === undefined) return "";
  const { database, state, behind, building, built, toBuild, problem } = index;
  const ended = (n: number) => `${n} ended ${n === 1 ? "campaign" : "campaigns"} behind`;
  const what = {
    closed: "closed; it catches up when a leaderboard or a search asks it",
    current: "up to date",
    behind: behind === undefined ? "not opened yet" : ended(behind),
    building: `generation ${building} is being built, ${built} of ${toBuild} campaigns`,
    away: `away${behind === undefined ? "" : `, ${ended(behind)}`}`,
  }[state];
  const text = [database, what ?? state].filter((part) => part !== "").join(", ");
  if (problem === "") return text;
  return `${text}: ${paint(problem, state === "away" ? "red" : "yellow")}`;
}
