/** What happens to agents and around them: a torn journal, an artifact store that is away, clocks that jump. */
import { appendFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Campaign, recorded, submitSimulated } from "../../kills/campaigns.js";
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
  ...{ name: "agent −9, journal torn", repetitions: 0, takesTurns: true, long: 10, world },
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
    const samples = await checked(w, [campaign], {
      mayFail: ({ wentOn, agent }) => wentOn === true && agent === victim,
    });
    await w.ready();
    return `${journals.length} journals of ${victim} torn, ${samples} samples`;
  },
});

export const samplePoison = (world: () => WorldOptions): Scenario => ({
  ...{ name: "poison sample", repetitions: 1, long: 5, world },
  holds: "the second death names the sample, all others count, no node is put in quarantine",
  async run(w, n, random) {
    const [samples, models] = [48, 3];
    const poison = Math.floor(random() * samples);
    const options = { latency_ms: 30, die_on: [poison] };
    const { id } = await w.api.create(
      { suite: suiteOf({ items: samples, models, shardSize: 4, options }) },
      `poison-${n}`,
    );
    w.acknowledged.push(id);
    await seen({
      what: "the campaign has ended",
      ask: async () => isEnded(await w.api.get(id)),
      progress: () => w.journals.of(id).length,
      fault: () => w.faults(),
    });
    const records = await w.api.records(id);
    const jobs = [...new Set(records.map(({ job }) => job))];
    const said = new Set(records.map(({ job, ordinal, status }) => `${job} ${ordinal} ${status}`));
    const due = jobs.flatMap((job) =>
      Array.from({ length: samples }, (_, i) => `${job} ${i} ${i === poison ? "poison" : "ok"}`),
    );
    const wrong = due.filter((line) => !said.has(line));
    if (jobs.length !== models || records.length !== samples * models || wrong.length > 0)
      throw new Error(
        `sample ${poison} is poison, and there are ${records.length} records; not so: ${wrong.join(", ")}`,
      );
    // A sample that runs beside a poison one dies with it: other attempts fail so, too, but for no other reason.
    await checkHistory(w, [id], new Map(), { mayFail: (value) => value["class"] === "poison" });
    const deaths = jobs.map((job) => deathsWith(w, `${id}/${job}`, poison));
    if (deaths.some((times) => times !== DEATHS))
      throw new Error(`sample ${poison} was named after ${deaths.join(", ")} deaths, not ${DEATHS}`);
    const blamed = (w.recording?.eyes.changes ?? []).filter(({ key }) => key.startsWith("quarantine/"));
    if (blamed.length > 0) throw new Error(`somebody was blamed: ${blamed.map(({ key }) => key).join(", ")}`);
    await w.ready();
    return `sample ${poison} of ${samples} was named in ${models} jobs after ${DEATHS} deaths each, the others count`;
  },
});

/** So many deaths name a sample. */
const DEATHS = 2;

/** Attempts that died with a sample of a job in flight, by what is stored of them. */
function deathsWith(w: World, job: string, ordinal: number): number {
  const dead = new Set<string>();
  for (const { key, kind, value } of w.recording?.eyes.changes ?? []) {
    if (kind !== "put" || !key.startsWith(`fail/${job}/`)) continue;
    const deaths = (value?.["deaths"] ?? []) as { ordinal: number }[];
    if (deaths.some((death) => death.ordinal === ordinal)) dead.add(key);
  }
  return dead.size;
}

export const artifactsAway = (
  world: () => WorldOptions,
  o: { seconds: number; repetitions: number; takesTurns?: boolean; long: number },
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
    if (spooled === 0) throw new Error("no agent said that the artifact store is away: nothing was tried");
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
    const jumps = new Map<string, 1 | -1>(names.map((name) => [name, random() < 0.5 ? 1 : -1]));
    const linesBefore = new Map(w.agents.map((name) => [name, w.log(name).length]));
    for (const [name, by] of jumps) writeFileSync(clockFile(folder(), name), by > 0 ? "+1h" : "-1h");
    const probes: Campaign[] = [];
    let probedMs = 0;
    await seen({
      what: "every clock has jumped",
      async ask() {
        if (Date.now() - probedMs > PROBE_EVERY_MS) {
          probedMs = Date.now();
          // Another model each time: an agent that loads it says so, with its time.
          const latencyMs = 2 + n * 50 + probes.length;
          probes.push(await submitSimulated(w, `clocks-${n}-${latencyMs}`, { ...PROBE, latencyMs }));
        }
        for (const [name, by] of jumps) if (!(await isOff(w, name, by, linesBefore.get(name)))) return false;
        return true;
      },
      progress: () => w.journals.of(campaign.id).length,
      fault: () => w.faults(),
    });
    const samples = await checked(w, [campaign, ...probes]);
    for (const name of names) writeFileSync(clockFile(folder(), name), "+0");
    if (losses(w) > lost) throw new Error("an agent was declared lost");
    if (epochsOf(w) > epochs) throw new Error("the leadership was lost");
    const said = [...jumps].map(([name, by]) => `${name} ${by > 0 ? "+" : "−"}1 h`).join(", ");
    return `${said}, each seen; ${samples} samples`;
  },
});

const PROBE_EVERY_MS = 1_000;
const PROBE = { jobs: 1, samples: 32, shardSize: 1 };
/** Of the hour, what a clock must be off at least. */
const OFF_MS = 1_800_000;

/** Seen where a process tells its time: coordinators over HTTP, agents in their logs from a line on. */
async function isOff(w: World, name: string, by: 1 | -1, fromLine?: number): Promise<boolean> {
  const times =
    fromLine === undefined
      ? [await w.clockOf(name)]
      : w
          .log(name)
          .slice(fromLine)
          .map(({ time }) => Date.parse(String(time)));
  return times.some((ms) => ms !== undefined && (ms - Date.now()) * by > OFF_MS);
}

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
