/**
 * The coordinator as commands see it: the services of `sai.v1` as promises and async iterables, with a deadline on
 * every call and one AbortSignal to leave by. Errors come out as SaiError, with the field violations and the hint the
 * server sent; an unreachable server is told apart from one that is there and refuses.
 */
import {
  type CallOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import {
  AdminServiceClient,
  type GetStatusResponse,
  type ReindexResponse,
  type ReleaseBrakeResponse,
  type TransferLeadershipResponse,
} from "../shared/gen/sai/v1/admin.js";
import {
  ArtifactServiceClient,
  type UploadRequest,
  type UploadResponse,
} from "../shared/gen/sai/v1/artifact.js";
import {
  type Budget,
  type Campaign,
  CampaignServiceClient,
  type CampaignSpec,
  type ExplainCampaignResponse,
  type ListCampaignsResponse,
} from "../shared/gen/sai/v1/campaign.js";
import type {
  Baseline,
  CompareRequest,
  Comparing,
  SetBaselineResponse,
} from "../shared/gen/sai/v1/compare.js";
import { type Event, EventServiceClient, type StreamEventsRequest } from "../shared/gen/sai/v1/event.js";
import { type Gpu, GpuServiceClient, type Lease } from "../shared/gen/sai/v1/gpu.js";
import { type LabelNodeRequest, type Node, NodeServiceClient } from "../shared/gen/sai/v1/node.js";
import {
  type GetCostsRequest,
  type GetCostsResponse,
  type GetLeaderboardRequest,
  type GetLeaderboardResponse,
  type ListSamplesRequest,
  type ListSamplesResponse,
  type PairJobsRequest,
  type PairJobsResponse,
  type QuerySamplesRequest,
  type QuerySamplesResponse,
  type QueryTimesRequest,
  type QueryTimesResponse,
  ResultServiceClient,
  type Summary,
} from "../shared/gen/sai/v1/result.js";
import { fromServiceError, isServiceError } from "../shared/rpc/status.js";
import { SaiError } from "../shared/runtime/errors.js";
import { everyPage } from "./every-page.js";

const MAX_RECEIVE_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
const STAT_LIMIT = 1000;

export {
  type Brake,
  GetStatusResponse,
  type IndexStatus,
  ReindexResponse,
  ReleaseBrakeResponse,
  TransferLeadershipResponse,
} from "../shared/gen/sai/v1/admin.js";
export {
  Budget,
  Campaign,
  CampaignSpec,
  CampaignState,
  campaignStateToJSON,
  ExplainCampaignResponse,
  type JobExplanation,
  type JobProgress,
  type ResolvedInput,
  ResolvedInput_Kind,
} from "../shared/gen/sai/v1/campaign.js";
export { Baseline, CompareRequest, Comparing } from "../shared/gen/sai/v1/compare.js";
export { Event } from "../shared/gen/sai/v1/event.js";
export { Gpu, Lease } from "../shared/gen/sai/v1/gpu.js";
export { type GpuFault, type GpuState, Node } from "../shared/gen/sai/v1/node.js";
export {
  type Cell,
  type Comparison,
  GetCostsResponse,
  GetLeaderboardResponse,
  type MetricValue,
  PairJobsResponse,
  type Place,
  QueryTimesResponse,
  Summary,
} from "../shared/gen/sai/v1/result.js";

/** Unary calls end after this long unless the user said otherwise. */
export const DEFAULT_CALL_TIMEOUT_MS = 30_000;

export interface ClientOptions {
  /** Host and port, such as 127.0.0.1:50051. */
  address: string;
  /** Deadline of unary calls in ms. */
  timeoutMs?: number;
  /** Ends every call of this client. */
  signal: AbortSignal;
}

export interface Client {
  readonly address: string;
  status(): Promise<GetStatusResponse>;
  createCampaign(spec: CampaignSpec, idempotencyKey: string): Promise<Campaign>;
  getCampaign(id: string): Promise<Campaign>;
  /** One page, newest first; `pageToken` "" is the first. */
  listCampaigns(pageSize: number, pageToken: string): Promise<ListCampaignsResponse>;
  cancelCampaign(id: string): Promise<Campaign>;
  /** The campaign now and after each change until it is terminal; `signal` leaves without an error. */
  watchCampaign(id: string, signal?: AbortSignal): AsyncIterable<Campaign>;
  pauseCampaign(id: string, reason: string): Promise<Campaign>;
  resumeCampaign(id: string): Promise<Campaign>;
  /** The new campaign. */
  retryCampaign(id: string, idempotencyKey: string, priority?: number, budget?: Budget): Promise<Campaign>;
  explainCampaign(id: string): Promise<ExplainCampaignResponse>;
  /** Events after `since` of `epoch`, then new ones unless `untilNow`; `signal` leaves without an error. */
  events(query: Partial<StreamEventsRequest>, signal?: AbortSignal): AsyncIterable<Event>;
  listNodes(): Promise<Node[]>;
  getNode(id: string): Promise<Node>;
  cordonNode(id: string, reason: string): Promise<Node>;
  uncordonNode(id: string): Promise<Node>;
  /** Cordoned at once; drained when it has no attempts. */
  drainNode(id: string, deadlineMs: number, reason: string): Promise<Node>;
  labelNode(id: string, change: Omit<LabelNodeRequest, "id">): Promise<Node>;
  /** The node as it was known last. */
  removeNode(id: string): Promise<Node>;
  /** Of one node, or of all. */
  listGpus(node: string): Promise<Gpu[]>;
  listLeases(node: string): Promise<Lease[]>;
  releaseBrake(reason: string): Promise<ReleaseBrakeResponse>;
  transferLeadership(reason: string): Promise<TransferLeadershipResponse>;
  reindex(): Promise<ReindexResponse>;
  summary(campaignId: string): Promise<Summary>;
  /** The summary by other rules, or by the coordinator's version of its own. */
  rescore(campaignId: string, spec: CampaignSpec | undefined): Promise<Summary>;
  leaderboard(request: GetLeaderboardRequest): Promise<GetLeaderboardResponse>;
  querySamples(request: QuerySamplesRequest): Promise<QuerySamplesResponse>;
  costs(request: GetCostsRequest): Promise<GetCostsResponse>;
  queryTimes(request: QueryTimesRequest): Promise<QueryTimesResponse>;
  pairJobs(request: PairJobsRequest): Promise<PairJobsResponse>;
  listSamples(request: ListSamplesRequest): Promise<ListSamplesResponse>;
  /** Undefined where no base is named, neither here nor by the candidate's suite. */
  compare(request: CompareRequest): Promise<Comparing | undefined>;
  /** The comparison as html, markdown, junit or json, in chunks. */
  exportComparison(compare: CompareRequest, format: string): AsyncIterable<Uint8Array>;
  setBaseline(name: string, campaignId: string): Promise<SetBaselineResponse>;
  getBaseline(name: string): Promise<Baseline>;
  listBaselines(): Promise<Baseline[]>;
  /** What it was. */
  removeBaseline(name: string): Promise<Baseline>;
  /** html, json, csv or jsonl, in chunks; the server is slowed down to the reader's pace. */
  exportResult(campaignId: string, format: string): AsyncIterable<Uint8Array>;
  /** Those of the given SHA-256 (hex) the coordinator does not have, in the same order. */
  missingArtifacts(sha256: readonly string[]): Promise<string[]>;
  /** One blob in pieces, as the coordinator has it; whoever reads it compares its hash. */
  download(sha256: string): AsyncIterable<Uint8Array>;
  /** A URL of one blob that is good for so long, s. */
  downloadLink(sha256: string, validS: number): Promise<string>;
  /** Stores one blob, at the server's pace. Chunks of any size. */
  upload(
    sha256: string,
    sizeBytes: number,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<void>;
  close(): void;
}

/** A client; nothing is sent before the first call. */
export function connect(options: ClientOptions): Client {
  const { address, signal } = options;
  const timeoutMs = options.timeoutMs ?? DEFAULT_CALL_TIMEOUT_MS;
  const channel = {
    "grpc.max_receive_message_length": MAX_RECEIVE_BYTES,
    "grpc.enable_http_proxy": 0,
    "grpc.initial_reconnect_backoff_ms": 200,
    // Whoever waits for a coordinator to come back should not sleep minutes beyond its return.
    "grpc.max_reconnect_backoff_ms": 2_000,
    // A machine that vanished closes no connection.
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
  };
  const campaigns = new CampaignServiceClient(address, credentials.createInsecure(), channel);
  const shared = { ...channel, channelOverride: campaigns.getChannel() };
  const artifacts = new ArtifactServiceClient(address, credentials.createInsecure(), shared);
  const results = new ResultServiceClient(address, credentials.createInsecure(), shared);
  const nodes = new NodeServiceClient(address, credentials.createInsecure(), shared);
  const gpus = new GpuServiceClient(address, credentials.createInsecure(), shared);
  const admin = new AdminServiceClient(address, credentials.createInsecure(), shared);
  const events = new EventServiceClient(address, credentials.createInsecure(), shared);

  const unary = <Q, A>(call: Unary<Q, A>, request: Q): Promise<A> =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(interrupted(signal));
      const running = call(
        request,
        new Metadata(),
        { deadline: new Date(Date.now() + timeoutMs) },
        (error, answer) => {
          signal.removeEventListener("abort", cancel);
          if (error) reject(translate(error, address, signal));
          else resolve(answer);
        },
      );
      const cancel = () => running.cancel();
      signal.addEventListener("abort", cancel, { once: true });
    });

  const oneNode = async <Q>(call: Unary<Q, { node: Node | undefined }>, request: Q, name: string) =>
    present((await unary(call, request)).node, name);
  const oneCampaign = async <Q>(
    call: Unary<Q, { campaign: Campaign | undefined }>,
    request: Q,
    name: string,
  ) => present((await unary(call, request)).campaign, name);

  return {
    address,
    status: () => unary(admin.getStatus.bind(admin), {}),
    createCampaign: (spec, idempotencyKey) =>
      oneCampaign(campaigns.createCampaign.bind(campaigns), { spec, idempotencyKey }, "CreateCampaign"),
    getCampaign: (id) => oneCampaign(campaigns.getCampaign.bind(campaigns), { id }, "GetCampaign"),
    listCampaigns: (pageSize, pageToken) =>
      unary(campaigns.listCampaigns.bind(campaigns), { pageSize, pageToken }),
    cancelCampaign: (id) => oneCampaign(campaigns.cancelCampaign.bind(campaigns), { id }, "CancelCampaign"),
    pauseCampaign: (id, reason) =>
      oneCampaign(campaigns.pauseCampaign.bind(campaigns), { id, reason }, "PauseCampaign"),
    resumeCampaign: (id) => oneCampaign(campaigns.resumeCampaign.bind(campaigns), { id }, "ResumeCampaign"),
    retryCampaign: (id, idempotencyKey, priority, budget) =>
      oneCampaign(
        campaigns.retryCampaign.bind(campaigns),
        { id, idempotencyKey, priority, budget },
        "RetryCampaign",
      ),
    explainCampaign: (id) => unary(campaigns.explainCampaign.bind(campaigns), { id }),
    async *events(query, leave) {
      const none = { since: 0, campaignId: "", epoch: "", untilNow: false, nodeId: "" };
      for await (const answer of read(events.streamEvents({ ...none, ...query }), address, signal, leave)) {
        if (answer.event) yield answer.event;
      }
    },
    async *watchCampaign(id, leave) {
      for await (const answer of read(campaigns.watchCampaign({ id }), address, signal, leave)) {
        if (answer.campaign) yield answer.campaign;
      }
    },
    listNodes: () =>
      everyPage(async (page) => {
        const { nodes: some, nextPageToken } = await unary(nodes.listNodes.bind(nodes), page);
        return { some, nextPageToken };
      }),
    getNode: (id) => oneNode(nodes.getNode.bind(nodes), { id }, "GetNode"),
    cordonNode: (id, reason) => oneNode(nodes.cordonNode.bind(nodes), { id, reason }, "CordonNode"),
    uncordonNode: (id) => oneNode(nodes.uncordonNode.bind(nodes), { id }, "UncordonNode"),
    drainNode: (id, deadlineMs, reason) =>
      oneNode(nodes.drainNode.bind(nodes), { id, deadlineMs, reason }, "DrainNode"),
    labelNode: (id, change) => oneNode(nodes.labelNode.bind(nodes), { id, ...change }, "LabelNode"),
    removeNode: (id) => oneNode(nodes.removeNode.bind(nodes), { id }, "RemoveNode"),
    listLeases: (node) =>
      everyPage(async (page) => {
        const { leases, nextPageToken } = await unary(gpus.listLeases.bind(gpus), { node, ...page });
        return { some: leases, nextPageToken };
      }),
    listGpus: (node) =>
      everyPage(async (page) => {
        const { gpus: some, nextPageToken } = await unary(gpus.listGpus.bind(gpus), { node, ...page });
        return { some, nextPageToken };
      }),
    releaseBrake: (reason) => unary(admin.releaseBrake.bind(admin), { reason }),
    transferLeadership: (reason) => unary(admin.transferLeadership.bind(admin), { reason }),
    reindex: () => unary(admin.reindex.bind(admin), {}),
    leaderboard: (request) => unary(results.getLeaderboard.bind(results), request),
    querySamples: (request) => unary(results.querySamples.bind(results), request),
    costs: (request) => unary(results.getCosts.bind(results), request),
    queryTimes: (request) => unary(results.queryTimes.bind(results), request),
    pairJobs: (request) => unary(results.pairJobs.bind(results), request),
    async summary(campaignId) {
      return present((await unary(results.getSummary.bind(results), { campaignId })).summary, "GetSummary");
    },
    async rescore(campaignId, spec) {
      return present((await unary(results.rescore.bind(results), { campaignId, spec })).summary, "Rescore");
    },
    compare: async (request) => (await unary(results.compare.bind(results), request)).comparing,
    async *exportComparison(compare, format) {
      for await (const answer of read(results.exportComparison({ compare, format }), address, signal))
        yield answer.chunk;
    },
    setBaseline: (name, campaignId) => unary(results.setBaseline.bind(results), { name, campaignId }),
    async getBaseline(name) {
      return present((await unary(results.getBaseline.bind(results), { name })).baseline, "GetBaseline");
    },
    listBaselines: async () => (await unary(results.listBaselines.bind(results), {})).baselines,
    async removeBaseline(name) {
      const { baseline } = await unary(results.removeBaseline.bind(results), { name });
      return present(baseline, "RemoveBaseline");
    },
    listSamples: (request) => unary(results.listSamples.bind(results), request),
    async *exportResult(campaignId, format) {
      for await (const answer of read(results.export({ campaignId, format }), address, signal))
        yield answer.chunk;
    },
    async missingArtifacts(sha256) {
      const missing: string[] = [];
      for (let i = 0; i < sha256.length; i += STAT_LIMIT) {
        const page = sha256.slice(i, i + STAT_LIMIT);
        missing.push(...(await unary(artifacts.statArtifacts.bind(artifacts), { sha256: page })).missing);
      }
      return missing;
    },
    async *download(sha256) {
      for await (const answer of read(artifacts.download({ sha256 }), address, signal)) yield answer.chunk;
    },
    async downloadLink(sha256, validS) {
      return (await unary(artifacts.createDownloadLink.bind(artifacts), { sha256, validS })).url;
    },
    async upload(sha256, sizeBytes, chunks) {
      if (signal.aborted) throw interrupted(signal);
      let call: ClientWritableStream<UploadRequest> | undefined;
      const cancel = () => call?.cancel();
      const stored = new Promise<UploadResponse>((resolve, reject) => {
        call = artifacts.upload((error, answer) => (error ? reject(error) : resolve(answer)));
      });
      // The server may refuse while we still write: its answer is then the error, not the broken pipe.
      const settled = stored.then(
        () => true,
        () => true,
      );
      signal.addEventListener("abort", cancel, { once: true });
      try {
        if (call) await send(call, sha256, sizeBytes, chunks, settled);
        await stored;
      } catch (error) {
        call?.cancel();
        throw isServiceError(error) ? translate(error, address, signal) : error;
      } finally {
        signal.removeEventListener("abort", cancel);
      }
    },
    close: () => campaigns.close(),
  };
}

