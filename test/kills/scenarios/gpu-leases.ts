/**
 * Eight stand-in GPUs on two agents, attempts that want one, gangs of two and four, parts and slices, and agents killed and
 * restarted at random, with strangers coming to GPUs. Each leased GPU has a real program on it, which outlives its killed
 * agent. What is checked is who really was on the GPUs (gpu-truth.ts), and the history of each agent's log (gpu-history.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { StandInGpu } from "../../support/stand-in-gpus/machine.js";
import { type StandIn, standInGpus } from "../../support/stand-in-gpus/stand-in.js";
import { type Campaign, submitModels, succeeded } from "../campaigns.js";
import { historyOf } from "../gpu-history.js";
import { GpuTruth } from "../gpu-truth.js";
import { between, type Random } from "../random.js";
import { type Scenario, SHORT_TIMERS } from "../scenario.js";
import { verify } from "../verify.js";
import { seen } from "../waiting.js";
import type { World } from "../world.js";

const gpu = (uuid: string): StandInGpu => ({ uuid });
const slice = (n: number, profile: string) => ({ uuid: `MIG-${n}`, profile, memoryMib: 9_856, instance: n });
const MACHINES: { [agent: string]: StandInGpu[] } = {
  g1: ["GPU-1", "GPU-2", "GPU-3", "GPU-4"].map(gpu),
  g2: [
    ...["GPU-5", "GPU-6", "GPU-7"].map(gpu),
    { uuid: "GPU-8", mig: [slice(1, "1g.10gb"), slice(2, "1g.10gb"), slice(3, "3g.40gb")] },
  ],
};
const AGENTS = Object.keys(MACHINES);
const WISHES = [
  {},
  { gpus: 2 },
  { gpus: 4 },
  { gpu_memory: "20GiB" },
  { gpu_memory: "30GiB" },
  { mig: "1g.10gb" },
];
/** Of each job: 204 attempts in all. */
const SAMPLES = 34;
const SETTINGS = {
  ...SHORT_TIMERS,
  SAI_AGENT_GPU_LOOK_INTERVAL_MS: "1000",
  SAI_RESOURCE_MANAGER_CLEANUP_INTERVAL: "2",
};

export const gpuLeases: Scenario = {
  name: "leases of GPUs, agents −9",
  holds: "no GPU is over-granted, no lease leaks, strangers are found",
  repetitions: 1,
  world: () => ({ agents: AGENTS, slots: 1, settings: { ...SETTINGS, SAI_AGENT_NVIDIA_SMI: "off" } }),
  async run(world, n, random) {
    const standIns = new Map<string, StandIn>();
    for (const id of AGENTS) standIns.set(id, await standInGpus(MACHINES[id] ?? []));
    const truth = new GpuTruth(
      AGENTS.map((id) => ({ standIn: standIns.get(id) as StandIn, gpus: MACHINES[id] ?? [] })),
    );
    truth.start();
    const start = (id: string) =>
      world.startAgent(id, {
        SAI_AGENT_NVIDIA_SMI: standIns.get(id)?.path ?? "",
        SAI_AGENT_GPU_LOCK_DIR: join(world.folder, "gpu-locks"),
      });
    try {
      for (const id of AGENTS) {
        await world.terminate(id);
        start(id);
      }
      await world.ready();
      const options = WISHES.map((wish, i) => ({
        ...wish,
        device: "gpu",
        program: true,
        latency_ms: 100,
        seed: i,
      }));
      const campaign = await submitModels(world, `gpu-leases-${n}`, options, SAMPLES);
      const { kills, strangers } = await disturbed(world, campaign, truth, random, start);
      await succeeded(world, campaign);
      const { samples } = await verify(world, campaign);
      await nothingLeft(world, truth);
      const sums = AGENTS.map((id) => ({ id, ...historyOf(world.log(id)) }));
      const wrong = [...truth.wrong, ...sums.flatMap((one) => one.wrong.map((text) => `${one.id}: ${text}`))];
      if (wrong.length > 0) throw new Error(wrong.slice(0, 5).join("; "));
      const unused = [...truthUuids()].filter((uuid) => !truth.leases.has(uuid));
      if (unused.length > 0) throw new Error(`nothing ever ran on ${unused}`);
      const sum = (of: "leased" | "freed" | "found" | "dirty") => sums.reduce((all, one) => all + one[of], 0);
      if (strangers > 0 && sum("dirty") === 0) throw new Error("no stranger was found");
      return `${samples} samples, ${kills} kills, ${sum("leased")} leases (${truth.mostAtOnce} at once), ${sum("found")} found after kills, ${strangers} strangers, dirty ${sum("dirty")} times`;
    } finally {
      await truth.stop();
      for (const standIn of standIns.values()) await standIn.remove();
    }
  },
};

