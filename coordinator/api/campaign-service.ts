import type { CampaignServiceServer, ExplainCampaignResponse } from "../../shared/gen/sai/v1/campaign.js";
import { type CallObserver, streaming, unary } from "../../shared/rpc/serve.js";
import { type CampaignEntry, isEnded } from "../campaigns/board.js";
import { campaignEvent } from "../campaigns/lifecycle.js";
import type { CampaignParts } from "../campaigns/parts.js";
import { prepareRequest } from "../campaigns/request.js";
import type { RetryOptions } from "../campaigns/retry.js";
import { submitCampaign } from "../campaigns/submit.js";
import { noCampaign } from "../results/streamed-results.js";
import { priorityField, reasonField, refuseAll } from "./check.js";
import { budgetOfRequest, campaignMessage, requestOf } from "./convert.js";
import { pageOf, refuse } from "./page.js";

const MAX_SHOWN = 20;
/** How often a watched campaign's progress is looked at; a change of its state is shown at once. */
const WATCH_MS = 200;

/** What people may ask of a campaign once it exists. */
export interface CampaignUses {
  pause(entry: CampaignEntry, reason: string): Promise<void>;
  resume(entry: CampaignEntry): Promise<void>;
  retry(entry: CampaignEntry, options: RetryOptions): Promise<CampaignEntry>;
  /** Why it is where it is; changes nothing. */
  explain(entry: CampaignEntry): Promise<Pick<ExplainCampaignResponse, "reasons" | "jobs">>;
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
  /** With its jobs, which of an ended one may have to be read again. */
  const shown = async (entry: CampaignEntry) => {
    await parts.board.loaded(entry);
    return campaignMessage(entry, true, parts.clock.wallMs());
  };
  return {
    createCampaign: unary(calls, async ({ spec, idempotencyKey }) => {
      const entry = await submitCampaign(parts, requestOf(spec), idempotencyKey);
      return { campaign: await shown(entry) };
    }),
    validateCampaign: unary(calls, async ({ spec, show }) => {
      if (show > MAX_SHOWN) throw refuse("show", `is ${show}, at most ${MAX_SHOWN}`);
      const prepared = await prepareRequest(parts, requestOf(spec));
      const { ok, findings, jobs, samples } = prepared;
      return { ok, findings, jobs, samples, messages: ok ? prepared.rendered(show) : [] };
    }),
    getCampaign: unary(calls, async ({ id }) => ({ campaign: await shown(found(id)) })),
    listCampaigns: unary(calls, (request) => {
      const { page, nextPageToken } = pageOf(parts.board.list(), request, (entry) => entry.value.id);
      return {
        campaigns: page.map((entry) => campaignMessage(entry, false, parts.clock.wallMs())),
        nextPageToken,
      };
    }),
    cancelCampaign: unary(calls, async ({ id }) => {
      const entry = found(id);
      if (!isEnded(entry.value.state) && entry.value.state.kind !== "SEALING") {
        await campaignEvent(parts, entry, { kind: "cancel", reason: "cancelled by the user" });
      }
      return { campaign: await shown(entry) };
    }),
    pauseCampaign: unary(calls, async ({ id, reason }) => {
      refuseAll([reasonField(reason)]);
      const entry = found(id);
      await uses.pause(entry, reason);
      return { campaign: await shown(entry) };
    }),
    resumeCampaign: unary(calls, async ({ id }) => {
      const entry = found(id);
      await uses.resume(entry);
      return { campaign: await shown(entry) };
    }),
    retryCampaign: unary(calls, async ({ id, idempotencyKey, priority, budget: limits }) => {
      refuseAll([priorityField(priority)]);
      const budget = budgetOfRequest(limits);
      const retried = await uses.retry(found(id), {
        idempotencyKey,
        ...(priority === undefined ? {} : { priority }),
        ...(budget && { budget }),
      });
      return { campaign: await shown(retried) };
    }),
    explainCampaign: unary(calls, async ({ id }) => {
      const entry = found(id);
      return { campaign: await shown(entry), ...(await uses.explain(entry)) };
    }),
    watchCampaign: streaming(calls, async function* ({ id }, signal) {
      const entry = found(id);
      let told = "";
      while (!signal.aborted) {
        const campaign = await shown(entry);
        const now = JSON.stringify(campaign);
        if (now !== told) yield { campaign };
        told = now;
        if (isEnded(entry.value.state)) return;
        await nextLook(parts, entry, signal);
      }
    }),
  };
}

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
