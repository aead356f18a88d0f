/** Agents' sessions over a real board, fleet and state store, under a clock the test moves; their streams are the test's. */
import type { Fence } from "../../shared/domain/fence.js";
import { AgentMessage, type Hello } from "../../shared/gen/sai/agent/v1/session.js";
import type { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { ShardKey } from "../campaigns/board.js";
import { shardEvent } from "../campaigns/complete-attempt.js";
import type { AgentsPort, CampaignParts } from "../campaigns/parts.js";
import { type Term, World } from "../campaigns/world.test-support.js";
import { agentsPort } from "./agents-port.js";
import { Fleet, type NodeEntry } from "./fleet.js";
import { FleetAdmin } from "./fleet-admin.js";
import { FleetRecords } from "./fleet-records.js";
import { NodeHealth } from "./node-health.js";
import type { CoordinatorBody } from "./peer.js";
import { QUARANTINE_LIMITS } from "./quarantine-state.js";
import { AgentSession } from "./session.js";

type Body = NonNullable<AgentMessage["body"]>;
export type HeldHere = { fence: Fence; shard: ShardKey; state?: string; lane?: string };

export const CLUSTER = "c1";
export const INVENTORY = {
  ...{ hostname: "n1", os: "", cpuModel: "", cpuCores: 1, memoryBytes: 0 },
  ...{ devices: [], engines: [], gpus: [], gpuLook: "", gpuFault: undefined },
};
export const HASH = sha256("n1");

export class Sessions {
  /** While it is set the state store takes transactions and does not carry them out. */
  stalled: Promise<void> | undefined;
  readonly withdrawn: string[] = [];
  /** Nodes that were asked for what they have not begun. */
  readonly retracted: string[] = [];
  private constructor(
    readonly world: World,
    readonly term: Term,
    readonly records: FleetRecords,
    readonly fleet: Fleet,
    readonly campaigns: CampaignParts,
    readonly admin: FleetAdmin,
    readonly health: NodeHealth,
  ) {}

  static async open(world = new World()): Promise<Sessions> {
    let self: Sessions | undefined;
    const request = async () => self?.stalled;
    const term = await world.term({ hook: { request, reply: async () => {} } });
    const { clock } = world;
    const { events, log, store } = term.parts;
    const records = new FleetRecords(store, clock, log);
    const nothing = () => {};
    const fleet: Fleet = new Fleet({
      ...{ clock, log, records, events },
      timers: { suspectAfterMs: 30_000, lostAfterMs: 60_000 },
      listener: {
        ...{ lost: nothing, left: nothing, retract: nothing, wake: nothing, roomier: nothing },
        contradicts: (node) => self?.admin.contradicted(node),
      },
    });
    const health = new NodeHealth({
      ...{ clock, events, fleet, log, records, metrics: term.parts.metrics, limits: QUARANTINE_LIMITS },
      ...{ retract: (node) => void self?.retracted.push(node.id), wake: nothing },
    });
    const named: AgentsPort["named"] = (campaign, job, sample) => health.named(campaign, job, sample);
    const campaigns: CampaignParts = { ...term.parts, agents: agentsPort(fleet, named) };
    const withdraw = (node: NodeEntry, reason: string) => {
      self?.withdrawn.push(`${clock.nowMs()} ${node.id}`);
      for (const { shard, fence } of [...node.attempts.values()])
        shardEvent(campaigns, shard, { kind: "withdraw", fence, reason, notify: true });
    };
    const pardon = (node: NodeEntry) => health.pardon(node);
    const removed = (node: NodeEntry) => health.forget(node);
    const parts = { clock, events, log, fleet, records, withdraw, pardon, removed };
    const admin = new FleetAdmin({ ...parts, wake: nothing });
    self = new Sessions(world, term, records, fleet, campaigns, admin, health);
    return self;
  }

  /** A stream in `id`'s name on which nothing was said. */
  stream(id = "n1", more: { incarnation?: bigint; clusterId?: string } = {}) {
    const { world, term, fleet, campaigns, admin, health } = this;
    const { artifacts, log } = campaigns;
    const sent: CoordinatorBody[] = [];
    const closed: (SaiError | undefined)[] = [];
    const one = new AgentSession(
      {
        ...{ campaigns, board: term.board, fleet, artifacts, clock: world.clock, log, clusterId: CLUSTER },
        ...{ heartbeatIntervalMs: 10_000, lostAfterMs: 60_000, admit: () => 0 },
        health,
        reconciled: (node) => admin.startDrain(node),
      },
      { send: (body) => void sent.push(body), close: (error) => void closed.push(error) },
    );
    const { incarnation = 1n, clusterId = "" } = more;
    const say = (body: Body) =>
      one.receive(AgentMessage.fromPartial({ clusterId, agentId: id, incarnation, body }));
    const of = <K extends CoordinatorBody["$case"]>(kind: K) =>
      sent.flatMap((body) =>
        body.$case === kind ? [body.value as Extract<CoordinatorBody, { $case: K }>["value"]] : [],
      );
    const hello = (value: Partial<Hello> = {}) => {
      const usual = {
        protocol: 1,
        newest: 2,
        version: "1",
        inventoryHash: HASH,
        held: [],
        begun: [],
        more: false,
      };
      say({ $case: "hello", value: { ...usual, probe: undefined, notOffering: "", ...value } });
    };
    return { one, say, hello, sent, closed, of };
  }

  /** A stream whose Hello was answered; with `probe` it becomes ready once its inventory is known. */
  async welcome(id = "n1", held: HeldHere[] = [], more: { probe?: boolean } = {}) {
    const stream = this.stream(id);
    const key = `probe/${id}/x`;
    if (more.probe) this.world.blobs.set(key, Buffer.from("probe"));
    stream.hello({
      held: held.map(({ fence, shard, state = "running", lane = "cpu" }) => ({
        ...{ fence, state, lane },
        shard: { ...shard, first: 0, count: 1 },
      })),
      ...(more.probe ? { probe: { key, sha256: sha256("probe") } } : {}),
    });
    await this.world.until(`${id} is welcome`, () => stream.of("welcome").length > 0);
    return stream;
  }

  /** A node that may take work. */
  async ready(id = "n1", held: HeldHere[] = []) {
    const stream = await this.welcome(id, held, { probe: true });
    stream.say({ $case: "inventory", value: { hash: HASH, inventory: INVENTORY, part: 0, more: false } });
    await this.world.until(`${id} is ready`, () => stream.of("ready").length > 0);
    return stream;
  }

  node(id = "n1"): NodeEntry {
    const node = this.fleet.node(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  async close(): Promise<void> {
    this.admin.stop();
    await this.records.stop();
    await this.world.close();
  }
}
