/**
 * The same no-op tasks of 100 bytes on our system and on others that hand out work, with 1, 32 and 256 outstanding, in
 * turns. What they promise is not asked but watched: systems whose server forced a task to the disk before it
 * acknowledged it have tables of their own. Prints tables in Markdown; `--json FILE` keeps the figures. README.md says
 * what each means.
 *
 * The others are installed into a scratch folder, `--scratch FOLDER`; the project has nothing of them.
 *
 *   npm run bench:peers [-- --list --only bullmq,ours --seconds 20 --warmup 2 --alternations 3 --scratch F --json F]
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "../../shared/runtime/errors.js";
import { cacheFolder } from "../../test/support/outside.js";
import { compile } from "../support/compiled.js";
import { leaveNothing } from "../support/leave-nothing.js";
import { thisMachine } from "../support/machine.js";
import { alternation, observe } from "./measure.js";
import { coresOf, estimateS, type Plan } from "./plan.js";
import { type Measured, printed } from "./report.js";
import type { System } from "./system.js";
import { bullmq } from "./systems/bullmq.js";
import { celery } from "./systems/celery.js";
import { dask } from "./systems/dask.js";
import { graphile } from "./systems/graphile.js";
import { hyperqueue } from "./systems/hyperqueue.js";
import { nats } from "./systems/nats.js";
import { campaigns, shards } from "./systems/ours.js";

const { values: flags } = parseArgs({
  options: {
    ...{ seconds: { type: "string", default: "20" }, warmup: { type: "string", default: "2" } },
    ...{ alternations: { type: "string", default: "3" }, only: { type: "string", default: "" } },
    ...{ scratch: { type: "string", default: "" }, json: { type: "string", default: "" } },
    list: { type: "boolean", default: false },
  },
});
const plan: Plan = {
  warmupS: Number(flags.warmup),
  seconds: Number(flags.seconds),
  alternations: Number(flags.alternations),
};
const SYSTEMS: { [key: string]: System } = {
  "ours-embedded-shards": shards("embedded"),
  "ours-embedded-campaigns": campaigns("embedded"),
  "ours-etcd-shards": shards("etcd"),
  "ours-etcd-campaigns": campaigns("etcd"),
  bullmq: bullmq(false),
  "bullmq-always": bullmq(true),
  graphile,
  celery,
  hyperqueue,
  dask,
  nats: nats(false),
  "nats-always": nats(true),
};
if (flags.list) {
  for (const [key, { name }] of Object.entries(SYSTEMS)) process.stdout.write(`${key}: ${name}\n`);
  process.exit();
}
const only = flags.only.split(",").filter((key) => key !== "");
const chosen = Object.entries(SYSTEMS).filter(
  ([key]) => only.length === 0 || only.some((o) => key === o || key.startsWith(`${o}-`)),
);
if (chosen.length === 0) throw new Error(`--only ${only}: --list says what there is`);

const say = (text: string) => process.stderr.write(`${text}\n`);
const scratch = flags.scratch === "" ? join(cacheFolder(), "peers") : flags.scratch;
mkdirSync(scratch, { recursive: true });
// Beside the programs and not where temporary files are, which may be no disk.
const data = mkdtempSync(join(scratch, "data-"));
leaveNothing(data);
compile();
const setting = { scratch, data, plan, cores: coresOf(cpus().length) };
const measured: (Measured & { run?: System })[] = [];
for (const [, system] of chosen) {
  const { name, how, durableBefore } = system;
  const said = { name, how, ...(durableBefore && { durableBefore }) };
  try {
    const version = await system.install(scratch);
    say(`${name}: ${version}`);
    measured.push({ system: said, version, alternations: [], run: system });
  } catch (error) {
    say(`${name}: not run: ${errorText(error)}`);
    measured.push({ system: said, alternations: [], problem: errorText(error) });
  }
}
const running = measured.flatMap((m) => (m.run ? [{ m, system: m.run }] : []));
say(`${running.length} systems, about ${Math.ceil(estimateS(running.length, plan) / 60)} minutes`);

/** What fails says so in the tables; the others go on. */
async function attempt(m: Measured, what: string, run: () => Promise<void>): Promise<void> {
  say(`${m.system.name}: ${what}`);
  try {
    await run();
  } catch (error) {
    m.problem = `${what}: ${errorText(error)}`;
    say(`${m.system.name}: ${m.problem}`);
  }
}
for (const { m, system } of running)
  await attempt(m, "what it forces to the disk", async () => {
    m.durability = await observe(system, setting);
  });
for (let turn = 1; turn <= plan.alternations; turn++)
  for (const { m, system } of running)
    await attempt(
      m,
      `alternation ${turn}`,
      async () => void m.alternations.push(await alternation(system, setting)),
    );
const machine = thisMachine();
const cores = `servers on core ${setting.cores.server}, workers and clients on core ${setting.cores.others}`;
process.stdout.write(printed(measured, plan, machine, cores));
if (flags.json !== "")
  writeFileSync(flags.json, `${JSON.stringify({ bench: "peers", plan, machine, cores, measured })}\n`);
