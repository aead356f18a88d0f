/** The tables, as README.md has them. */
import type { Machine } from "../support/machine.js";
import { markdown } from "../support/table.js";
import { type Alternation, cellFigures, tally } from "./figures.js";
import { classOf, type Durability, type DurabilityClass } from "./fsyncs.js";
import { OUTSTANDING, type Plan } from "./plan.js";
import type { System } from "./system.js";

/** What was found of one system; without a version it could not be had, without alternations it did not run. */
export interface Measured {
  system: Pick<System, "name" | "how" | "durableBefore">;
  version?: string;
  durability?: Durability;
  alternations: Alternation[];
  /** Why it was not run, or not to the end. */
  problem?: string;
}

const CLASSES: DurabilityClass[] = [
  "durable before the acknowledgement",
  "not durable before the acknowledgement",
];

/** Ends with a newline. */
export function printed(all: readonly Measured[], plan: Plan, machine: Machine, cores: string): string {
  const ran = all.filter(({ alternations }) => alternations.length > 0);
  const inside = ran.filter(({ system }) => system.durableBefore);
  const alike = ran.filter(({ system }) => !system.durableBefore);
  const unclear = alike.filter(({ durability }) => durability === undefined);
  return [
    `Node ${machine.node}, ${machine.cores} × ${machine.cpu}, load ${machine.load1m.toFixed(1)}; ${cores}; ${plan.alternations} alternations, windows of ${plan.seconds} s after ${plan.warmupS} s`,
    "",
    ...CLASSES.flatMap((name) => ofClass(name, alike)),
    ...(inside.length > 0
      ? tables("results durable; the tasks were before they were submitted", inside)
      : []),
    ...(unclear.length > 0 ? tables("durability not observed", unclear) : []),
    ...markdown([
      [
        ...["system", "versions", "syncs a task", "tasks that waited for one"],
        ...["acknowledged", "lost", "doubled", "changed"],
      ],
      ...ran.map((m) => {
        const { acknowledged, lost, doubled, wrong } = tally(m.alternations);
        return [
          m.system.name,
          m.version ?? "",
          m.durability?.syncsPerTask.toFixed(2) ?? "",
          m.durability ? `${(m.durability.waited * 100).toFixed(0)} %` : "",
          ...[acknowledged, lost, doubled, wrong].map((n) => `${n}`),
        ];
      }),
    ]),
    "",
    ...ran.map(({ system }) => `- ${system.name}: ${system.how}.`),
    ...all.flatMap(({ system, problem, alternations }) =>
      problem === undefined
        ? []
        : [`- ${system.name}: ${alternations.length > 0 ? "not all was run" : "not run"}: ${problem}`],
    ),
    "",
  ].join("\n");
}

const ofClass = (name: DurabilityClass, ran: readonly Measured[]): string[] => {
  const members = ran.filter(({ durability }) => durability && classOf(durability) === name);
  return members.length > 0 ? tables(name, members) : [];
};

const number = (value: number) => value.toFixed(value < 10 ? 1 : 0);
const ms = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

function tables(title: string, members: readonly Measured[]): string[] {
  const row = (m: Measured, of: (cell: NonNullable<ReturnType<typeof cellFigures>>) => string): string[] =>
    OUTSTANDING.map((outstanding) => {
      const cell = cellFigures(m.alternations, outstanding);
      return cell ? of(cell) : "";
    });
  const header = ["outstanding", ...OUTSTANDING.map(String)];
  const one = (what: string, of: Parameters<typeof row>[1]) => [
    `${title}: ${what}`,
    "",
    ...markdown([header, ...members.map((m) => [m.system.name, ...row(m, of)])]),
    "",
  ];
  return [
    ...one(
      "tasks/s, median (range)",
      ({ tasksPerS: { median, min, max } }) => `**${number(median)}** (${number(min)} to ${number(max)})`,
    ),
    ...one("ms from submit to done, p50 / p99", ({ p50Ms, p99Ms }) => `${ms(p50Ms)} / ${ms(p99Ms)}`),
    ...one("processor seconds for 1,000 tasks, server + worker + client", ({ cpuS }) =>
      [cpuS.server, cpuS.worker, cpuS.client].map((s) => s.toFixed(2)).join(" + "),
    ),
  ];
}
