#!/usr/bin/env node
/** The `sai` command. This file alone meets the process: arguments, environment, streams, signals, exit code. */
import { systemClock } from "../shared/runtime/clock.js";
import { systemRandom } from "../shared/runtime/random.js";
import type { Io } from "./context.js";
import { runCli } from "./program.js";

const interrupt = new AbortController();
let signals = 0;
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    signals += 1;
    // The first asks for an orderly end; whoever presses again wants out now.
    if (signals > 1) process.exit(130);
    interrupt.abort(new Error(`interrupted by ${name}`));
  });
}
// `sai … | head` closes our stdout early: the reader has what it wanted.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const io: Io = {
  out: (data) =>
    new Promise((resolve, reject) => {
      process.stdout.write(data, (error) => (error ? reject(error) : resolve()));
    }),
  err: (text) => {
    process.stderr.write(text);
  },
  outIsTty: process.stdout.isTTY === true,
  errIsTty: process.stderr.isTTY === true,
  columns: () => process.stderr.columns ?? process.stdout.columns ?? 100,
  env: process.env,
  cwd: process.cwd(),
  interrupt: interrupt.signal,
  clock: systemClock,
  random: systemRandom,
};

process.exitCode = await runCli(process.argv.slice(2), io);
