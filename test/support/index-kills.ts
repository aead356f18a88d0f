/** Kills what writes the index again and again, at moments of a seed's choosing, until it gets to its end. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import type { WriterTask } from "./index-writer-main.js";

const MAIN = fileURLToPath(new URL("./index-writer-main.ts", import.meta.url));

export interface Kills {
  /** Kills before it is left alone. */
  kills: number;
  /** The longest it lives after it has opened its database, ms. */
  withinMs: number;
  seed: number;
}

/** Answers how often it was killed before it was done. */
export async function killedUntilDone(task: WriterTask, { kills, withinMs, seed }: Kills): Promise<number> {
  const random = seededRandom(seed);
  for (let killed = 0; ; killed++) {
    if (await lived(task, killed < kills ? random() * withinMs : undefined)) return killed;
  }
}

/** Whether it came to its end before it was killed, `afterMs` after it had its database open. */
async function lived(task: WriterTask, afterMs: number | undefined): Promise<boolean> {
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stderr.on("data", (bytes) => {
    err += bytes;
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const opened = new Promise<void>((resolve) =>
    child.stdout.on("data", (bytes) => {
      out += bytes;
      if (out.includes("open")) resolve();
    }),
  );
  if (afterMs !== undefined) {
    await Promise.race([opened, ended]);
    await Promise.race([sleep(afterMs), ended]);
    child.kill("SIGKILL");
  }
  await ended;
  if (out.includes("done")) return true;
  if (child.signalCode !== "SIGKILL") throw new Error(`the writer ended by itself: ${err}`);
  return false;
}
