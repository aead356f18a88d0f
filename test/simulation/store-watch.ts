/**
 * What the state store holds, followed transaction by transaction, and what must never happen to it. Looked at from
 * outside: it knows keys and values, and nothing of the code that writes them.
 */

import { isEnded } from "../../coordinator/campaigns/board.js";
import { decode, keys, parseShardKey } from "../../coordinator/store/keys.js";
import type { MemoryCore } from "../../coordinator/store/memory-core.js";
import { type KV, prefix, rev, type StoreEvent, type WatchMsg } from "../../coordinator/store/store.js";
import type {
  CampaignValue,
  DoneValue,
  FailValue,
  JobValue,
  LeaderValue,
} from "../../coordinator/store/values.js";
import { isTerminal } from "../../shared/domain/campaign.js";
import type { Fence } from "../../shared/domain/fence.js";
import type { ShardRange } from "../../shared/domain/sharding.js";
import type { Fail } from "./violations.js";

interface Gate {
  open: boolean;
  /** Revision that deleted it. */
  closedRev: bigint;
  closedMs: number;
}

export class StoreWatch {
  /** Who carries out the transaction that is being watched. */
  writer = "";
  leader: LeaderValue | undefined;
  readonly campaigns = new Map<string, CampaignValue>();
  readonly jobs = new Map<string, JobValue>();
  readonly gates = new Map<string, Gate>();
  /** Every done record there ever was, by `campaign/job/index`. */
  readonly done = new Map<string, DoneValue>();
  /** Ranges of the children of split shards, by the same names. */
  readonly children = new Map<string, ShardRange>();
  readonly idems = new Map<string, string>();
  onFailure: (fence: Fence, value: FailValue) => void = () => {};
  onQuarantine: (event: StoreEvent) => void = () => {};
  onCampaign: (value: CampaignValue) => void = () => {};
  /** Counted failures. */
  failures = 0;

  constructor(
    core: MemoryCore,
    private readonly nowMs: () => number,
    private readonly fail: Fail,
    private readonly wrote: (kv: KV) => void,
    /** What a shard that is called poison lacks of evidence; undefined when there is enough. */
    private readonly unproven: (campaign: string, job: string, shard: number) => string | undefined,
  ) {
    core.subscribe([prefix("/sai/v1/")], rev(core.rev + 1n), (msg) => this.look(msg));
  }

  private look(msg: WatchMsg): void {
    for (const event of msg.events) {
      const { kv } = event;
      this.wrote(kv);
      const [, , , kind] = kv.key.split("/");
      if (kind === "leader") {
        this.leader = event.type === "put" ? decode(keys.leader.codec, kv) : undefined;
        continue;
      }
      if (kind !== "cluster" && this.leader?.replica !== this.writer) {
        this.fail(
          "only the leader writes",
          `${this.writer} wrote ${kv.key} while ${this.leader?.replica ?? "nobody"} leads`,
        );
      }
      switch (kind) {
        case "campaign":
          this.campaign(event);
          break;
        case "job":
          this.job(event);
          break;
        case "gate":
          this.gate(event, msg.rev);
          break;
        case "done":
          this.doneRecord(event, msg.rev);
          break;
        case "fail":
          if (event.type === "put") this.failure(kv, msg.rev);
          break;
        case "quarantine":
          this.onQuarantine(event);
          break;
        case "idem":
          this.idem(event);
      }
    }
  }

  private campaign({ type, kv }: StoreEvent): void {
    if (type === "delete") {
      this.fail("acknowledged campaign exists", `${kv.key} was deleted`);
      return;
    }
    const value = decode(keys.campaigns.codec, kv);
    const before = this.campaigns.get(value.id);
    if (before && isTerminal(before.state) && before.state.kind !== value.state.kind)
      this.fail("terminal states stay terminal", `${value.id}: ${before.state.kind} → ${value.state.kind}`);
    this.campaigns.set(value.id, value);
    this.onCampaign(value);
  }

  private job({ type, kv }: StoreEvent): void {
    if (type === "delete") return;
    const value = decode(keys.jobs.codec, kv);
    const name = `${value.campaign}/${value.id}`;
    const before = this.jobs.get(name);
    if (before && isEnded(before.state) && before.state.kind !== value.state.kind)
      this.fail("terminal states stay terminal", `${name}: ${before.state.kind} → ${value.state.kind}`);
    this.jobs.set(name, value);
  }

  private gate({ type, kv }: StoreEvent, at: bigint): void {
    const name = kv.key.split("/").slice(4).join("/");
    const before = this.gates.get(name);
    if (type === "delete") {
      if (before?.open) this.gates.set(name, { open: false, closedRev: at, closedMs: this.nowMs() });
      return;
    }
    const campaign = this.campaigns.get(name.split("/")[0] ?? "");
    if (before?.open === false && campaign && isTerminal(campaign.state))
      this.fail("no commit after the gate is gone", `the gate of ${name} was opened again`);
    this.gates.set(name, { open: true, closedRev: 0n, closedMs: 0 });
  }

  private doneRecord({ type, kv }: StoreEvent, at: bigint): void {
    const shard = parseShardKey(kv.key);
    if (type === "delete" || shard === undefined) return;
    const name = `${shard.campaign}/${shard.job}/${shard.shard}`;
    const value = decode(keys.doneOf("c", "j").codec, kv);
    const before = this.done.get(name);
    if (before?.kind === "split")
      this.fail("no late parent after a split", `${name} was split and is written again`);
    else if (before)
      this.fail("one done record per shard", `${name} is done by ${said(before)}, then by ${said(value)}`);
    this.behindGate(`${shard.campaign}/${shard.job}`, kv, at);
    this.done.set(name, value);
    if (value.kind === "split")
      for (const child of value.children)
        this.children.set(`${shard.campaign}/${shard.job}/${child.index}`, child);
    if (value.kind !== "failed" || value.status !== "poison") return;
    const problem = this.unproven(shard.campaign, shard.job, shard.shard);
    if (problem !== undefined) this.fail("poison has evidence", `${name}: ${problem}`);
  }

  private failure(kv: KV, at: bigint): void {
    const shard = parseShardKey(kv.key);
    if (shard === undefined) return;
    this.failures += 1;
    if (shard.fence) this.onFailure(shard.fence, decode(keys.fails.codec, kv));
    this.behindGate(`${shard.campaign}/${shard.job}`, kv, at);
  }

  private behindGate(name: string, kv: KV, at: bigint): void {
    const gate = this.gates.get(name);
    if (gate === undefined || (!gate.open && gate.closedRev < at))
      this.fail("no commit after the gate is gone", `${kv.key} was written, the gate is gone`);
  }

  private idem({ type, kv }: StoreEvent): void {
    if (type === "delete") return;
    const { campaign } = decode(keys.idems.codec, kv);
    const before = this.idems.get(kv.key);
    if (before !== undefined && before !== campaign)
      this.fail("one campaign per idempotency key", `one key stands for ${before} and ${campaign}`);
    this.idems.set(kv.key, campaign);
  }
}

const said = (done: DoneValue): string => (done.kind === "result" ? done.fence : done.kind);
