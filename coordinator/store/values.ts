/** What the state store's keys hold. Small on purpose: whatever grows with samples is an artifact. */
import type { Json } from "../../shared/benchmark/json.js";
import type { AgentKind, Cordon } from "../../shared/domain/agent.js";
import type { CampaignState } from "../../shared/domain/campaign.js";
import type { JobState } from "../../shared/domain/job.js";
import type { FailureClass } from "../../shared/domain/retry.js";

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
  address: string;
}

export interface CampaignValue {
  id: string;
  name: string;
  description: string;
  priority: number;
  /** Wall ms since 1970. */
  createdMs: number;
  suiteSha256: string;
  /** The request as submitted, without what is an artifact. */
  request: Json;
  state: CampaignState;
  warnings: string[];
}

export interface JobValue {
  campaign: string;
  id: string;
  state: JobState;
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
      /** The records file itself, base64, at most 1 KiB before encoding. */
      inline?: string;
    }
  /** Attempts exhausted: the samples count with this status; `cause` is the last failure's class for tables. */
  | { kind: "failed"; status: "engine_error" | "oom" | "poison"; cause: string; reason: string }
  | { kind: "split"; children: number };

/** A counted failure of one attempt. */
export interface FailValue {
  agent: string;
  class: FailureClass;
  message: string;
}

/** What an idempotency key stands for; lives 7 days. */
export interface IdemValue {
  /** SHA-256 of the request, hex. */
  requestSha256: string;
  campaign: string;
  /** Wall ms since 1970. */
  createdMs: number;
}

/** A node's last transition; liveness itself is the leader's memory. */
export interface AgentValue {
  id: string;
  kind: AgentKind;
  reason: string;
  cordon: Cordon;
  incarnation: bigint;
  inventoryHash: string;
  /** Wall ms since 1970 of the transition. */
  sinceMs: number;
}

/** An inventory, by its hash; the message as JSON. */
export interface InventoryValue {
  inventory: Json;
}
