/**
 * The demo's second part, for machines that have more: an Ollama with a vision model already in memory reads a few of
 * the same pictures, for at most twenty seconds. Loading a model is not asked of anybody's first minute.
 */
import { join } from "node:path";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Client } from "../client.js";
import { printSummary } from "../commands/result.js";
import { type Context, say } from "../context.js";
import { listOllama, seesPictures } from "../doctor/ollama.js";
import { CliExit, EXIT } from "../exit.js";
import { submit } from "../submit.js";
import { waitForEnd } from "../wait.js";
import { visionSuite } from "./suite.js";

const LOOK_MS = 1000;
const IMAGES = 12;
const CAP_MS = 20_000;

/** Runs the part if it can; otherwise says in one line what would make it run. Its failure never fails the demo. */
export async function readWithOllama(
  context: Context,
  client: Client,
  place: { folder: string; baseUrl: string },
): Promise<void> {
  const model = await loadedVisionModel(place.baseUrl, context.io.interrupt);
  if (model === undefined) {
    say(
      context,
      `hint: with a vision model loaded in Ollama (${place.baseUrl}) the demo also asks it to read ${IMAGES} pictures`,
    );
    return;
  }
  say(context, `Ollama has ${model} loaded: it reads ${IMAGES} pictures, for at most ${CAP_MS / 1000} s`);
  const source = {
    text: JSON.stringify(visionSuite("dataset.json", model, IMAGES)),
    label: join(place.folder, "dataset.json"),
    files: { kind: "local" as const, root: place.folder },
    modelMap: {},
  };
  try {
    const campaign = await submit(context, client, source, { priority: 0 });
    await waitOrCancel(context, client, campaign.id);
    if (context.flags.output === "table" || context.flags.output === "wide") await context.io.out("\n");
    await printSummary(context, await client.summary(campaign.id));
  } catch (error) {
    if (context.io.interrupt.aborted || !(error instanceof SaiError)) throw error;
    say(context, `the part with ${model} did not work: ${error.message}`);
  }
}

async function waitOrCancel(context: Context, client: Client, id: string): Promise<void> {
  try {
    await waitForEnd(context, client, id, { timeoutMs: CAP_MS });
  } catch (error) {
    if (!(error instanceof CliExit) || error.code !== EXIT.waitTimedOut) throw error;
    await client.cancelCampaign(id);
    say(context, `${CAP_MS / 1000} s are over; the table shows what was answered by then`);
  }
}

async function loadedVisionModel(baseUrl: string, signal: AbortSignal): Promise<string | undefined> {
  const look = await listOllama(baseUrl, LOOK_MS, signal);
  if (!look.ok) return undefined;
  for (const model of look.loaded) if (await seesPictures(baseUrl, model, LOOK_MS, signal)) return model;
  return undefined;
}
