/**
 * How fast shards are dispatched: a real coordinator on its embedded store or on etcd and real agent cores that run nothing, in two
 * processes over gRPC on the loopback; beside it, in the same run, a floor of bare streams and a bare LMDB loop, and the
 * whole ladder with journals and artifacts. Prints a table; `--json FILE` keeps the figures. README.md says what each
 * means.
 *
 *   npm run bench:dispatch [-- --seconds 10 --warmup 5 --agents 4 --slots 8 --rate 1000 --only saturated,floor --store etcd
 *                              --profile FOLDER --json FILE]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { etcdProgram } from "../../test/services/etcd/programs.js";
import { compile } from "../support/compiled.js";
import { leaveNothing } from "../support/leave-nothing.js";
import { thisMachine } from "../support/machine.js";
import { dispatch, floor, ladder, type Measured, type Shape } from "./phases.js";
import { printed } from "./report.js";

const { values: flags } = parseArgs({
  options: {
    ...{ seconds: { type: "string", default: "10" }, warmup: { type: "string", default: "5" } },
    ...{ agents: { type: "string", default: "4" }, slots: { type: "string", default: "8" } },
    ...{ rate: { type: "string", default: "1000" }, only: { type: "string", default: "" } },
    store: { type: "string", default: "embedded" },
    ...{ profile: { type: "string", default: "" }, json: { type: "string", default: "" } },
  },
});
if (flags.store !== "embedded" && flags.store !== "etcd")
  throw new Error(`--store ${flags.store}: embedded or etcd`);
const shape: Shape = {
  etcd: flags.store === "etcd" ? await etcdProgram(console.error) : "",
  agents: Number(flags.agents),
  slots: Number(flags.slots),
  warmupS: Number(flags.warmup),
  seconds: Number(flags.seconds),
  ratePerS: Number(flags.rate),
  profiles: flags.profile,
};

if (flags.profile !== "") mkdirSync(flags.profile, { recursive: true });
const PHASES: { [name: string]: () => Promise<Measured> } = {
  floor: () => floor(shape, "saturated"),
  saturated: () => dispatch(shape, "saturated"),
  "floor-again": () => floor(shape, "saturated"),
  "offered-floor": () => floor(shape, "offered"),
  offered: () => dispatch(shape, "offered"),
  ladder: () => ladder(shape),
};

const only = flags.only.split(",").filter((name) => name !== "");
const unknown = only.filter((name) => !(name in PHASES));
if (unknown.length > 0) throw new Error(`--only ${unknown}: phases are ${Object.keys(PHASES).join(", ")}`);
leaveNothing();
compile();
const measured: { [phase: string]: Measured } = {};
for (const [name, run] of Object.entries(PHASES)) {
  if (only.length > 0 && !only.includes(name)) continue;
  process.stderr.write(`${name}\n`);
  measured[name] = await run();
}
const machine = thisMachine();
process.stdout.write(printed(measured, shape, machine));
if (flags.json !== "")
  writeFileSync(flags.json, `${JSON.stringify({ bench: "dispatch", shape, machine, measured })}\n`);
