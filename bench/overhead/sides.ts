/** One run of each side against the scripted server, checked and brought together with the server's own times. */
import type { Client } from "../../cli/client.js";
import { CampaignState } from "../../cli/client.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import type { SeenRequest } from "../../test/support/scripted-server.js";
import type { LineChild } from "../support/line-child.js";
import { campaignWalls, type Pair, type Request, type Seen, ttftErrorsMs } from "./arithmetic.js";
import type { BareAnswer, BareRequest } from "./bare-loop.js";
import { CONCURRENCY, question, replies, suite } from "./workload.js";

const nowNs = (): number => Number(process.hrtime.bigint());

/** Runs the campaign once; also gives the bodies that it sent, for the bare loop to repeat. */
export async function runCampaign(
  client: Client,
  server: string,
  requests: number,
): Promise<Pair["campaign"] & { bodies: string[] }> {
  await script(server, requests);
  const spec = { suite: suite(requests), inputs: [], modelMap: {}, priority: 0, tenant: "" };
  const submittedNs = nowNs();
  const { id } = await client.createCampaign(spec, "");
  let state = CampaignState.SUBMITTED;
  for await (const campaign of client.watchCampaign(id)) state = campaign.state;
  const terminalNs = nowNs();
  if (state !== CampaignState.SUCCEEDED) throw new Error(`the campaign ended as ${CampaignState[state]}`);

  const records = await recordsOf(client, id);
  const served = await servedBy(server, requests);
  const both = records.map((record) => together(seenBy(record), served.get(question(record.ordinal))));
  if (both.length !== requests) throw new Error(`${both.length} records of ${requests} requests`);
  return {
    walls: campaignWalls(both, submittedNs, terminalNs),
    errorsMs: ttftErrorsMs(both),
    bodies: [...served.values()].map(({ body }) => JSON.stringify(body)),
  };
}

/** Runs the bare loop once over the same bodies. */
export async function runBare(bare: LineChild, server: string, bodies: string[]): Promise<Pair["bare"]> {
  await script(server, bodies.length);
  const request: BareRequest = { url: `${server}/v1/chat/completions`, bodies, concurrency: CONCURRENCY };
  bare.send(request);
  const answer = (await bare.next()) as BareAnswer;
  const served = await servedBy(server, bodies.length);
  const both = bodies.map((body, i) => together(answer.samples[i], served.get(contentOf(JSON.parse(body)))));
  return { wallMs: answer.wallNs / 1e6, errorsMs: ttftErrorsMs(both) };
}

async function script(server: string, requests: number): Promise<void> {
  const body = JSON.stringify({ replies: replies(requests) });
  const answer = await fetch(`${server}/__script`, { method: "POST", body });
  if (!answer.ok) throw new Error(`the scripted server answered ${answer.status}`);
}

/** What the server saw, by the text of the question; each must have come once. */
async function servedBy(server: string, requests: number): Promise<Map<string, SeenRequest>> {
  const seen = (await (await fetch(`${server}/__requests`)).json()) as SeenRequest[];
  const byQuestion = new Map(seen.map((request) => [contentOf(request.body), request]));
  if (seen.length !== requests || byQuestion.size !== requests) {
    throw new Error(`the server saw ${seen.length} requests, ${byQuestion.size} different, of ${requests}`);
  }
  return byQuestion;
}

const contentOf = (body: { [key: string]: unknown }): string => {
  const messages = body["messages"] as { content: string }[];
  return messages.at(-1)?.content ?? "";
};

function together(seen: Seen | undefined, request: SeenRequest | undefined): Request {
  const firstWriteNs = request?.writesNs[0];
  if (seen === undefined || request === undefined || firstWriteNs === undefined) {
    throw new Error("a request is known to one end only");
  }
  return { seen, served: { receivedNs: request.receivedNs, firstWriteNs } };
}

async function recordsOf(client: Client, id: string): Promise<ResultRecord[]> {
  const parts: Uint8Array[] = [];
  for await (const part of client.exportResult(id, "jsonl")) parts.push(part);
  const lines = Buffer.concat(parts).toString("utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as ResultRecord);
}

function seenBy({ record_id, status, t_ns }: ResultRecord): Seen {
  if (status !== "ok" || t_ns.first_token === undefined) throw new Error(`record ${record_id} is ${status}`);
  return { sentNs: t_ns.sent, firstNs: t_ns.first_token, doneNs: t_ns.done };
}
