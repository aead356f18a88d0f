/** The questions of sai.v1.ResultService that the results index answers, over all campaigns that have ended. */
import type { ResultServiceServer } from "../../shared/gen/sai/v1/result.js";
import { type CallObserver, unary } from "../../shared/rpc/serve.js";
import { rfc3339 } from "../../shared/runtime/clock.js";
import { COSTS_BY } from "../index/costs.js";
import type { Indexing } from "../index/indexing.js";
import type { Place } from "../index/leaderboard.js";
import type { RecordReader } from "../index/record-reader.js";
import { TIMES } from "../index/samples.js";
import { pageSize, refuse } from "./page.js";

const LEADERBOARD_LIMIT = 100;
const MOST = 1000;
const MAX_FILTER = 300;

export type Questions = Pick<
  ResultServiceServer,
  "getLeaderboard" | "getCosts" | "querySamples" | "queryTimes" | "pairJobs"
>;

export function indexQuestions(
  index: Pick<Indexing, "ask">,
  records: RecordReader,
  calls: CallObserver,
): Questions {
  return {
    getLeaderboard: unary(calls, async (request) => {
      const { metric, model, engine, prompt, dataset, campaignId, tenant, all } = request;
      for (const [field, text] of Object.entries({
        metric,
        model,
        engine,
        prompt,
        dataset,
        campaignId,
        tenant,
      }))
        if (text.length > MAX_FILTER)
          throw refuse(field, `has ${text.length} characters, at most ${MAX_FILTER}`);
      const limit = atMost("limit", request.limit) || LEADERBOARD_LIMIT;
      const query = { metric, model, engine, prompt, dataset, campaign: campaignId, tenant, all, limit };
      const { answer, behind } = await index.ask((ask, generation) => ask.leaderboard(generation, query));
      if (metric !== "" && behind === 0 && answer.metrics.length > 0 && !answer.metrics.includes(metric))
        throw refuse(
          "metric",
          `no campaign has ${metric.slice(0, 80)}; there are ${answer.metrics.join(", ")}`,
        );
      return { ...answer, behind, places: answer.places.map(placeMessage) };
    }),
    getCosts: unary(calls, async (request) => {
      const by = request.by === "" ? "model" : COSTS_BY.find((one) => one === request.by);
      if (by === undefined)
        throw refuse(
          "by",
          `is ${JSON.stringify(request.by.slice(0, 40))}, not one of ${COSTS_BY.join(", ")}`,
        );
      const limit = atMost("limit", request.limit) || LEADERBOARD_LIMIT;
      const query = { by, sinceMs: request.since?.getTime() ?? 0, limit };
      const { answer, behind } = await index.ask((ask, generation) => ask.costs(generation, query));
      return { ...answer, behind };
    }),
    querySamples: unary(calls, async ({ where, pageSize: asked, pageToken }) => {
      const query = { where, size: pageSize(asked), cursor: pageToken };
      const { answer, behind } = await index.ask((ask, generation) => ask.findSamples(generation, query));
      const found = await records.read(answer.samples);
      return { recordsJson: found, nextPageToken: answer.cursor, behind };
    }),
    queryTimes: unary(calls, async ({ where, time: name }) => {
      const time = name === "" ? "e2e_ms" : TIMES.find((one) => one === name);
      if (time === undefined)
        throw refuse("time", `is ${JSON.stringify(name.slice(0, 40))}, not one of ${TIMES.join(", ")}`);
      const { answer, behind } = await index.ask((ask, generation) =>
        ask.timesOfSamples(generation, { where, time }),
      );
      const [min = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0] = answer.percentiles;
      return { n: answer.n, mean: answer.mean, min, p50, p90, p95, p99, max, behind };
    }),
    pairJobs: unary(calls, async ({ campaignA, jobA, campaignB, jobB, score, limit }) => {
      if (score === "" || score.length > MAX_FILTER)
        throw refuse("score", "names no score of the records, such as exact_match");
      const [a, b] = [
        { campaign: campaignA, job: jobA },
        { campaign: campaignB, job: jobB },
      ];
      const query = { a, b, score, limit: atMost("limit", limit) };
      const { answer, behind } = await index.ask((ask, generation) => ask.pairSamples(generation, query));
      return { ...answer, behind };
    }),
  };
}

function atMost(field: string, asked: number): number {
  if (asked > MOST) throw refuse(field, `is ${asked}, at most ${MOST}`);
  return asked;
}

const placeMessage = ({ campaign, settings, endedMs, lo, hi, method, rank, ...place }: Place) => ({
  ...place,
  campaignId: campaign,
  settingsJson: settings,
  endedAt: rfc3339(endedMs),
  interval: lo === undefined || hi === undefined ? undefined : { lo, hi, method },
  rank: rank ?? 0,
});
