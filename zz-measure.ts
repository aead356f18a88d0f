import { attemptRunner } from "./agent/attempt/run-attempt.js";
import { Inputs } from "./agent/attempt/inputs.js";
import { LoadedModels } from "./agent/attempt/loaded-models.js";
import { RequestSlots } from "./agent/attempt/request-slots.js";
import { SampleGate } from "./agent/attempt/sample-gate.js";
import { createSimulatedEngine } from "./agent/engines/simulated.js";
import { putCas, type ArtifactStore } from "./shared/artifacts/store.js";
import { manifestBytes } from "./shared/datasets/manifest.js";
import { systemClock, type Clock } from "./shared/runtime/clock.js";
import { silentLogger } from "./shared/runtime/logger.js";
import { systemRandom } from "./shared/runtime/random.js";
import { jobSpec, modelSpec } from "./test/support/inference.js";

const blobs = new Map<string, Buffer>();
const artifacts: any = {
  location: "memory",
  put: async (k: string, d: Buffer) => void blobs.set(k, Buffer.from(d)),
  get: async (k: string) => blobs.get(k)!,
  size: async (k: string) => blobs.get(k)?.byteLength,
  remove: async (k: string) => void blobs.delete(k),
};
const disk: any = {
  mkdir: async () => {}, list: async () => [], read: async () => undefined, writeAtomic: async () => {}, rename: async () => {}, remove: async () => {},
  append: async () => ({ append: async () => {}, sync: async () => {}, close: async () => {} }),
};
let now = 0;
const clock: Clock = { ...systemClock, nowMs: () => now, nowNs: () => now * 1e6, after: () => () => {}, sleep: async (ms) => void (now += ms) };
const N = Number(process.argv[2] ?? 16);
const items = Array.from({ length: 160 }, (_, n) => ({ id: `q${n}`, input: `question ${n}`, target: `a${n}`, media: [] }));
const manifestSha256 = await putCas(artifacts, manifestBytes(items as any));
const job = jobSpec(modelSpec("simulated", "m", { latency_ms: 5 }), items.length, { dataset: { id: "d", manifestSha256, items: items.length }, shardSize: N });
const planSha256 = await putCas(artifacts, Buffer.from(JSON.stringify({ jobs: [job] })));
const log = silentLogger();
const run = attemptRunner({
  nodeId: "n1", inputs: new Inputs(artifacts), artifacts, log, clock, random: systemRandom, gate: new SampleGate(), intake: { trouble() {} },
  models: new LoadedModels(new Map([["simulated", createSimulatedEngine({ clock })]]) as any, 1, log), slots: new RequestSlots(),
  journals: { disk, dir: "/j", sync: { ms: 1000, records: 64 }, clock, origin: () => ({ cluster: "c", incarnation: 1n }) },
} as any);
async function go(shards: number) {
  const t = process.hrtime.bigint();
  for (let i = 0; i < shards; i++) {
    const first = (i * N) % 160;
    await run({ fence: { epoch: 1n, n: BigInt(i) }, shard: { campaign: "c", job: job.id, index: i, first, count: N }, gate: 1n, planSha256, lane: "cpu", deadlineMs: 1e6, attempt: 0, suspects: [] } as any,
      { uuid: "cpu", lane: "cpu", slots: 1 }, { started() {}, progressed() {}, released() {} } as any, new AbortController().signal, false);
  }
  return Number(process.hrtime.bigint() - t) / 1e3 / shards / N;
}
await go(300);
const cpu = process.cpuUsage();
const wall = await go(1500);
const used = process.cpuUsage(cpu);
console.log("us/sample wall", wall, "cpu", (used.user + used.system) / 1500 / N, "shard size", N);
