/** Runs scenarios, each some times, in worlds that neighbours share; says what came out, and leaves nothing behind. */
import { seeded } from "./random.js";
import type { Scenario } from "./scenario.js";
import { World } from "./world.js";

export interface RunFlags {
  /** Of each scenario, instead of its own number. */
  repetitions?: string | undefined;
  /** Only those whose name has it in it. */
  only: string;
  /** The folder of a failed one stays. */
  keep: boolean;
  /** Of the first repetition; the next have the numbers behind it. */
  seed?: string | undefined;
  /** As often as in the long run. */
  long?: boolean;
}

/** Runs them; sets the exit code. */
export async function runScenarios(
  scenarios: readonly Scenario[],
  flags: RunFlags,
  whole: string,
): Promise<void> {
  const rows: string[] = [];
  const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31));
  let failed = 0;
  let current: { world: World; options: Scenario["world"] } | undefined;
  let interrupted = false;
  // What is in hand when a signal comes fails because everything is ended; nothing may begin after it.
  const endOfAll = new Promise<never>(() => {});
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (interrupted) return;
      interrupted = true;
      console.log(`\n${signal}: ending everything`);
      void abandoned(false).then(() => process.exit(1));
    });
  }
  const turns = scenarios.filter(({ takesTurns }) => takesTurns);
  const turn = turns[seed % turns.length];
  for (const scenario of scenarios.filter(({ name }) => name.includes(flags.only))) {
    const usual = scenario === turn ? 1 : scenario.repetitions;
    const repetitions = Number(flags.repetitions ?? (flags.long ? scenario.long : undefined) ?? usual);
    if (repetitions === 0) continue;
    console.log(`\n${scenario.name}: ${scenario.holds}`);
    const beganMs = Date.now();
    if (current?.options !== scenario.world) await ended();
    if (interrupted) await endOfAll;
    let passed = 0;
    for (let n = 0; n < repetitions; n += 1) {
      if (await passes(scenario, n)) passed += 1;
      if (interrupted) await endOfAll;
    }
    failed += repetitions - passed;
    const seconds = Math.round((Date.now() - beganMs) / 1000);
    const said = scenario.sum?.();
    rows.push(
      `${scenario.name.padEnd(38)} ${passed} of ${repetitions} in ${seconds} s${said ? `; ${said}` : ""}`,
    );
  }
  await ended();
  console.log(`\n${rows.join("\n")}`);
  console.log(failed === 0 ? whole : `${failed} FAILED`);
  process.exitCode = failed === 0 ? 0 : 1;

  /** One repetition, in the world there is; one that fails ends it. */
  async function passes(scenario: Scenario, n: number): Promise<boolean> {
    const beganMs = Date.now();
    const seconds = () => `${((Date.now() - beganMs) / 1000).toFixed(1)} s`;
    const mine = `SEED=${seed + n}`;
    try {
      if (current === undefined) {
        const world = await World.start(scenario.world(), (starting) => {
          current = { world: starting, options: scenario.world };
        });
        current = { world, options: scenario.world };
      }
      const saw = await scenario.run(current.world, n, seeded(seed + n), seed + n);
      console.log(`  ${n + 1}. ${saw}, ${seconds()} (${mine})`);
      // A world that a scenario has used up is no world for the next one.
      if (scenario.spoils) await ended();
      return true;
    } catch (error) {
      if (interrupted) return false;
      const why = error instanceof Error ? error.message : error;
      console.log(`  ${n + 1}. FAILED after ${seconds()} (${mine}): ${why}`);
      await abandoned(true);
      return false;
    }
  }

  /** Stops the world there is; what does not end in order is a failure, too. */
  async function ended(): Promise<void> {
    try {
      await current?.world.stop();
      current?.world.remove();
      current = undefined;
    } catch (error) {
      if (interrupted) return;
      failed += 1;
      console.log(`  FAILED at the end: ${error instanceof Error ? error.message : error}`);
      await abandoned(true);
    }
  }

  async function abandoned(tells: boolean): Promise<void> {
    if (current === undefined) return;
    const { world } = current;
    current = undefined;
    if (tells) console.log(world.tails());
    await world.abandon();
    if (flags.keep) console.log(`kept: ${world.folder}`);
    else world.remove();
  }
}