type Unary<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, answer: A) => void,
) => ClientUnaryCall;

/** Reads a server stream; leaving the loop early cancels the call. `leave` ends it without an error. */
async function* read<T>(
  call: ClientReadableStream<T>,
  address: string,
  signal: AbortSignal,
  leave?: AbortSignal,
): AsyncIterable<T> {
  const cancel = () => call.cancel();
  for (const s of [signal, leave]) {
    if (s?.aborted) cancel();
    s?.addEventListener("abort", cancel, { once: true });
  }
  try {
    for await (const message of call) yield message as T;
  } catch (error) {
    if (leave?.aborted && !signal.aborted) return;
    throw translate(error, address, signal);
  } finally {
    signal.removeEventListener("abort", cancel);
    leave?.removeEventListener("abort", cancel);
    call.on("error", () => {});
    call.cancel();
  }
}

async function send(
  call: ClientWritableStream<UploadRequest>,
  sha256: string,
  sizeBytes: number,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  settled: Promise<boolean>,
): Promise<void> {
  const write = async (request: UploadRequest): Promise<boolean> => {
    if (call.write(request)) return false;
    let onDrain = () => {};
    const drained = new Promise<boolean>((resolve) => {
      onDrain = () => resolve(false);
      call.once("drain", onDrain);
    });
    const over = await Promise.race([drained, settled]);
    call.removeListener("drain", onDrain);
    return over;
  };
  if (await write({ part: { $case: "head", value: { sha256, sizeBytes } } })) return;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
      if (await write({ part: { $case: "chunk", value: buffer(chunk.subarray(at, at + CHUNK_BYTES)) } }))
        return;
    }
  }
  call.end();
}

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** What went wrong, in words that name the address when nobody answered there. */
function translate(error: unknown, address: string, signal: AbortSignal): Error {
  if (signal.aborted) return interrupted(signal);
  const translated = fromServiceError(error, address);
  if (!isServiceError(error)) return translated;
  if (error.code === status.UNAVAILABLE && translated.hint === undefined) {
    return new SaiError("unavailable", `no answer from a coordinator at ${address}`, {
      cause: new Error(error.details.replace(/\s*Resolution note:\s*$/, "")),
      hint: "is a coordinator running? `sai dev` starts one; --address or SAI_ADDRESS names another",
    });
  }
  if (error.code === status.CANCELLED) {
    // We did not leave, so the server cut the connection while it stopped.
    return new SaiError("unavailable", `the coordinator at ${address} ended the call`, {
      hint: "it may have stopped; ask again in a moment",
    });
  }
  if (error.code === status.DEADLINE_EXCEEDED) {
    return new SaiError("deadline_exceeded", `the coordinator at ${address} did not answer in time`, {
      hint: "--timeout allows more",
      cause: new Error(error.details),
    });
  }
  return translated;
}

const interrupted = (signal: AbortSignal): Error =>
  signal.reason instanceof Error ? signal.reason : new SaiError("cancelled", "interrupted");

function present<T>(value: T | undefined, call: string): T {
  if (value === undefined) throw new SaiError("internal", `${call}: the coordinator sent an empty answer`);
  return value;
}
