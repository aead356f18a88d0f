/**
 * Every key of the state store, typed by what it holds. All lie under `/sai/v1/`; parts are ids without '/', so that a
 * prefix never catches a neighbour. Shard numbers are padded, so that listing them gives their order.
 */
import { type Fence, fenceText, parseFence } from "../../shared/domain/fence.js";
import { bytesBehind, type Codec, jsonCodec } from "./codec.js";
import { type KV, prefix } from "./store.js";
import type {
  AgentValue,
  BaselineValue,
  CampaignValue,
  ClusterValue,
  DoneValue,
  FailValue,
  GateValue,
  IdemValue,
  InventoryValue,
  JobValue,
  LeaderValue,
  QuarantineValue,
} from "./values.js";

/** One key and how its value is written. */
export interface Key<T> {
  readonly key: string;
  readonly codec: Codec<T>;
}

/** All keys below a folder, each with the same kind of value. */
export interface Folder<T> {
  readonly from: string;
  readonly to: string;
  readonly codec: Codec<T>;
}

const ROOT = "/sai/v1/";

/** A key part; RangeError for text that would change the key's structure. */
function part(text: string): string {
  if (!/^[\x21-\x2e\x30-\x7e]+$/.test(text)) {
    throw new RangeError(`${JSON.stringify(text)} cannot be part of a key`);
  }
  return text;
}

const SHARD_DIGITS = 8;
function shardPart(index: number): string {
  if (!Number.isSafeInteger(index) || index < 0 || index >= 10 ** SHARD_DIGITS) {
    throw new RangeError(`shard ${index} cannot be part of a key`);
  }
  return String(index).padStart(SHARD_DIGITS, "0");
}

const clusterCodec = jsonCodec<ClusterValue>(1);
const leaderCodec = jsonCodec<LeaderValue>(1);
const campaignCodec = jsonCodec<CampaignValue>(1);
const jobCodec = jsonCodec<JobValue>(1, ["state.gate"]);
const gateCodec = jsonCodec<GateValue>(1, ["epoch"]);
const doneCodec = bytesBehind(jsonCodec<DoneValue>(1), "inline");
const failCodec = jsonCodec<FailValue>(1);
const idemCodec = jsonCodec<IdemValue>(1);
const agentCodec = jsonCodec<AgentValue>(1, ["incarnation"]);
const quarantineCodec = jsonCodec<QuarantineValue>(1);
const baselineCodec = jsonCodec<BaselineValue>(1);
const inventoryCodec = jsonCodec<InventoryValue>(1);

const key = <T>(path: string, codec: Codec<T>): Key<T> => ({ key: ROOT + path, codec });
const folder = <T>(path: string, codec: Codec<T>): Folder<T> => ({ ...prefix(ROOT + path), codec });

export const keys = {
  cluster: key("cluster", clusterCodec),
  leader: key("leader", leaderCodec),
  campaign: (campaign: string) => key(`campaign/${part(campaign)}`, campaignCodec),
  campaigns: folder("campaign/", campaignCodec),
  job: (campaign: string, job: string) => key(`job/${part(campaign)}/${part(job)}`, jobCodec),
  jobs: folder("job/", jobCodec),
  jobsOf: (campaign: string) => folder(`job/${part(campaign)}/`, jobCodec),
  gate: (campaign: string, job: string) => key(`gate/${part(campaign)}/${part(job)}`, gateCodec),
  gates: folder("gate/", gateCodec),
  gatesOf: (campaign: string) => folder(`gate/${part(campaign)}/`, gateCodec),
  done: (campaign: string, job: string, shard: number) =>
    key(`done/${part(campaign)}/${part(job)}/${shardPart(shard)}`, doneCodec),
  doneOf: (campaign: string, job: string) => folder(`done/${part(campaign)}/${part(job)}/`, doneCodec),
  dones: folder("done/", doneCodec),
  doneOfCampaign: (campaign: string) => folder(`done/${part(campaign)}/`, doneCodec),
  fail: (campaign: string, job: string, shard: number, fence: Fence) =>
    key(`fail/${part(campaign)}/${part(job)}/${shardPart(shard)}/${fenceText(fence)}`, failCodec),
  failsOf: (campaign: string, job: string) => folder(`fail/${part(campaign)}/${part(job)}/`, failCodec),
  fails: folder("fail/", failCodec),
  failsOfCampaign: (campaign: string) => folder(`fail/${part(campaign)}/`, failCodec),
  /** By the hash of the caller's key, which may hold anything. */
  idem: (keySha256: string) => key(`idem/${part(keySha256)}`, idemCodec),
  idems: folder("idem/", idemCodec),
  agent: (id: string) => key(`agent/${part(id)}`, agentCodec),
  agents: folder("agent/", agentCodec),
  quarantine: (agent: string) => key(`quarantine/${part(agent)}`, quarantineCodec),
  quarantines: folder("quarantine/", quarantineCodec),
  baseline: (name: string) => key(`baseline/${part(name)}`, baselineCodec),
  baselines: folder("baseline/", baselineCodec),
  inventory: (hash: string) => key(`inventory/${part(hash)}`, inventoryCodec),
  inventories: folder("inventory/", inventoryCodec),
} as const;

/** The typed value of a found key; throws SaiError naming the key when it cannot be read. */
export const decode = <T>(codec: Codec<T>, kv: KV): T => codec.decode(kv.value, kv.key);

/** The shard a done or fail key is about; undefined for other keys. `fence` only for fail keys. */
export function parseShardKey(
  path: string,
): { campaign: string; job: string; shard: number; fence?: Fence } | undefined {
  const match = /^\/sai\/v1\/(?:done|fail)\/([^/]+)\/([^/]+)\/(\d{8})(?:\/([^/]+))?$/.exec(path);
  if (!match) return undefined;
  const fence = match[4] === undefined ? undefined : parseFence(match[4]);
  return {
    campaign: match[1] ?? "",
    job: match[2] ?? "",
    shard: Number(match[3]),
    ...(fence ? { fence } : {}),
  };
}
