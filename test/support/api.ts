/** The services of sai.v1 as promises and lists, with errors as SaiError: what integration tests ask a coordinator with. */
import {
  type CallOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { AdminServiceClient } from "../../shared/gen/sai/v1/admin.js";
import {
  ArtifactServiceClient,
  type UploadRequest,
  type UploadResponse,
} from "../../shared/gen/sai/v1/artifact.js";
import {
  type Campaign,
  CampaignServiceClient,
  CampaignSpec,
  CampaignState,
} from "../../shared/gen/sai/v1/campaign.js";
import { type Event, EventServiceClient, StreamEventsRequest } from "../../shared/gen/sai/v1/event.js";
import { GpuServiceClient } from "../../shared/gen/sai/v1/gpu.js";
import { type Job, JobServiceClient } from "../../shared/gen/sai/v1/job.js";
import { type Node, NodeServiceClient } from "../../shared/gen/sai/v1/node.js";
import { ResultServiceClient, type Summary } from "../../shared/gen/sai/v1/result.js";
import { fromServiceError } from "../../shared/rpc/status.js";
import { until } from "./until.js";

type Unary<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: CallOptions,
  done: (error: ServiceError | null, answer: A) => void,
) => ClientUnaryCall;

export interface SampleQuery {
  jobId?: string;
  status?: string;
  pageSize?: number;
  pageToken?: string;
}

const ENDED = [CampaignState.SUCCEEDED, CampaignState.PARTIAL, CampaignState.FAILED, CampaignState.CANCELLED];
export const isEnded = (campaign: Campaign): boolean => ENDED.includes(campaign.state);

/** One call as a promise. */
export const ask = <Q, A>(call: Unary<Q, A>, request: Q): Promise<A> =>
  new Promise((resolve, reject) => {
    call(request, new Metadata(), {}, (error, answer) =>
      error ? reject(fromServiceError(error, "call")) : resolve(answer),
    );
  });

/** What a stream sends until it ends or `enough` says so. */
export async function listen<A>(
  stream: ClientReadableStream<A>,
  enough: (seen: A[]) => boolean = () => false,
): Promise<A[]> {
  const seen: A[] = [];
  try {
    for await (const message of stream) {
      seen.push(message as A);
      if (enough(seen)) break;
    }
  } catch (error) {
    throw fromServiceError(error, "stream");
  } finally {
    stream.cancel();
  }
  return seen;
}

/** A client of the coordinator at `address`; nothing is sent before the first call. */
export function connectApi(address: string) {
  const open = [
    CampaignServiceClient,
    ResultServiceClient,
    JobServiceClient,
    NodeServiceClient,
    GpuServiceClient,
    EventServiceClient,
    ArtifactServiceClient,
    AdminServiceClient,
  ] as const;
  const limits = { "grpc.max_receive_message_length": 64 * 1024 * 1024, "grpc.use_local_subchannel_pool": 1 };
  const secure = credentials.createInsecure();
  const [campaigns, results, jobs, nodes, gpus, events, artifacts, admin] = [
    new open[0](address, secure, limits),
    new open[1](address, secure, limits),
    new open[2](address, secure, limits),
    new open[3](address, secure, limits),
    new open[4](address, secure, limits),
    new open[5](address, secure, limits),
    new open[6](address, secure, limits),
    new open[7](address, secure, limits),
  ];
  const get = async (id: string): Promise<Campaign> => {
    const { campaign } = await ask(campaigns.getCampaign.bind(campaigns), { id });
    return campaign as Campaign;
  };
  const page = (campaignId: string, query: SampleQuery = {}) =>
    ask(results.listSamples.bind(results), {
      ...{ campaignId, jobId: "", status: "", pageSize: 0, pageToken: "" },
      ...query,
    });
  return {
    ...{ campaigns, results, jobs, nodes, gpus, events, artifacts, admin },
    get,
    page,
    async create(spec: Partial<CampaignSpec>, idempotencyKey = ""): Promise<Campaign> {
      const request = { spec: CampaignSpec.fromPartial(spec), idempotencyKey };
      const { campaign } = await ask(campaigns.createCampaign.bind(campaigns), request);
      return campaign as Campaign;
    },
    validate: (spec: Partial<CampaignSpec>, show = 0) =>
      ask(campaigns.validateCampaign.bind(campaigns), { spec: CampaignSpec.fromPartial(spec), show }),
    async cancel(id: string): Promise<Campaign> {
      return (await ask(campaigns.cancelCampaign.bind(campaigns), { id })).campaign as Campaign;
    },
    /** The campaign once it is terminal. */
    async ended(id: string, withinMs?: number): Promise<Campaign> {
      const done = async () => {
        const campaign = await get(id);
        return isEnded(campaign) ? campaign : undefined;
      };
      return until(`campaign ${id} has ended`, done, withinMs);
    },
    async summary(campaignId: string): Promise<Summary> {
      return (await ask(results.getSummary.bind(results), { campaignId })).summary as Summary;
    },
    /** Every record, over all pages. */
    async records(campaignId: string, query: SampleQuery = {}): Promise<ResultRecord[]> {
      const records: ResultRecord[] = [];
      for (let pageToken = ""; ; ) {
        const answer = await page(campaignId, { pageSize: 1000, ...query, pageToken });
        records.push(...answer.recordsJson.map((text) => JSON.parse(text) as ResultRecord));
        pageToken = answer.nextPageToken;
        if (pageToken === "") return records;
      }
    },
    async export(campaignId: string, format: string): Promise<string> {
      const chunks = await listen(results.export({ campaignId, format }));
      return Buffer.concat(chunks.map(({ chunk }) => chunk)).toString("utf8");
    },
    async job(campaignId: string, jobId: string): Promise<Job> {
      return (await ask(jobs.getJob.bind(jobs), { campaignId, jobId })).job as Job;
    },
    async listNodes(): Promise<Node[]> {
      return (await ask(nodes.listNodes.bind(nodes), { pageSize: 0, pageToken: "" })).nodes;
    },
    async node(id: string): Promise<Node> {
      return (await ask(nodes.getNode.bind(nodes), { id })).node as Node;
    },
    /** Every event so far of a campaign, or of all. */
    async eventsOf(campaignId: string, enough: (seen: Event[]) => boolean): Promise<Event[]> {
      const seen = await listen(events.streamEvents(StreamEventsRequest.fromPartial({ campaignId })), (all) =>
        enough(all.flatMap(({ event }) => (event ? [event] : []))),
      );
      return seen.flatMap(({ event }) => (event ? [event] : []));
    },
    /** Uploads messages as they are, right or wrong. */
    upload: (messages: UploadRequest["part"][]): Promise<UploadResponse> =>
      new Promise((resolve, reject) => {
        const stream = artifacts.upload((error, answer) =>
          error ? reject(fromServiceError(error, "upload")) : resolve(answer),
        );
        stream.on("error", () => {});
        for (const part of messages) stream.write({ part });
        stream.end();
      }),
    missing: async (sha256: string[]): Promise<string[]> =>
      (await ask(artifacts.statArtifacts.bind(artifacts), { sha256 })).missing,
    download: async (sha256: string): Promise<Buffer> =>
      Buffer.concat((await listen(artifacts.download({ sha256 }))).map(({ chunk }) => chunk)),
    close(): void {
      for (const client of [campaigns, results, jobs, nodes, gpus, events, artifacts, admin]) client.close();
    },
  };
}

export type Api = ReturnType<typeof connectApi>;
