/** `sai init`: a commented suite and a small dataset to start from. Never overwrites anything. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import { SaiError } from "../../shared/runtime/errors.js";
import { type Context, say } from "../context.js";
import type { Bind } from "../program.js";
import { TEMPLATES } from "../starter.js";

export function registerInit(program: Command, bind: Bind): void {
  program
    .command("init [dir]")
    .description("write a commented suite and a small dataset to start from (never overwrites)")
    .addOption(
      new Option(
        "--template <name>",
        Object.entries(TEMPLATES)
          .map(([name, { about }]) => `${name}: ${about}`)
          .join("; "),
      )
        .choices(Object.keys(TEMPLATES))
        .default("sums"),
    )
    .action(bind<{ template: string }>((context, [dir = "."], { template }) => init(context, dir, template)));
}

async function init(context: Context, dir: string, template: string): Promise<void> {
  const folder = resolve(context.io.cwd, dir);
  for (const [name, text] of Object.entries(TEMPLATES[template]?.files ?? {})) {
    const path = join(folder, name);
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text, { flag: "wx" });
    } catch (cause) {
      const there = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
      const message = there ? `${name} is already there; nothing is overwritten` : `cannot write ${name}`;
      const more = there ? { hint: "move it away, or give another folder: sai init DIR" } : { cause };
      throw new SaiError(there ? "already_exists" : "failed_precondition", message, more);
    }
    await context.io.out(`${relative(context.io.cwd, path) || name}\n`);
  }
  const suite = relative(context.io.cwd, join(folder, "suite.yaml"));
  say(context, `next: sai validate -f ${suite} --show 2`);
  say(context, `then: sai dev (in another terminal), sai apply -f ${suite} --wait`);
}
