/**
 * What happens to a real etcd of three members while a campaign runs: members die, the quorum is lost, all start anew,
 * disks stall. Nothing that runs is given to others, what was acknowledged is there, and service is back soon after.
 */
import { type Campaign, recorded, submitSimulated } from "../../kills/campaigns.js";
import { between, type Random } from "../../kills/random.js";
import type { Scenario } from "../../kills/scenario.js";
import { pause, seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import type { EtcdMember } from "../../support/etcd.js";
import { stallDisks } from "../../support/strace.js";
import { checked } from "../check.js";

/** From the end of a fault until a new campaign is acknowledged and has run. */
const BACK_MS = 30_000;
const LOAD = { jobs: 2, samples: 200, shardSize: 5, latencyMs: 100, onDevices: true };
const PROBE = { jobs: 1, samples: 4, shardSize: 2, latencyMs: 1 };

interface Fault {
  name: string;
  repetitions: number;
  takesTurns?: boolean;
  long: number;
  /** How long it lasts, s; usual and in the long run. */
  seconds: number;
  /** Does it; the answer ends it. */
  begin(world: World, random: Random): Promise<() => Promise<unknown>>;
}

const membersOf = (world: World): readonly EtcdMember[] => world.etcd?.members ?? [];

/** All but one of three, another one each time. */
function twoOf(world: World, random: Random): EtcdMember[] {
  const members = [...membersOf(world)];
  members.splice(Math.floor(random() * members.length), 1);
  return members;
}

async function killed(members: readonly EtcdMember[]): Promise<() => Promise<unknown>> {
  await Promise.all(members.map((member) => member.kill()));
  return () => Promise.all(members.map((member) => member.restart()));
}

export function etcdFaults(world: () => WorldOptions, strace: string): Scenario[] {
  const quorum = (seconds: number, repetitions: number, long: number): Fault => ({
    ...{ name: `etcd without quorum ${seconds} s`, seconds, repetitions, long },
    begin: (w, random) => killed(twoOf(w, random)),
  });
  const stall = (seconds: number, repetitions: number, long: number): Fault => ({
    ...{ name: `etcd's disks stalled ${seconds} s`, seconds, repetitions, long },
    begin: async (w) => {
      const pids = membersOf(w).map(({ pid }) => pid);
      return (await stallDisks(strace, pids)).end;
    },
  });
  const faults: Fault[] = [
    {
      ...{ name: "etcd member −9", seconds: 3, repetitions: 0, takesTurns: true, long: 6 },
      begin: (w, random) => killed([membersOf(w)[Math.floor(random() * 3)] as EtcdMember]),
    },
    {
      ...{ name: "etcd restarted", seconds: 0, repetitions: 0, takesTurns: true, long: 3 },
      begin: (w) => killed(membersOf(w)),
    },
    quorum(6, 1, 1),
    quorum(120, 0, 2),
    stall(6, 1, 1),
    stall(60, 0, 2),
  ];
  return faults.map((fault) => scenarioOf(fault, world));
}

function scenarioOf({ begin, seconds, ...fault }: Fault, world: () => WorldOptions): Scenario {
  const backs: number[] = [];
  return {
    ...fault,
    holds: "no running shard is given away, nothing acknowledged is gone, service is back within 30 s",
    world,
    async run(world, n, random) {
      const name = `${fault.name}-${n}`.replace(/[^a-z0-9]+/g, "-");
      const campaign = await submitSimulated(world, name, LOAD);
      await recorded(world, campaign, between(random, 0.05, 0.4));
      const end = await begin(world, random);
      let probes: Campaign[] = [];
      let endedMs = 0;
      try {
        probes = await probed(world, name, seconds);
      } finally {
        endedMs = Date.now();
        await end();
      }
      const last = await seen({
        what: "a submit is acknowledged again",
        ask: () => submitSimulated(world, `${name}-back`, PROBE),
        fault: () => world.faults(),
      });
      const back = Date.now() - endedMs;
      backs.push(back);
      if (back > BACK_MS) throw new Error(`a submit was acknowledged only after ${back} ms`);
      const samples = await checked(world, [campaign, ...probes, last]);
      return `${probes.length} submits acknowledged meanwhile, back after ${back} ms, ${samples} samples`;
    },
    sum: () => `back after at most ${Math.max(...backs)} ms`,
  };
}

/** Submits as long as the fault lasts; the answer is those that were acknowledged. */
async function probed(world: World, name: string, seconds: number): Promise<Campaign[]> {
  const acknowledged: Campaign[] = [];
  const endMs = Date.now() + seconds * 1000;
  for (let i = 0; Date.now() < endMs; i++) {
    const submit = submitSimulated(world, `${name}-${i}`, PROBE).then(
      (campaign) => void acknowledged.push(campaign),
      () => undefined, // refused, or nobody knows: it is not acknowledged
    );
    await Promise.race([submit, pause(2_000)]);
    await pause(500);
  }
  return [...acknowledged];
}
