/** The coordinator's place on the floor (floor.ts): gives shards out, writes what comes back, answers when it is on disk. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { open } from "lmdb";
import { arrivals } from "../support/arrivals.js";
import { answer } from "../support/asking.js";
import { measureUsage, type Usage } from "../support/usage.js";
import { FLOOR_SERVICE, KIND, message, read, SIZES, TOGETHER } from "./floor.js";

export interface FloorWindow {
  usage: Usage;
  shards: number;
  txns: number;
}

type Stream = ServerDuplexStream<Buffer, Buffer>;

const streams: Stream[] = [];
let waiting: { stream: Stream; first: number; shards: number }[] = [];
let writing = false;
let next = 0;
let done = 0;
let txns = 0;
let saturated = false;
let put: (first: number, shards: number) => Promise<unknown>;
let endWindow: (() => FloorWindow) | undefined;

const questions = {
  async start({ folder }: { folder: string }): Promise<{ address: string }> {
    const path = join(folder, "floor");
    mkdirSync(path, { recursive: true });
    const db = open<Buffer, Buffer>({
      ...{ path, noSubdir: false, encoding: "binary", keyEncoding: "binary", cache: false },
      overlappingSync: false,
    });
    const record = Buffer.alloc(SIZES.record, 7);
    const key = (shard: number) =>
      Buffer.from(`/sai/v1/done/c-0123456789abcdefghij/j0000/${shard}`.padEnd(60));
    put = (first, shards) => {
      let last: Promise<unknown> = Promise.resolve();
      for (let shard = first; shard < first + shards; shard++) last = db.put(key(shard), record);
      return last;
    };
    const server = new Server();
    server.addService(FLOOR_SERVICE, {
      stream(stream: Stream) {
        streams.push(stream);
        stream.on("data", (bytes: Buffer) => receive(stream, bytes));
        stream.on("error", () => {});
        stream.on("end", () => stream.end());
      },
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    return { address: `127.0.0.1:${port}` };
  },

  /** Gives each stream so many shards, and new ones for those that are done. */
  async saturate({ each }: { each: number }): Promise<void> {
    saturated = true;
    for (const stream of streams) for (let given = 0; given < each; given += TOGETHER) give(stream, TOGETHER);
  },

  async offer(o: {
    ratePerS: number;
    seconds: number;
    seed: number;
  }): Promise<{ from: number; atNs: number[] }> {
    saturated = false;
    const from = next;
    const atNs: number[] = [];
    let turn = 0;
    for await (const due of arrivals(o)) {
      atNs.push(...due);
      const stream = streams[turn++ % streams.length];
      if (stream) give(stream, due.length);
    }
    return { from, atNs };
  },

  async begin(_: object): Promise<void> {
    const [doneBefore, txnsBefore, usage] = [done, txns, measureUsage()];
    endWindow = () => ({ usage: usage(), shards: done - doneBefore, txns: txns - txnsBefore });
  },

  async end(_: object): Promise<FloorWindow> {
    if (endWindow === undefined) throw new Error("no window has begun");
    return endWindow();
  },
};
export type FloorServerQuestions = typeof questions;

function give(stream: Stream, shards: number): void {
  stream.write(message("assign", next, shards));
  next += shards;
}

function receive(stream: Stream, bytes: Buffer): void {
  const { kind, first, shards } = read(bytes);
  if (kind !== KIND.results) return;
  waiting.push({ stream, first, shards });
  if (!writing) void write();
}

async function write(): Promise<void> {
  writing = true;
  while (waiting.length > 0) {
    const batch = waiting;
    waiting = [];
    await Promise.all(batch.map(({ first, shards }) => put(first, shards)));
    txns += 1;
    for (const { stream, first, shards } of batch) {
      stream.write(message("ack", first, shards));
      done += shards;
      if (saturated) give(stream, shards);
    }
  }
  writing = false;
}

await answer(questions);
process.exit();
