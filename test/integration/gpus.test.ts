/** What GPUs the fleet has, from nvidia-smi on a node to what people see; what cannot be seen is said, never left out. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Gpu } from "../../shared/gen/sai/v1/gpu.js";
import type { Config } from "../../shared/runtime/config.js";
import { oldEyes } from "../skew/old-eyes.js";
import { ask } from "../support/api.js";
import { cliOf } from "../support/cli.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import type { StandInGpu } from "../support/stand-in-gpus/machine.js";
import { type StandIn, standInGpus } from "../support/stand-in-gpus/stand-in.js";
import { until } from "../support/until.js";

const GPUS: StandInGpu[] = [
  { uuid: "GPU-a", usedMib: 1024, utilisation: 37, processes: [{ pid: 7, name: "python", usedMib: 900 }] },
  {
    uuid: "GPU-b",
    mig: [
      { uuid: "MIG-1", profile: "3g.40gb", memoryMib: 40_192, instance: 1 },
      { uuid: "MIG-2", profile: "1g.10gb", memoryMib: 9_856, instance: 7 },
    ],
  },
];
const LOST = {
  code: 9,
  say: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
};

let fleet: TestFleet;
let standIn: StandIn;
let sai: ReturnType<typeof cliOf>;
const seeing = (path: () => string) => (config: Config) => {
  config.agent.nvidiaSmi = path();
  config.agent.gpuLookIntervalMs = 40;
  config.agent.gpuSampleIntervalMs = 20;
};
beforeAll(async () => {
  standIn = await standInGpus(GPUS);
  fleet = await startFleet({
    config: (config) => {
      config.coordinator.heartbeatIntervalMs = 40;
      config.store.kind = "embedded";
    },
  });
  sai = cliOf(fleet);
  await fleet.agent(
    "n1",
    seeing(() => standIn.path),
  );
});
afterAll(async () => {
  await fleet?.stop();
  await standIn?.remove();
});

const list = async (node = ""): Promise<Gpu[]> => {
  const { gpus } = fleet.api;
  return (await ask(gpus.listGpus.bind(gpus), { node, pageSize: 0, pageToken: "" })).gpus;
};
/** Waits until the node has one entry, of this fault. */
const listed = async (
  node: string,
  entry: { fault: { kind: string }; node: string; description?: undefined },
) => {
  const one = await until(`${node} is listed`, async () => {
    const gpus = await list(node);
    return gpus[0]?.fault?.kind === entry.fault.kind && gpus;
  });
  expect(one).toMatchObject([entry]);
};
const uuids = (gpus: readonly Gpu[]) => gpus.map(({ description }) => description?.uuid);
const sampled = () =>
  until("both are sampled", async () => {
    const gpus = await list("n1");
    return gpus.length === 2 && gpus.every(({ state, fault }) => state && !fault) ? gpus : undefined;
  });

test("GPUs and slices are seen in the API, in the list, one by one, and with their node", async () => {
  const [a, b] = await sampled();
  expect(a).toMatchObject({
    description: {
      ...{ index: 0, uuid: "GPU-a", driver: "590.48.01", cuda: "13.1", computeCapability: "9.0" },
      ...{ memoryBytes: 81_559 * 1024 ** 2, migEnabled: false, architecture: "Hopper" },
    },
    state: { utilizationPercent: 37, memoryUsedBytes: 1024 ** 3, powerW: 70, processes: 1, problems: [] },
  });
  expect(b).toMatchObject({
    description: {
      ...{ index: 1, uuid: "GPU-b", migEnabled: true },
      migSlices: [
        ...[{ uuid: "MIG-1", profile: "3g.40gb", memoryBytes: 40_192 * 1024 ** 2, gpuInstance: 1 }],
        ...[{ uuid: "MIG-2", profile: "1g.10gb", gpuInstance: 7, computeInstance: 0 }],
      ],
    },
  });
  // Under MIG the driver does not tell: that is not 0 %.
  expect(b?.state?.utilizationPercent).toBeUndefined();

  const { out } = await sai("gpu", "list");
  expect(out).toMatch(
    /^n1 +0 +NVIDIA H100 80GB HBM3 +1.00 GiB \/ 79.6 GiB +37 % +41 °C +70 W +dirty +\S+ s$/m,
  );
  expect(out).toMatch(/^n1 +1 +NVIDIA H100 80GB HBM3 \(MIG: 2\) +4.00 MiB \/ 79.6 GiB +- /m);
  const json = JSON.parse((await sai("gpu", "list", "-o", "json")).out);
  expect(json).toMatchObject([{ node: "n1", description: { uuid: "GPU-a" } }, { state: { uuid: "GPU-b" } }]);
  for (const name of ["n1/1", "GPU-b", "MIG-2"])
    expect((await sai("gpu", "get", name)).out).toMatch(
      /^gpu +n1\/1\n[\s\S]*^7\/0 +1g.10gb +9.63 GiB +MIG-2$/m,
    );
  const node = (await sai("node", "get", "n1")).out;
  expect(node).toMatch(/^gpus +2$/m);
  expect(node).toMatch(/^ *0 +NVIDIA H100 80GB HBM3 +1.00 GiB/m);
  const metrics = await (await fetch(`http://${fleet.coordinator.httpAddress}/metrics`)).text();
  expect(metrics).toMatch(/^gpu_memory_used_percent\{node="n1",gpu="GPU-a"\} 1\.255/m);
  expect(metrics).toContain('gpu_utilization_percent{node="n1",gpu="GPU-a"} 37\n');
  expect(metrics).toContain('sai_gpu_power_watts{node="n1",gpu="GPU-b"} 70\n');
  // Under MIG nobody knows: that is no sample.
  expect(metrics).not.toContain('gpu_utilization_percent{node="n1",gpu="GPU-b"}');
});

