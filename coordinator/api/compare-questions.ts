/** The questions of sai.v1.ResultService about two campaigns, and the names of those that others are compared with. */
import type { Comparing } from "../../shared/benchmark/compare/comparison.js";
import { DIMENSIONS } from "../../shared/benchmark/compare/match-jobs.js";
import { type CompareRules, DEFAULT_RULES } from "../../shared/benchmark/compare/rules.js";
import { CompareRequest, Comparing as ComparingMessage, FailOn } from "../../shared/gen/sai/v1/compare.js";
import type { ResultServiceServer } from "../../shared/gen/sai/v1/result.js";
import { type CallObserver, streaming, unary } from "../../shared/rpc/serve.js";
import { rfc3339 } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import {
  campaignNamed,
  getBaseline,
  listBaselines,
  removeBaseline,
  setBaseline,
} from "../campaigns/baselines.js";
import { loadedChain } from "../campaigns/board-chain.js";
import type { CampaignParts } from "../campaigns/parts.js";
import { renderComparisonHtml } from "../report/compare-html.js";
import { renderComparisonJunit } from "../report/junit.js";
import { renderComparisonMarkdown } from "../report/markdown.js";
import type { BaselineView } from "../report/report-html.js";
import type { CompareQuery } from "../results/results-index.js";
import type { BaselineValue } from "../store/values.js";
import { chunks } from "./chunks.js";
import { refuse } from "./page.js";

export type CompareQuestions = Pick<
  ResultServiceServer,
  "compare" | "exportComparison" | "setBaseline" | "getBaseline" | "listBaselines" | "removeBaseline"
>;

const MOST_NAMES = 100;
const MOST_FLIPS = 100;
const FORMATS = ["html", "markdown", "junit", "json"] as const;

export function compareQuestions(
  parts: CampaignParts,
  version: string,
  calls: CallObserver,
): CompareQuestions {
  const compared = async (request: CompareRequest): Promise<Comparing> => {
    const query = await queryOf(parts, request);
    if (query !== undefined) return parts.results.compare(query);
    throw new SaiError("failed_precondition", `the suite of ${request.candidate} names no baseline`, {
      hint: "name the campaign or baseline that it is compared with",
    });
  };
  return {
    compare: unary(calls, async (request) => {
      const query = await queryOf(parts, request);
      if (query === undefined) return { comparing: undefined };
      return { comparing: ComparingMessage.fromPartial(await parts.results.compare(query)) };
    }),
    exportComparison: streaming(calls, async function* ({ compare, format }) {
      const known = FORMATS.find((one) => one === format);
      if (known === undefined)
        throw refuse("format", `is ${JSON.stringify(format.slice(0, 40))}, not one of ${FORMATS.join(", ")}`);
      if (compare === undefined) throw refuse("compare", "says which two campaigns are compared");
      yield* chunks(Buffer.from(fileOf(known, await compared(compare), version)));
    }),
    setBaseline: unary(calls, async ({ name, campaignId }) => {
      const { value, before } = await setBaseline(parts, name, campaignId);
      return { baseline: messageOf(value), before: before?.campaign ?? "" };
    }),
    getBaseline: unary(calls, async ({ name }) => ({ baseline: messageOf(await getBaseline(parts, name)) })),
    listBaselines: unary(calls, async () => ({ baselines: (await listBaselines(parts)).map(messageOf) })),
    removeBaseline: unary(calls, async ({ name }) => ({
      baseline: messageOf(await removeBaseline(parts, name)),
    })),
  };
}

const messageOf = ({ name, campaign, setMs }: BaselineValue) => ({
  ...{ name, campaignId: campaign, setAt: rfc3339(setMs) },
});

function fileOf(format: (typeof FORMATS)[number], comparing: Comparing, version: string): string {
  if (format === "markdown") return renderComparisonMarkdown(comparing);
  if (format === "junit") return renderComparisonJunit(comparing);
  if (format === "json") return `${JSON.stringify(comparing, null, 2)}\n`;
  return renderComparisonHtml(comparing, { version, generatedAt: new Date().toISOString() });
}

