import type { CampaignServiceServer, ExplainCampaignResponse } from "../../shared/gen/sai/v1/campaign.js";
import { type CallObserver, streaming, unary } from "../../shared/rpc/serve.js";
import { type Board, type CampaignEntry, isEnded } from "../campaigns/board.js";
import { campaignEvent } from "../campaigns/lifecycle.js";
import type { CampaignParts } from "../campaigns/parts.js";
import { prepareRequest, submitCampaign } from "../campaigns/submit.js";
import { noCampaign } from "../results/streamed-results.js";
import { priorityField, reasonField, refuseAll } from "./check.js";
import { campaignMessage, requestOf } from "./convert.js";
import { pageOf, refuse } from "./page.js";

const MAX_SHOWN = 20;
/** How often a watched campaign's progress is looked at; a change of its state is shown at once. */
const WATCH_MS = 200;

/** What people may ask of a campaign once it exists. */
export interface CampaignUses {
  pause(entry: CampaignEntry, reason: string): Promise<void>;
  resume(entry: CampaignEntry): Promise<void>;
  retry(entry: CampaignEntry, options: { idempotencyKey: string; priority?: number }): Promise<CampaignEntry>;
  /** Why it is where it is; changes nothing. */
  explain(entry: CampaignEntry): Pick<ExplainCampaignResponse, "reasons" | "jobs">;
}

/** sai.v1.CampaignService over the use cases. */
export function campaignService(
  parts: CampaignParts,
  uses: CampaignUses,
  calls: CallObserver,
): CampaignServiceServer {
  const found = (id: string): CampaignEntry => {
    const entry = parts.board.campaign(id);
    if (entry === undefined) throw noCampaign(id);
    return entry;
  };
  /** Only what has ended can have been retried. */
  const shown = (entry: CampaignEntry) =>
    campaignMessage(entry, true, isEnded(entry.value.state) ? retriesOf(parts.board, entry.value.id) : []);
  return {
    createCampaign: unary(calls, async ({ spec, idempotencyKey }) => {
      const entry = await submitCampaign(parts, requestOf(spec), idempotencyKey);
      return { campaign: campaignMessage(entry, true) };
    }),
    validateCampaign: unary(calls, async ({ spec, show }) => {
      if (show > MAX_SHOWN) throw refuse("show", `is ${show}, at most ${MAX_SHOWN}`);
      const prepared = await prepareRequest(parts, requestOf(spec));
      const { ok, findings, jobs, samples } = prepared;
      return { ok, findings, jobs, samples, messages: ok ? prepared.rendered(show) : [] };
    }),
    getCampaign: unary(calls, ({ id }) => ({ campaign: shown(found(id)) })),
    listCampaigns: unary(calls, (request) => {
      const { page, nextPageToken } = pageOf(parts.board.list(), request, (entry) => entry.value.id);
      return { campaigns: page.map((entry) => campaignMessage(entry, false)), nextPageToken };
    }),
    cancelCampaign: unary(calls, async ({ id }) => {
      const entry = found(id);
      if (!isEnded(entry.value.state) && entry.value.state.kind !== "SEALING") {
        await campaignEvent(parts, entry, { kind: "cancel", reason: "cancelled by the user" });
      }
      return { campaign: campaignMessage(entry, true) };
    }),
    pauseCampaign: unary(calls, async ({ id, reason }) => {
      refuseAll([reasonField(reason)]);
      const entry = found(id);
      await uses.pause(entry, reason);
      return { campaign: campaignMessage(entry, true) };
    }),
    resumeCampaign: unary(calls, async ({ id }) => {
      const entry = found(id);
      await uses.resume(entry);
      return { campaign: campaignMessage(entry, true) };
    }),
    retryCampaign: unary(calls, async ({ id, idempotencyKey, priority }) => {
      refuseAll([priorityField(priority)]);
      const retried = await uses.retry(found(id), {
        idempotencyKey,
        ...(priority === undefined ? {} : { priority }),
      });
      return { campaign: campaignMessage(retried, true) };
    }),
    explainCampaign: unary(calls, ({ id }) => {
      const entry = found(id);
      return { campaign: shown(entry), ...uses.explain(entry) };
    }),
    watchCampaign: streaming(calls, async function* ({ id }, signal) {
      const entry = found(id);
      let told = "";
      while (!signal.aborted) {
        const campaign = shown(entry);
        const now = JSON.stringify(campaign);
        if (now !== told) yield { campaign };
        told = now;
        if (isEnded(entry.value.state)) return;
        await nextLook(parts, entry, signal);
      }
    }),
  };
}

/** Ids of the campaigns that retry one, oldest first. */
const retriesOf = (board: Board, id: string): string[] =>
  board
    .list()
    .flatMap(({ value }) => (value.retryOf === id ? [value.id] : []))
    .reverse();

/** Resolves after WATCH_MS, when the campaign's state changes, or when `signal` aborts. */
async function nextLook(parts: CampaignParts, entry: CampaignEntry, signal: AbortSignal): Promise<void> {
  const { kind } = entry.value.state;
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const paused = parts.clock
    .sleep(WATCH_MS, either)
    .catch(() => {})
    .finally(() => over.abort());
  while (!either.aborted && entry.value.state.kind === kind)
    await parts.events.changed(either, { campaign: entry.value.id, node: "" });
  over.abort();
  await paused;
}