test("nvidia-smi begins to fail: what was seen last stays, with its age and the fault; then it is fresh again", async () => {
  await sampled();
  await standIn.trouble(LOST);
  // Asked all the while: never is there one GPU less.
  const failing = async (enough: (gpus: Gpu[]) => boolean) =>
    until("it is said", async () => {
      const gpus = await list("n1");
      expect(uuids(gpus)).toEqual(["GPU-a", "GPU-b"]);
      return enough(gpus) ? gpus : undefined;
    });
  const [first] = await failing(([a]) => a?.fault?.kind === "driver_absent" && (a.faultAgeMs ?? 0) > 0);
  expect(first?.fault).toMatchObject({ kind: "driver_absent", message: LOST.say });
  expect(first?.fault?.hint).toContain("modprobe nvidia");
  const [later] = await failing(([a]) => (a?.lookAgeMs ?? 0) > (first?.lookAgeMs ?? 0) + 200);
  expect(later?.sampleAgeMs).toBeGreaterThan(first?.sampleAgeMs ?? 0);
  expect(later).toMatchObject({ description: first?.description, state: first?.state });
  expect((await sai("gpu", "list")).out.match(/ stale: driver_absent /g)).toHaveLength(2);
  expect((await sai("gpu", "get", "n1/0")).out).toMatch(
    /^fault +driver_absent \(since \S+ s\): NVIDIA-SMI has failed/m,
  );
  const node = (await sai("node", "get", "n1")).out;
  expect(node).toMatch(/^gpus +2 \S+ s ago; now not seen: driver_absent \(since \S+ s\): .*modprobe nvidia/m);
  expect(node).toMatch(/^ *0 +NVIDIA H100.* stale: driver_absent /m);

  // Another coordinator knows it from the store, before and after the node is back.
  await fleet.replaceCoordinator();
  await failing(([a]) => a?.fault?.kind === "driver_absent" && a.lookAgeMs !== undefined);

  await standIn.gpus([{ ...GPUS[0], uuid: "GPU-a", usedMib: 2048 }, GPUS[1] as StandInGpu]);
  await standIn.trouble({});
  const fresh = (a: Gpu | undefined) =>
    !a?.fault &&
    a?.state?.memoryUsedBytes === 2 * 1024 ** 3 &&
    (a.lookAgeMs ?? 1e9) < (later?.lookAgeMs ?? 0);
  const [again] = await failing(([a]) => fresh(a));
  expect(again?.faultAgeMs).toBeUndefined();
  const faults = fleet.logs.filter(({ msg }) => /GPUs can(not)? be seen/.test(msg)).map(({ level }) => level);
  expect(faults).toEqual(["warn", "info"]);
  await standIn.gpus(GPUS);
});

test.each([
  ["garbage", { "-q": "\u0000\u0001 Attached GPUs\nGPU" }, "no line 'Attached GPUs'"],
  [
    "half of the slices",
    { "-L": "GPU 0: H (UUID: GPU-a)\nGPU 1: H (UUID: GPU-b)\n" },
    "2 MIG devices in nvidia-smi -q, 0 in",
  ],
])("%s names what is wrong and takes nothing away", async (_what, answers, words) => {
  await sampled();
  for (const [question, text] of Object.entries(answers)) await standIn.answer(question, text);
  const gpus = await until("it is said", async () => {
    const now = await list("n1");
    return now[0]?.fault?.kind === "garbled" ? now : undefined;
  });
  expect(uuids(gpus)).toEqual(["GPU-a", "GPU-b"]);
  expect(gpus[0]?.fault).toMatchObject({ kind: "garbled", message: expect.stringContaining(words) });
  await standIn.gpus(GPUS);
  await sampled();
});