/** What a campaign's report says about the baseline that its suite names; undefined if it names none. Never throws. */
export async function baselineView(
  parts: CampaignParts,
  campaignId: string,
): Promise<BaselineView | undefined> {
  try {
    const query = await queryOf(parts, CompareRequest.fromPartial({ candidate: campaignId }));
    return (
      query && { comparing: await parts.results.compare({ ...query, rules: { ...query.rules, flips: 0 } }) }
    );
  } catch (error) {
    return { problem: errorText(error) };
  }
}

/**
 * Undefined where no base is named, neither here nor by the suite. Throws invalid_argument for what is out of bounds,
 * not_found for campaigns there are not.
 */
async function queryOf(parts: CampaignParts, asked: CompareRequest): Promise<CompareQuery | undefined> {
  if (asked.candidate === "") throw refuse("candidate", "names the campaign in question");
  const candidate = await campaignNamed(parts, asked.candidate);
  const request = asked.base === "" ? await bySuite(parts, candidate.campaign, asked) : asked;
  if (request === undefined) return undefined;
  const rules = rulesOf(request);
  const map = new Map(DIMENSIONS.map((dimension) => [dimension, new Map<string, string>()]));
  if (request.map.length > MOST_NAMES)
    throw refuse("map", `has ${request.map.length} names, at most ${MOST_NAMES}`);
  for (const { kind, base, candidate } of request.map) {
    const names = map.get(kind as "model");
    if (names === undefined)
      throw refuse(
        "map",
        `kind is ${JSON.stringify(kind.slice(0, 40))}, not one of ${DIMENSIONS.join(", ")}`,
      );
    names.set(base, candidate);
  }
  const base = await campaignNamed(parts, request.base);
  return {
    ...{ base: base.campaign, candidate: candidate.campaign, baseline: base.baseline },
    ...{ map: Object.fromEntries(map), rules },
  };
}

/** The request with what the suite's `baseline` says where it says nothing itself. */
async function bySuite(
  { board }: CampaignParts,
  campaign: string,
  request: CompareRequest,
): Promise<CompareRequest | undefined> {
  const entry = board.campaign(campaign);
  const baseline = entry && (await loadedChain(board, entry))[0]?.plan?.baseline;
  if (baseline === undefined) return undefined;
  const { metric, maxDrop, alpha } = baseline;
  const own = metric === undefined ? [] : [FailOn.fromPartial({ metric, maxDrop })];
  return {
    ...request,
    base: baseline.campaign,
    failOn: request.failOn.length > 0 ? request.failOn : own,
    maxDrop: request.maxDrop ?? maxDrop,
    alpha: request.alpha ?? alpha,
  };
}

function rulesOf({ metrics, failOn, maxDrop, alpha, flips, partial }: CompareRequest): CompareRules {
  const named = metrics.length + failOn.length;
  if (named > MOST_NAMES) throw refuse("metrics", `names ${named} metrics, at most ${MOST_NAMES}`);
  const rules: CompareRules = {
    metrics,
    failOn: failOn.map(({ metric, maxDrop: own }) =>
      own === undefined ? { metric } : { metric, maxDrop: own },
    ),
    maxDrop: maxDrop ?? DEFAULT_RULES.maxDrop,
    alpha: alpha ?? DEFAULT_RULES.alpha,
    flips: flips ?? DEFAULT_RULES.flips,
    partial,
  };
  for (const drop of [rules.maxDrop, ...rules.failOn.map((one) => one.maxDrop ?? 0)])
    if (!(drop >= 0 && drop < Number.POSITIVE_INFINITY))
      throw refuse("max_drop", `is ${drop}, not 0 or more`);
  if (!(rules.alpha >= 0.0001 && rules.alpha <= 0.5))
    throw refuse("alpha", `is ${rules.alpha}, not from 0.0001 to 0.5`);
  if (rules.flips > MOST_FLIPS) throw refuse("flips", `is ${rules.flips}, at most ${MOST_FLIPS}`);
  return rules;
}
