/** `sai demo`: the first minute, see `demo/demo.ts`. */
import type { Command } from "commander";
import { usageError } from "../exit.js";
import type { Bind } from "../program.js";

export function registerDemo(program: Command, bind: Bind): void {
  program
    .command("demo")
    .description("a real campaign on this machine in under a minute, nothing else needed")
    .option("--seed <n>", "draw other pictures", "7")
    .action(
      bind<{ seed: string }>(async (context, _, options) => {
        const seed = Number(options.seed);
        if (!/^\d{1,9}$/.test(options.seed))
          throw usageError(`--seed: ${options.seed} is not a whole number`);
        const { runDemo } = await import("../demo/demo.js");
        await runDemo(context, seed);
      }),
    );
}
