/** The agents' place on the floor (floor.ts): answers every shard at once. */
import { credentials, makeClientConstructor } from "@grpc/grpc-js";
import { answer } from "../support/asking.js";
import { measureUsage, type Usage } from "../support/usage.js";
import { FLOOR_SERVICE, KIND, message, read } from "./floor.js";

const Client = makeClientConstructor(FLOOR_SERVICE, "Floor");
/** When shards came, ns of the machine's clock. */
const cameNs: number[] = [];
let endWindow: (() => Usage) | undefined;

const questions = {
  async start({ address, agents }: { address: string; agents: number }): Promise<void> {
    for (let i = 0; i < agents; i++) {
      const client = new Client(address, credentials.createInsecure(), {
        "grpc.use_local_subchannel_pool": 1,
      });
      const stream = client["stream"]?.() as import("@grpc/grpc-js").ClientDuplexStream<Buffer, Buffer>;
      stream.on("data", (bytes: Buffer) => {
        const { kind, first, shards } = read(bytes);
        if (kind !== KIND.assign) return;
        const nowNs = Number(process.hrtime.bigint());
        for (let shard = first; shard < first + shards; shard++) cameNs[shard] = nowNs;
        stream.write(message("started", first, shards));
        stream.write(message("results", first, shards));
      });
      stream.on("error", () => {});
      stream.write(message("started", 0, 0));
    }
  },

  async begin(_: object): Promise<void> {
    endWindow = measureUsage();
  },

  async end(_: object): Promise<{ usage: Usage }> {
    if (endWindow === undefined) throw new Error("no window has begun");
    return { usage: endWindow() };
  },

  async starts({ from, count }: { from: number; count: number }): Promise<(number | null)[]> {
    return Array.from({ length: count }, (_, i) => cameNs[from + i] ?? null);
  },
};
export type FloorClientQuestions = typeof questions;

await answer(questions);
process.exit();
