/** Parts of a machine that lie or fail: a node's device, on which everything fails, and an artifact store that truncates. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { recorded, submitSimulated } from "../../kills/campaigns.js";
import { between } from "../../kills/random.js";
import type { Scenario } from "../../kills/scenario.js";
import { pause, seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import { checked } from "../check.js";

const PRELOAD = pathToFileURL(fileURLToPath(new URL("../bad-parts/preload.mjs", import.meta.url))).href;

/** What a process needs so that its parts can turn bad, by files in `folder`. */
export const badPartsOf = (folder: string, name: string): { [name: string]: string } => ({
  ...{ NODE_OPTIONS: `--import=${PRELOAD}`, BAD_PARTS: folder, BAD_PARTS_NAME: name },
});

/** Of two campaigns; several jobs, so that their failures cannot be the jobs'. */
const JOBS = { jobs: 3, samples: 240, shardSize: 4, latencyMs: 50 };
/** From a quarantine until its word has come to the agent. */
const TOLD_MS = 2_000;
/** Attempts that others begin after that: so much was left that the node could have been given. */
const LEFT = 20;

export const deviceBad = (
  world: () => WorldOptions,
  folder: () => string,
  how: "dies" | "loads nothing",
): Scenario => ({
  ...{ name: `bad device ${how}`, repetitions: 0, takesTurns: true, long: 5, world },
  holds: "its node alone is put in quarantine and given nothing more, every sample counts, none is named",
  async run(w, n, random) {
    const bad = w.agents[Math.floor(random() * w.agents.length)] as string;
    const changes = () => w.recording?.eyes.changes.slice(before) ?? [];
    const before = w.recording?.eyes.changes.length ?? 0;
    const device = join(folder(), `${bad}.device`);
    writeFileSync(device, how);
    // Other models each time in a world, so that none is loaded.
    const jobs = { ...JOBS, latencyMs: JOBS.latencyMs + 2 * n + (how === "dies" ? 0 : 1) };
    const campaigns = await Promise.all(
      ["a", "b"].map((one) => submitSimulated(w, `bad-device-${how.split(" ")[0]}-${n}-${one}`, jobs)),
    );
    const quarantines = () =>
      changes().filter(({ key, kind }) => key.startsWith("quarantine/") && kind === "put");
    await seen({
      what: "a node is put in quarantine",
      ask: () => quarantines().length > 0,
      progress: () => campaigns.map(({ id }) => w.journals.of(id).length),
      fault: () => w.faults(),
    });
    const toldMs = Date.now() + TOLD_MS;
    // Nobody is blamed for samples, and no sample for the node.
    const samples = await checked(w, campaigns, { mayFail: ({ agent }) => agent === bad });
    const blamed = quarantines().map(({ key }) => key);
    if (blamed.join() !== `quarantine/${bad}`) throw new Error(`${bad} is bad, and put was ${blamed}`);
    const splits = changes().filter(({ value }) => value?.["kind"] === "split");
    if (splits.length > 0) throw new Error(`samples were named: ${splits.map(({ key }) => key).join(", ")}`);
    const late = campaigns
      .flatMap(({ id }) => w.journals.of(id))
      .filter(({ kind, seenMs }) => kind === "attempt" && seenMs > toldMs);
    const given = late.filter(({ agent }) => agent === bad);
    if (given.length > 0) throw new Error(`${bad} was given ${given.map(({ fence }) => fence).join(", ")}`);
    if (late.length < LEFT) throw new Error(`only ${late.length} shards were left for anybody`);
    const failed = changes().filter(({ key, kind }) => key.startsWith("fail/") && kind === "put").length;
    rmSync(device);
    await w.sai(["node", "uncordon", bad]);
    await w.ready();
    return `${bad} failed ${failed} times, then ${late.length} attempts went to others; ${samples} samples`;
  },
});

const LOAD = { jobs: 2, samples: 150, shardSize: 5, latencyMs: 100 };
const TRUNCATES_MS = 6_000;

export const storeTruncates = (world: () => WorldOptions, folder: () => string): Scenario => ({
  ...{ name: "artifact store truncates", repetitions: 0, takesTurns: true, long: 5, world },
  holds: "agents notice, spool and store again, every hash is right",
  async run(w, n, random) {
    const campaign = await submitSimulated(w, `store-truncates-${n}`, LOAD);
    await recorded(w, campaign, between(random, 0.1, 0.4));
    const [cuts, notices] = [cutsIn(folder()), noticesOf(w)];
    const share = between(random, 0, 1);
    const store = join(folder(), "store");
    writeFileSync(store, `${share}`);
    try {
      await pause(TRUNCATES_MS); // the fault itself takes this long
    } finally {
      rmSync(store);
    }
    const samples = await checked(w, [campaign]);
    const cut = new Map([...cutsIn(folder())].map(([name, now]) => [name, now - (cuts.get(name) ?? 0)]));
    const all = [...cut.values()].reduce((sum, one) => sum + one, 0);
    const unnoticed = w.agents.filter(
      (name) => (cut.get(name) ?? 0) > 0 && noticesOf(w).get(name) === notices.get(name),
    );
    if (w.agents.every((name) => (cut.get(name) ?? 0) === 0))
      throw new Error("no agent's blob was truncated");
    if (unnoticed.length > 0) throw new Error(`${unnoticed.join(", ")} did not say that a blob is not whole`);
    const kept = Math.round(share * 100);
    return `${all} blobs kept to ${kept} %, noticed by each of their agents; ${samples} samples`;
  },
});

/** Blobs that were truncated so far, by whose. */
function cutsIn(folder: string): Map<string, number> {
  const files = readdirSync(folder).filter((name) => name.endsWith(".cuts"));
  return new Map(
    files.map((file) => [
      file.slice(0, -".cuts".length),
      readFileSync(join(folder, file), "utf8").split("\n").length - 1,
    ]),
  );
}

/** How often agents said that the store is away because it does not keep what it is given. */
const noticesOf = (w: World): Map<string, number> =>
  new Map(
    w.agents.map((name) => [
      name,
      w
        .log(name)
        .filter(
          ({ msg, reason }) =>
            msg.startsWith("the artifact store is away") && /bytes that were written/.test(`${reason}`),
        ).length,
    ]),
  );
