import { isStatus, type ResultRecord } from "../../shared/benchmark/record.js";
import type { Summary as BenchmarkSummary } from "../../shared/benchmark/summary.js";
import type { CampaignSpec } from "../../shared/gen/sai/v1/campaign.js";
import { type ExportResponse, type ResultServiceServer, Summary } from "../../shared/gen/sai/v1/result.js";
import { type CallObserver, streaming, unary } from "../../shared/rpc/serve.js";
import { renderJunit } from "../report/junit.js";
import { renderMarkdown } from "../report/markdown.js";
import { renderCsv } from "../report/report-csv.js";
import { type BaselineView, renderHtml } from "../report/report-html.js";
import { renderJson } from "../report/report-json.js";
import type { RecordFilter, ResultsIndex } from "../results/results-index.js";
import { CHUNK_BYTES, chunks } from "./chunks.js";
import type { CompareQuestions } from "./compare-questions.js";
import type { Questions } from "./index-questions.js";
import { pageSize, refuse } from "./page.js";

const FORMATS = ["html", "json", "csv", "markdown", "junit", "jsonl"];

/**
 * sai.v1.ResultService over the records and the renderers; `questions` are those that the results index answers, `compare`
 * those about two campaigns, `baseline` what a report says about the one its suite names, `rescore` scores a campaign's answers by other rules.
 */
export function resultService(
  results: ResultsIndex,
  questions: Questions,
  compare: CompareQuestions,
  baseline: (campaign: string) => Promise<BaselineView | undefined>,
  rescore: (campaign: string, spec: CampaignSpec | undefined) => Promise<BenchmarkSummary>,
  version: string,
  calls: CallObserver,
): ResultServiceServer {
  return {
    ...questions,
    ...compare,
    rescore: unary(calls, async ({ campaignId, spec }) => ({
      summary: Summary.fromPartial(await rescore(campaignId, spec)),
    })),
    getSummary: unary(calls, async ({ campaignId }) => ({
      summary: Summary.fromPartial(await results.summary(campaignId)),
    })),
    listSamples: unary(calls, async (request) => {
      const filter = filterOf(request);
      const size = pageSize(request.pageSize);
      if (!/^\d{0,15}$/.test(request.pageToken))
        throw refuse("page_token", "was not given by a previous answer");
      const skip = Number(request.pageToken);
      const page: string[] = [];
      let seen = 0;
      for await (const record of results.records(request.campaignId, filter)) {
        seen += 1;
        if (seen <= skip) continue;
        if (page.length === size) return { recordsJson: page, nextPageToken: String(skip + size) };
        page.push(JSON.stringify(record));
      }
      return { recordsJson: page, nextPageToken: "" };
    }),
    export: streaming(calls, async function* ({ campaignId, format }) {
      if (!FORMATS.includes(format)) {
        throw refuse(
          "format",
          `is ${JSON.stringify(format.slice(0, 40))}, allowed are ${FORMATS.join(", ")}`,
        );
      }
      if (format === "jsonl") return yield* lines(results.records(campaignId));
      const summary = await results.summary(campaignId);
      const text =
        format === "html"
          ? renderHtml(summary, {
              ...{ version, generatedAt: new Date().toISOString() },
              examples: await results.examples(campaignId),
              baseline: await baseline(campaignId),
            })
          : format === "csv"
            ? renderCsv(summary)
            : format === "markdown"
              ? renderMarkdown(summary)
              : format === "junit"
                ? renderJunit(summary)
                : renderJson(summary);
      yield* chunks(Buffer.from(text));
    }),
  };
}

function filterOf(request: { jobId: string; status: string }): RecordFilter {
  const { jobId, status } = request;
  if (status !== "" && !isStatus(status))
    throw refuse("status", `is ${JSON.stringify(status.slice(0, 40))}, no status`);
  return { ...(jobId === "" ? {} : { job: jobId }), ...(isStatus(status) ? { status } : {}) };
}

async function* lines(records: AsyncIterable<ResultRecord>): AsyncGenerator<ExportResponse> {
  let batch = "";
  for await (const record of records) {
    batch += `${JSON.stringify(record)}\n`;
    if (batch.length < CHUNK_BYTES) continue;
    yield { chunk: Buffer.from(batch) };
    batch = "";
  }
  if (batch !== "") yield { chunk: Buffer.from(batch) };
}
