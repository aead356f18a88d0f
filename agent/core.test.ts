/** What an agent leaves behind where others look. */
import { expect, test } from "vitest";
import type { ArtifactStore } from "../shared/artifacts/store.js";
import { AgentMessage } from "../shared/gen/sai/agent/v1/session.js";
import { systemClock } from "../shared/runtime/clock.js";
import { SaiError } from "../shared/runtime/errors.js";
import { silentLogger } from "../shared/runtime/logger.js";
import { systemRandom } from "../shared/runtime/random.js";
import { MemoryDisk } from "../test/support/memory-disk.js";
import { until } from "../test/support/until.js";
import { startAgentCore } from "./core.js";
import type { Link } from "./session/link.js";

test("of the probes that nobody has read the last is there, and it is the one that was told", async () => {
  const blobs = new Map<string, Uint8Array>();
  const artifacts: ArtifactStore = {
    location: "memory",
    put: async (key, data) => void blobs.set(key, data),
    get: async (key) => Buffer.from(blobs.get(key) ?? []),
    size: async (key) => blobs.get(key)?.byteLength,
    remove: async (key) => void blobs.delete(key),
  };
  const told: { key: string; blobs: string[] }[] = [];
  /** Hears Hello, and breaks. */
  const breaking = (): Link => {
    let heard = () => {};
    const hello = new Promise<void>((resolve) => {
      heard = resolve;
    });
    async function* messages() {
      await hello;
      yield* [];
      throw new SaiError("unavailable", "the stream broke");
    }
    return {
      send(message) {
        const { body } = AgentMessage.decode(AgentMessage.encode(message).finish());
        if (body?.$case === "hello")
          told.push({ key: body.value.probe?.key ?? "", blobs: [...blobs.keys()] });
        heard();
        return "sent";
      },
      drained: async () => {},
      messages: messages(),
      close: async () => {},
    };
  };
  const core = await startAgentCore({
    ...{ id: "n1", version: "1", disk: new MemoryDisk(), dir: "/a", artifacts, devices: [] },
    dial: async () => breaking(),
    work: { engines: new Map() },
    inventory: () => ({ hash: "", inventory: undefined }),
    loopLagMs: () => 0,
    ...{ clock: systemClock, random: systemRandom, log: silentLogger() },
    options: {
      coordinatorAddress: "nowhere:1",
      reconnect: { baseMs: 1, capMs: 2 },
      journalSync: { ms: 1000, records: 64 },
      ...{ maxLoadedModels: 1, spoolQuotaBytes: 1e9, drainTimeoutMs: 0 },
    },
  });
  await until("it has said Hello five times", () => told.length >= 5);
  await core.stop();
  for (const { key, blobs: there } of told) expect(there).toEqual([key]);
  expect(new Set(told.map(({ key }) => key)).size).toBe(told.length);
});
