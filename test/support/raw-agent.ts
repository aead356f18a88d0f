/** An agent's stream spoken by hand: what broken and malicious agents send, and what a coordinator answers. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import {
  AgentMessage,
  AgentServiceClient,
  type CoordinatorMessage,
} from "../../shared/gen/sai/agent/v1/session.js";
import { fromServiceError } from "../../shared/rpc/status.js";
import type { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { TestFleet } from "./fleet.js";
import { until } from "./until.js";

type Body = NonNullable<AgentMessage["body"]>;
type Answer = NonNullable<CoordinatorMessage["body"]>;
type ValueOf<K extends Answer["$case"]> = Extract<Answer, { $case: K }>["value"];

export class RawAgent {
  readonly seen: Answer[] = [];
  error: SaiError | undefined;
  ended = false;
  private readonly client: AgentServiceClient;
  readonly stream: ClientDuplexStream<AgentMessage, CoordinatorMessage>;

  constructor(
    readonly fleet: TestFleet,
    readonly id: string,
    readonly incarnation = 1n,
    address = fleet.coordinator.agentAddress,
  ) {
    this.client = new AgentServiceClient(address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    this.stream = this.client.session();
    this.stream.on("error", (error) => {
      this.error = fromServiceError(error, "session");
      this.ended = true;
    });
    this.stream.on("end", () => {
      this.ended = true;
    });
    this.stream.on("data", ({ body }: CoordinatorMessage) => body && this.seen.push(body));
  }

  send(body: Body): void {
    this.stream.write(
      AgentMessage.fromPartial({ agentId: this.id, incarnation: this.incarnation, epoch: 0n, body }),
    );
  }

  /** The first answer of a kind, waited for. */
  async answer<K extends Answer["$case"]>(kind: K, from = 0): Promise<ValueOf<K>> {
    const find = () => this.seen.slice(from).find((body) => body.$case === kind);
    const found: { value: unknown } = await until(`${this.id} gets ${kind}`, find);
    return found.value as ValueOf<K>;
  }

  /** The error the stream ends with. */
  refused(): Promise<SaiError> {
    return until(`${this.id} is refused`, () => this.error);
  }

  /** Hello, probe, inventory with the simulated engine, and ready. */
  async join(more: object = {}): Promise<void> {
    const key = `probe/${this.id}/p${this.incarnation}`;
    const path = join(this.fleet.folder, "artifacts", key);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, this.id);
    const probe = { key, sha256: sha256(this.id) };
    const hello = {
      protocol: 1,
      newest: 2,
      version: "raw",
      inventoryHash: this.id,
      held: [],
      begun: [],
      more: false,
      notOffering: "",
      probe,
    };
    this.send({ $case: "hello", value: { ...hello, ...more } });
    await this.answer("welcome");
    const device = { uuid: "cpu", kind: "cpu", name: "cpu", slots: 1, memoryBytes: 0, used: 0 };
    const engine = { kind: "simulated", version: "1", models: [], unavailable: "" };
    const inventory = {
      ...{ hostname: this.id, os: "", cpuModel: "", cpuCores: 1, memoryBytes: 0 },
      ...{ devices: [device], engines: [engine], gpus: [], gpuLook: "", gpuFault: undefined },
    };
    this.send({ $case: "inventory", value: { hash: this.id, inventory, part: 0, more: false } });
    await this.answer("ready");
  }

  /** Takes one attempt, which a campaign must offer. */
  async take() {
    const from = this.seen.length;
    this.offered += 1n;
    this.send({ $case: "credit", value: { lane: "cpu", total: this.offered } });
    const { assignments } = await this.answer("assign", from);
    const [assignment] = assignments;
    if (!assignment?.fence || !assignment.shard) throw new Error("an assignment lacks its fence or shard");
    const { fence, shard } = assignment;
    return { ...assignment, fence, shard };
  }
  private offered = 0n;

  /** The verdict on a result. */
  async verdict(result: object): Promise<string> {
    const from = this.seen.length;
    const message = AgentMessage.fromPartial({ body: { $case: "results", value: { results: [result] } } });
    this.send(message.body as Body);
    const { verdicts } = await this.answer("commitAck", from);
    return verdicts[0]?.verdict ?? "";
  }

  close(): void {
    this.stream.cancel();
    this.client.close();
  }
}
