import { expect, test } from "vitest";
import { captureIo, testContext } from "../cli.test-support.js";
import { Node } from "../client.js";
import { printNode } from "./node-text.js";

const node = Node.fromPartial({
  ...{ id: "gpu-1", state: "ready", version: "0.1.0", incarnation: 3, attempts: 2 },
  ...{ cordoned: true, cordonReason: "new driver", labels: { zone: "a", rack: "7" } },
  ...{ spoolResults: 12, spoolBytes: 4096, lastSeen: new Date("2026-01-31T12:00:00Z") },
});

async function shown(one: Node, output: "table" | "json"): Promise<string> {
  const { io, out } = captureIo();
  await printNode(testContext(io, { output }).context, one);
  return out();
}

test("a cordoned node says so, why, and what it still holds", async () => {
  expect((await shown(node, "table")).split("\n")).toEqual([
    "node       gpu-1",
    "state      ready, cordoned",
    "reason     new driver",
    "labels     rack=7,zone=a",
    "attempts   2",
    "spool      12 results, 4.00 KiB",
    "version    0.1.0",
    "starts     3",
    "last seen  2026-01-31 12:00:00Z",
    "",
  ]);
});

test("people's reason and the node's own stand side by side; JSON is the API's", async () => {
  const lost = { ...node, state: "lost", reason: "silent too long", labels: {}, spoolResults: 0 };
  const text = await shown(lost, "table");
  expect(text).toContain("reason     new driver; silent too long\n");
  expect(text).not.toMatch(/spool|labels/);
  expect(JSON.parse(await shown(node, "json"))).toMatchObject({
    cordoned: true,
    labels: { zone: "a", rack: "7" },
    spoolResults: 12,
  });
});

const description = { index: 0, uuid: "GPU-a", name: "H100", memoryBytes: 80 * 1024 ** 3 };
const withGpus = (inventory: object, gpuStates?: object) =>
  Node.fromPartial({ id: "gpu-1", state: "ready", inventory, ...(gpuStates && { gpuStates }) });
const fault = { kind: "hung", message: "no answer", hint: "see dmesg" };

test.each<[string, Node]>([
  ["none", withGpus({ gpuLook: "none" })],
  ["not looked for: agent.nvidia_smi is off", withGpus({ gpuLook: "off" })],
  ["not known: the agent's version does not tell", withGpus({})],
  ["not known: hung: no answer; see dmesg", withGpus({ gpuLook: "failed", gpuFault: fault })],
  [
    "1 5.0 s ago; now not seen: hung (since 2.0 s): no answer; see dmesg",
    withGpus(
      { gpus: [description], gpuLook: "failed", gpuFault: fault },
      { lookAgeMs: 5_000, faultAgeMs: 2_000 },
    ),
  ],
])("GPUs: %s", async (words, one) => {
  expect(await shown(one, "table")).toContain(`\ngpus       ${words}\n`);
});

test("its GPUs stand in a table of their own, as old as they are", async () => {
  const states = {
    gpus: [{ uuid: "GPU-a", memoryUsedBytes: 0, temperatureC: 41 }],
    sampleAgeMs: 90_000,
    staleAfterMs: 80_000,
  };
  const text = await shown(withGpus({ gpus: [description], gpuLook: "seen" }, states), "table");
  expect(text).toMatch(/^gpus +1$/m);
  expect(text).toMatch(/^ +0 +H100 +0 B \/ 80.0 GiB +- +41 °C +- +stale +1 min 30 s$/m);
});
