/**
 * Whether a load's times are right, and how much load one generator makes: against a scripted server in a process of its
 * own that notes when it wrote what. Three parts: errors of our times beside those of a bare loop; requests a second
 * beside a peer's; what both print of the same server. Prints tables and, as the last line, the figures as JSON.
 * README.md says what each means.
 *
 *   npm run bench:timing [-- --rounds 5 --seconds 6 --peer aiperf|none --scratch FOLDER]
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "../../shared/runtime/errors.js";
import { cacheFolder } from "../../test/support/outside.js";
import { ask } from "../support/asking.js";
import { compile, compiled } from "../support/compiled.js";
import { leaveNothing } from "../support/leave-nothing.js";
import { startLineChild } from "../support/line-child.js";
import { thisMachine } from "../support/machine.js";
import { installAiperf, type Peer } from "./aiperf.js";
import { measureErrors } from "./errors.js";
import { measureRates } from "./rates.js";
import { reconcile } from "./reconcile.js";
import { printed } from "./report.js";
import type { ServerQuestions } from "./server.js";

const { values: flags } = parseArgs({
  options: {
    ...{ rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "6" } },
    ...{ peer: { type: "string", default: "aiperf" }, scratch: { type: "string", default: "" } },
  },
});
const shape = { rounds: whole("--rounds", flags.rounds), seconds: whole("--seconds", flags.seconds) };
const say = (text: string) => process.stderr.write(`${text}\n`);
const scratch = flags.scratch === "" ? join(cacheFolder(), "peers") : flags.scratch;
mkdirSync(scratch, { recursive: true });
leaveNothing();
compile();

const peer = await thePeer();
const server = startLineChild(compiled(new URL("./server.ts", import.meta.url)));
try {
  const url = await ask<ServerQuestions, "url">(server, "url", {});
  const errors = await measureErrors(server, url, shape, say);
  const rates = await measureRates(server, url, peer, { ...shape, rounds: Math.min(3, shape.rounds) }, say);
  const reconciled = peer && (await reconcile(server, url, peer, shape.seconds));
  process.stdout.write(
    printed({
      ...{ machine: thisMachine(), shape, errors, rates, peer: peer?.version ?? "none" },
      ...(reconciled && { reconciled }),
    }),
  );
} finally {
  await server.end();
}

/** Nothing, and a word why, where it cannot be had. */
async function thePeer(): Promise<Peer | undefined> {
  if (flags.peer === "none") return undefined;
  if (flags.peer !== "aiperf") throw new Error(`--peer ${flags.peer}: expected aiperf or none`);
  try {
    say("installing AIPerf, once, 1.2 GB");
    return await installAiperf(scratch);
  } catch (error) {
    say(`without the peer, which cannot be installed: ${errorText(error)}`);
    return undefined;
  }
}

function whole(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 3) return value;
  throw new Error(`${flag} ${text}: expected a whole number, 3 at least`);
}
