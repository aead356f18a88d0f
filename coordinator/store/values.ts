/** What the state store's keys hold. Small on purpose: whatever grows with samples is an artifact. */
import type { Budget, Spent } from "../../shared/benchmark/budget.js";
import type { Json } from "../../shared/benchmark/json.js";
import type { AgentKind, Cordon } from "../../shared/domain/agent.js";
import type { CampaignState, Tally } from "../../shared/domain/campaign.js";
import type { JobState } from "../../shared/domain/job.js";
import type { FailureClass } from "../../shared/domain/retry.js";
import type { GivenUpStatus } from "../../shared/domain/shard.js";
import type { ChildShard } from "../../shared/domain/sharding.js";

/** Written with the store's first revision; epochs are compared only within one cluster. */
export interface ClusterValue {
  /** A UUID. */
  id: string;
  /** Wall ms since 1970. */
  createdMs: number;
}

/** Who leads, and where agents and clients find it. */
export interface LeaderValue {
  replica: string;
  /** Tells our own acquisition from another's after an unknown outcome. */
  nonce: string;
  /** host:port of its sai.v1, as others reach it. */
  address: string;
  /** host:port that agents dial, as they reach it. */
  agentAddress?: string;
}

export interface CampaignValue {
  id: string;
  name: string;
  description: string;
  priority: number;
  /** Whose it is; absent for the default tenant. */
  tenant?: string;
  /** Wall ms since 1970. */
  createdMs: number;
  suiteSha256: string;
  /** The request as submitted, without what is an artifact. */
  request: Json;
  state: CampaignState;
  warnings: string[];
  /** The campaign whose unanswered samples it runs again. */
  retryOf?: string;
  /** Of a retry that was given one; without it that of the plan holds. */
  budget?: Budget;
  /** How long it has run in all and, while it does, since when, wall ms; from its first shard's begin, with a budget of time. */
  wall?: { ranMs: number; sinceMs?: number };
  /** What ends it before its time, from when that is decided. */
  stopped?: { by: "budget"; reason: string };
  /** What it took; there once it has ended. */
  spent?: Spent;
  /** How it came out; there once it has ended. */
  tally?: Tally;
  /** Wall ms since 1970 when its work was over; there once it has ended. */
  endedMs?: number;
  /** Whether any of its models was simulated; there once it has ended. */
  simulated?: boolean;
}

/** A job from its sealing on; before that its plan and gate say all there is. */
export interface JobValue {
  campaign: string;
  id: string;
  state: JobState;
  /** Of the manifest that has its done records, hex; from then on those may be deleted. */
  manifestSha256?: string;
}

/** A job's open door; its create revision is what done, fail and split records compare. */
export interface GateValue {
  /** Fence epoch under which it was opened, for people. */
  epoch: bigint;
}

/** The attempt whose records are the shard's result, or the shard's split. At most 200 bytes beside `inline`. */
export type DoneValue =
  | {
      kind: "result";
      /** `<epoch>.<n>`. */
      fence: string;
      agent: string;
      /** Key of the records file below the artifact store's root; empty if inline. */
      uri: string;
      sha256: string;
      sizeBytes: number;
      /** Records by status. */
      counts: { [status: string]: number };
      /** The records file itself, at most 1 KiB. */
      inline?: Uint8Array;
      /** What its attempt took, as the agent counted it; absent for nothing. */
      spent?: Spent;
    }
  /** Attempts exhausted: the samples count with this status; `cause` is the last failure's class for tables. */
  | { kind: "failed"; status: GivenUpStatus; cause: string; reason: string }
  /** Its samples are those of its children, which are shards numbered on from the job's last one. */
  | { kind: "split"; children: ChildShard[] };

/** A failure of one attempt. */
export interface FailValue {
  agent: string;
  class: FailureClass;
  message: string;
  /** Samples in flight when a process died under this attempt; all deaths of the attempt. */
  deaths?: Death[];
  /** What it took. */
  spent?: Spent;
  /** The attempt went on after its agent's death, or was over already: evidence, not a failed attempt. */
  wentOn?: boolean;
}

/** One reported death with a sample in flight. */
export interface Death {
  /** Of the sample in its job. */
  ordinal: number;
  /** Names the death, so that a report sent twice counts once: `<agent>#<incarnation>`, or the attempt's fence. */
  by: string;
}

/** What an idempotency key stands for; lives 7 days. */
export interface IdemValue {
  /** SHA-256 of the request, hex. */
  requestSha256: string;
  campaign: string;
  /** Wall ms since 1970. */
  createdMs: number;
}

/** A GPU as a node was registered with it. */
export interface RegisteredGpu {
  uuid: string;
  name: string;
  memoryBytes: number;
}

/** A node's last transition; liveness itself is the leader's memory. */
export interface AgentValue {
  id: string;
  kind: AgentKind;
  reason: string;
  cordon: Cordon;
  /** What people say of it. */
  labels: { readonly [key: string]: string };
  version: string;
  incarnation: bigint;
  inventoryHash: string;
  /** GPUs it is registered with: those that were seen last. Absent without any, and from versions that did not keep them. */
  gpus?: readonly RegisteredGpu[];
  /** Wall ms since 1970 of the transition. */
  sinceMs: number;
}

/** A node that failures cling to; there until it has done well again, or people say so. */
export interface QuarantineValue {
  node: string;
  /** How many times in a row. */
  level: number;
  reason: string;
  forMs: number;
  /** Wall ms since 1970 until which it takes no new work; past once it is tried again. */
  untilMs: number;
}

/** A name for a campaign that others are compared with. */
export interface BaselineValue {
  name: string;
  campaign: string;
  /** Wall ms since 1970. */
  setMs: number;
}

/** An inventory, by its hash; the message as JSON. */
export interface InventoryValue {
  inventory: Json;
}