/** All but what only nobody asks for. */
function* truthUuids(): Generator<string> {
  for (const gpus of Object.values(MACHINES))
    for (const { uuid, mig } of gpus) {
      if (!mig) yield uuid;
      for (const one of mig ?? []) if (one.profile === "1g.10gb") yield one.uuid;
    }
}

/** Kills and restarts agents, and has strangers come and go, until most samples are recorded. */
async function disturbed(
  world: World,
  campaign: Campaign,
  truth: GpuTruth,
  random: Random,
  start: (id: string) => void,
): Promise<{ kills: number; strangers: number }> {
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const recorded = () => world.journals.of(campaign.id).filter(({ kind }) => kind === "record").length;
  const most = 0.8 * campaign.jobs * campaign.samples;
  const wholes = Object.values(MACHINES).flatMap((gpus) => gpus.filter(({ mig }) => !mig));
  let kills = 0;
  let strangers = 0;
  let there: ChildProcess | undefined;
  try {
    while (recorded() < most && kills < 40) {
      await pause(between(random, 200, 900));
      there?.kill("SIGKILL");
      there = undefined;
      const victim = AGENTS[Math.floor(random() * AGENTS.length)] ?? "g1";
      if (random() < 0.5) {
        const free = wholes.filter(({ uuid }) => truth.now().every(({ uuids }) => !uuids.includes(uuid)));
        const { uuid } = (free.length > 0 ? free : wholes)[Math.floor(random() * 1)] ?? { uuid: "GPU-1" };
        there = spawn("sleep", ["1000"], {
          env: { ...process.env, CUDA_VISIBLE_DEVICES: uuid },
          stdio: "ignore",
        });
        strangers += 1;
        await found(world, there.pid ?? 0);
      }
      await world.kill(victim);
      kills += 1;
      await pause(between(random, 0, 500));
      start(victim);
    }
  } finally {
    if (there) {
      const gone = once(there, "exit");
      there.kill("SIGKILL");
      await gone;
    }
  }
  return { kills, strangers };
}

/** A stranger is found, unless he is on a GPU that is leased: what is there is its holder's until then. */
const found = (world: World, pid: number): Promise<unknown> =>
  seen({
    what: `stranger ${pid} is found`,
    ask: () =>
      AGENTS.some((id) =>
        world.log(id).some(({ msg, why }) => msg === "a GPU is dirty" && String(why).includes(`${pid}`)),
      ),
    fault: () => world.faults(),
    stallMs: 90_000,
  });

/** Nobody is on a GPU, no lease is on a disk, and everything is offered again. */
async function nothingLeft(world: World, truth: GpuTruth): Promise<void> {
  await seen({
    what: "everything is free again",
    ask: async () => {
      const files = AGENTS.flatMap((id) => readdirSync(join(world.agentFolder(id), "leases")));
      if (truth.now().length > 0 || files.some((name) => name.endsWith(".json"))) return false;
      if (AGENTS.some((id) => historyOf(world.log(id)).open > 0)) return false; // a line of the log comes after its deed
      const nodes = await world.api.listNodes();
      const slots = nodes.flatMap(({ inventory }) => inventory?.devices ?? []);
      const of = (kind: string) => slots.filter((d) => d.kind === kind).reduce((sum, d) => sum + d.slots, 0);
      return of("gpu") === 7 && of("mig:1g.10gb") === 2 && of("mig:3g.40gb") === 1;
    },
    fault: () => world.faults(),
    stallMs: 90_000,
  });
}
