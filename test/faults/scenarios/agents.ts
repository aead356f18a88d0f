/** What happens to agents and around them: a torn journal, an artifact store that is away, clocks that jump. */
import { appendFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { recorded, submitSimulated } from "../../kills/campaigns.js";
import { between } from "../../kills/random.js";
import type { Scenario } from "../../kills/scenario.js";
import { pause, seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import { isEnded } from "../../support/api.js";
import { suiteOf } from "../../support/suites.js";
import { checked, checkHistory } from "../check.js";

const LOAD = { jobs: 2, samples: 150, shardSize: 5, latencyMs: 100, onDevices: true };
/** What a crash leaves of the last line. */
const TORN = '0a1b2c3d {"k":"record","record":{"ordinal":';

export const journalTorn = (world: () => WorldOptions): Scenario => ({
  ...{ name: "agent −9, journal torn", repetitions: 0, long: 10, world },
  holds: "it goes on with what it recorded, each sample is there once",
  async run(w, n, random) {
    const campaign = await submitSimulated(w, `torn-${n}`, LOAD);
    await recorded(w, campaign, between(random, 0.1, 0.5));
    const victim = w.agents[Math.floor(random() * w.agents.length)] as string;
    await w.kill(victim);
    const folder = join(w.agentFolder(victim), "journal");
    const journals = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
    for (const name of journals) {
      appendFileSync(join(folder, name), TORN.slice(0, 1 + Math.floor(random() * (TORN.length - 1))));
    }
    w.startAgent(victim);
    // It tells of its death, which is no failure of the shard.
    const samples = await checked(w, [campaign], { gaveBack: [victim] });
    await w.ready();
    return `${journals.length} journals of ${victim} torn, ${samples} samples`;
  },
});

export const samplePoison = (world: () => WorldOptions): Scenario => ({
  ...{ name: "poison sample", repetitions: 1, long: 5, world },
  holds: "the second death names the sample, all others count, no node is blamed",
  async run(w, n, random) {
    const samples = 48;
    const poison = Math.floor(random() * samples);
    const options = { latency_ms: 30, die_on: [poison] };
    const { id } = await w.api.create(
      { suite: suiteOf({ items: samples, shardSize: 4, options }) },
      `poison-${n}`,
    );
    w.acknowledged.push(id);
    await seen({
      what: "the campaign has ended",
      ask: async () => isEnded(await w.api.get(id)),
      progress: () => w.journals.of(id).length,
      fault: () => w.faults(),
    });
    const said = (await w.api.records(id)).map(({ ordinal, status }) => `${ordinal} ${status}`);
    const due = Array.from({ length: samples }, (_, i) => `${i} ${i === poison ? "poison" : "ok"}`);
    const wrong = due.filter((line, i) => said[i] !== line);
    if (said.length !== samples || wrong.length > 0)
      throw new Error(
        `sample ${poison} is poison, and there are ${said.length} records; not so: ${wrong.join(", ")}`,
      );
    await checkHistory(w, [id], new Map(), { gaveBack: w.agents });
    await w.ready();
    return `sample ${poison} of ${samples} was named, the others count`;
  },
});

export const artifactsAway = (
  world: () => WorldOptions,
  o: { seconds: number; repetitions: number; long: number },
): Scenario => ({
  ...{ ...o, name: `artifact store away ${o.seconds} s`, world },
  holds: "agents spool and drain, every hash is right",
  async run(w, n, random) {
    const campaign = await submitSimulated(w, `artifacts-away-${o.seconds}-${n}`, LOAD);
    await recorded(w, campaign, between(random, 0.1, 0.4));
    const away = `${w.artifacts}.away`;
    renameSync(w.artifacts, away);
    // So that nobody makes a new one in its place.
    writeFileSync(w.artifacts, "");
    try {
      await pause(o.seconds * 1000); // the fault itself takes this long
    } finally {
      rmSync(w.artifacts);
      renameSync(away, w.artifacts);
    }
    const spooled = w.agents.filter((id) => /the artifact store is away/.test(w.logText(id))).length;
    const samples = await checked(w, [campaign]);
    return `${spooled} agents said that it was away, ${samples} samples`;
  },
});

/** Where a process of this world reads how wrong its clock is. */
export const clockFile = (folder: string, name: string): string => join(folder, name);

export const clocksJump = (world: () => WorldOptions, folder: () => string): Scenario => ({
  ...{ name: "clocks jump by 1 h", repetitions: 1, long: 5, world },
  holds: "nothing expires, nobody is lost, no running shard is given away",
  async run(w, n, random) {
    const campaign = await submitSimulated(w, `clocks-${n}`, LOAD);
    await recorded(w, campaign, between(random, 0.1, 0.4));
    const names = [...w.coordinators, ...w.agents];
    const lost = losses(w);
    const epochs = epochsOf(w);
    const jumps = names.map((name) => `${name} ${random() < 0.5 ? "+1h" : "-1h"}`);
    for (const jump of jumps) {
      const [name = "", by = ""] = jump.split(" ");
      writeFileSync(clockFile(folder(), name), by);
    }
    await seen({
      what: "the clocks have jumped",
      ask: () => jumpedBy(w, campaign.id, names, jumps),
      progress: () => w.journals.of(campaign.id).length,
      fault: () => w.faults(),
    });
    const samples = await checked(w, [campaign]);
    for (const name of names) writeFileSync(clockFile(folder(), name), "+0");
    if (losses(w) > lost) throw new Error("an agent was declared lost");
    if (epochsOf(w) > epochs) throw new Error("the leadership was lost");
    return `${jumps.join(", ")}; ${samples} samples`;
  },
});

/** Seen in the store: what the leader wrote after its jump is an hour off. */
async function jumpedBy(
  w: World,
  campaign: string,
  names: readonly string[],
  jumps: readonly string[],
): Promise<boolean> {
  const leader = await w.leading();
  if (leader === undefined) return false;
  const started = (await w.readState()).get(`campaign/${campaign}`)?.["createdMs"] as number;
  const probe = await submitSimulated(w, `clock-probe-${campaign}-${Date.now()}`, PROBE);
  const now = (await w.readState()).get(`campaign/${probe.id}`)?.["createdMs"] as number;
  const by = jumps[names.indexOf(leader)]?.endsWith("+1h") ? 1 : -1;
  return Math.sign(now - started) === by && Math.abs(now - started) > 1_800_000;
}
const PROBE = { jobs: 1, samples: 4, shardSize: 2, latencyMs: 1 };

const losses = (w: World): number =>
  w.coordinators
    .flatMap((name) => w.log(name))
    .filter(
      ({ msg, to, reason }) => msg === "node transition" && to === "LOST" && !/stopped/.test(`${reason}`),
    ).length;
const epochsOf = (w: World): number =>
  w.recording?.eyes.changes.filter(({ key, kind }) => key === "leader" && kind === "put").length ?? 0;

/** libfaketime, where Debian puts it. */
export function faketimePath(): string {
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  return `/usr/lib/${arch}-linux-gnu/faketime/libfaketime.so.1`;
}