test("a node that never saw its GPUs is in the list with the reason; one that does not look, too; one without a driver is not", async () => {
  const broken = await standInGpus([]);
  await broken.trouble(LOST);
  await fleet.agent(
    "n2",
    seeing(() => broken.path),
  );
  // Whatever this machine has: there is none in this one's PATH.
  const empty = { PATH: join(fleet.folder, "nowhere") };
  const byDefault = (config: Config) => {
    config.agent.nvidiaSmi = "nvidia-smi";
    config.agent.gpuLookIntervalMs = 40;
  };
  await fleet.agent("n3", byDefault, true, empty);
  await fleet.agent(
    "n4",
    // No folder: not even the attempt to start it gets far.
    seeing(() => "/etc/passwd/nvidia-smi"),
  );
  await fleet.agent("n7");
  await listed("n2", { node: "n2", description: undefined, fault: { kind: "driver_absent" } });
  await listed("n4", { node: "n4", fault: { kind: "missing" } });
  await until("n3 has looked", async () => (await fleet.api.node("n3")).inventory?.gpuLook === "none");
  expect(await list("n3")).toEqual([]);
  // Not to look is not to have none.
  await listed("n7", { node: "n7", description: undefined, fault: { kind: "off" } });
  expect((await sai("node", "get", "n7")).out).toMatch(/^gpus +not looked for: agent.nvidia_smi is off$/m);
  expect((await sai("gpu", "list")).out).toMatch(/^n2 +- +- +- +- +- +- +not known: driver_absent /m);
  expect((await sai("node", "get", "n2")).out).toMatch(/^gpus +not known: driver_absent/m);
  const none = await sai("gpu", "get", "n2/0");
  expect(none.err).toMatch(/^error: no GPU n2\/0; what n2 has is not known: driver_absent/);
  expect(none.code).toBe(1);
  for (const id of ["n2", "n3", "n4", "n7"]) await fleet.stopAgent(id);
  await broken.remove();
});

test("a driver that hangs holds up neither the agent's start nor its end", async () => {
  const hung = await standInGpus(GPUS);
  await hung.trouble({ delay: 30 });
  await fleet.agent(
    "n5",
    seeing(() => hung.path),
  );
  expect(await list("n5")).toMatchObject([{ node: "n5", fault: { kind: "pending" } }]);
  await fleet.stopAgent("n5");
  expect(fleet.logs.filter(({ node, msg }) => node === "n5" && /left behind/.test(msg))).toEqual([]);
  await hung.remove();
});

test("an agent that cannot start leaves nobody behind who looks", async () => {
  const hung = await standInGpus(GPUS);
  await hung.trouble({ delay: 30 });
  const file = join(fleet.folder, "no-folder");
  await writeFile(file, "");
  const start = fleet.agent("n8", (config) => {
    seeing(() => hung.path)(config);
    config.agent.dataDir = file;
  });
  await expect(start).rejects.toThrow();
  await until("nvidia-smi is ended", async () => !(await runs(hung.path)));
  await hung.remove();
});

/** Whether a process has this among its arguments. */
async function runs(path: string): Promise<boolean> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""));
  return (await Promise.all(lines)).some((line) => line.split("\0").includes(path));
}

test("between an agent of now and a coordinator of before they are lost, and known once that one is of now", async () => {
  const eyes = await oldEyes(fleet.coordinator.agentAddress);
  // Of its own: what another node has told is known by its hash.
  const own = await standInGpus([{ uuid: "GPU-c" }]);
  const one = seeing(() => own.path);
  await fleet.agent("n6", (config) => {
    one(config);
    config.agent.coordinatorAddress = eyes.address;
  });
  expect(await list("n6")).toMatchObject([
    { node: "n6", description: undefined, fault: { kind: "not_told" } },
  ]);
  expect((await sai("node", "get", "n6")).out).toMatch(
    /^gpus +not known: the agent's version does not tell$/m,
  );
  await fleet.stopAgent("n6");
  await eyes.close();
  await fleet.agent("n6", one);
  expect(uuids(await list("n6"))).toEqual(["GPU-c"]);
  await fleet.stopAgent("n6");
  await own.remove();
});

test("a GPU that is gone drains its node until somebody has looked at it", async () => {
  const own = await standInGpus([{ uuid: "GPU-d" }, { uuid: "GPU-e" }]);
  await fleet.agent(
    "n9",
    seeing(() => own.path),
  );
  await own.gpus([{ uuid: "GPU-e" }]);
  const reason =
    "its hardware is not what it was: 1 of 2 GPUs are gone: NVIDIA H100 80GB HBM3 GPU-d; `sai node uncordon n9` takes it as it is";
  await until("it is drained", async () => (await fleet.api.node("n9")).state === "draining");
  expect((await sai("node", "get", "n9")).out).toContain(reason);
  expect((await sai("node", "uncordon", "n9")).code).toBe(0);
  await until("it is ready", async () => (await fleet.api.node("n9")).state === "ready");
  await fleet.stopAgent("n9");
  await own.remove();
});
