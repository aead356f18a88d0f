/**
 * Schedules that once failed, cut down, each in a file below fixtures/. The tests run them all again: none may fail any
 * more. Those of planted bugs fail as long as the bug is planted.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Schedule } from "./schedule.js";
import type { Shrunk } from "./shrink.js";

const FOLDER = fileURLToPath(new URL("fixtures/", import.meta.url));

export interface Fixture {
  /** Name of the planted bug that makes it fail; absent for what failed by itself. */
  plant?: string;
  /** What was violated, and how. */
  invariant: string;
  text: string;
  schedule: Schedule;
}

/** Keeps a schedule that fails, in place of an older one of the same plant; answers with the file. */
export async function keep({ schedule, invariant, text }: Shrunk, plant?: string): Promise<string> {
  await mkdir(FOLDER, { recursive: true });
  const path = FOLDER + (plant === undefined ? `seed-${schedule.seed}.json` : fileOf(plant));
  const fixture: Fixture = { ...(plant === undefined ? {} : { plant }), invariant, text, schedule };
  await writeFile(path, `${JSON.stringify(fixture, undefined, 2)}\n`);
  return path;
}

/** All that are kept, by file. */
export async function fixtures(): Promise<Map<string, Fixture>> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith(".json")).sort();
  return new Map(await Promise.all(names.map(async (name) => [name, await read(name)] as const)));
}

const read = async (name: string): Promise<Fixture> => JSON.parse(await readFile(FOLDER + name, "utf8"));

const fileOf = (plant: string): string => `planted-${plant.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.json`;
