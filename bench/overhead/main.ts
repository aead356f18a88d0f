/**
 * What a campaign costs: the same streamed requests once through a coordinator and an agent (processes of their own,
 * over real gRPC), once through a bare loop, in turns, against a scripted server whose delays are known. Prints a table
 * and, as the last line, the figures as JSON. README.md says what each means.
 *
 *   npm run bench:overhead [-- --pairs 7 --requests 256]
 */
import { parseArgs } from "node:util";
import { connect } from "../../cli/client.js";
import { startSai } from "../../test/support/sai-processes.js";
import { startLineChild } from "../support/line-child.js";
import { thisMachine } from "../support/machine.js";
import { figuresOf, type Pair } from "./arithmetic.js";
import { printed } from "./report.js";
import { runBare, runCampaign } from "./sides.js";
import { CONCURRENCY, delaysMs, MODEL, SHARD_SIZE } from "./workload.js";

const { values: flags } = parseArgs({
  options: { pairs: { type: "string", default: "7" }, requests: { type: "string", default: "256" } },
});
const pairs = wholeNumber("--pairs", flags.pairs, 1);
const requests = wholeNumber("--requests", flags.requests, CONCURRENCY * SHARD_SIZE);
const say = (text: string) => process.stderr.write(`${text}\n`);

const scripted = new URL("../../test/support/scripted-server-main.ts", import.meta.url);
const server = startLineChild(scripted, [JSON.stringify({ models: [{ name: MODEL }] })]);
const bare = startLineChild(new URL("./bare-loop.ts", import.meta.url), []);
try {
  const { url } = (await server.next()) as { url: string };
  say("starting a coordinator and an agent");
  const sai = await startSai(["bench"], {
    SAI_ENGINES_OPENAI_BASE_URL: `${url}/v1`,
    SAI_ENGINES_OPENAI_MAX_CONCURRENT_REQUESTS: `${CONCURRENCY}`,
  });
  const client = connect({ address: sai.apiAddress, signal: new AbortController().signal });
  try {
    say("one pair to warm up, not measured");
    const { bodies } = await runCampaign(client, url, requests);
    await runBare(bare, url, bodies);
    const measured: Pair[] = [];
    for (let i = 0; i < pairs; i++) {
      // In turns also within the pairs: whatever drifts meets both sides alike.
      const early = i % 2 === 1 ? await runBare(bare, url, bodies) : undefined;
      const { walls, errorsMs } = await runCampaign(client, url, requests);
      const pair = { campaign: { walls, errorsMs }, bare: early ?? (await runBare(bare, url, bodies)) };
      measured.push(pair);
      const ratio = walls.toTerminalMs / pair.bare.wallMs;
      say(
        `pair ${i + 1} of ${pairs}: ${walls.toTerminalMs.toFixed(0)} ms / ${pair.bare.wallMs.toFixed(0)} ms = ${ratio.toFixed(4)}`,
      );
    }
    const shape = { pairs, requests, concurrency: CONCURRENCY, delaysMs: delaysMs(requests) };
    process.stdout.write(printed(figuresOf(measured), shape, thisMachine()));
  } finally {
    client.close();
    await sai.stop();
  }
} finally {
  await Promise.all([bare.end(), server.end()]);
}

function wholeNumber(flag: string, text: string, step: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value % step === 0) return value;
  throw new Error(`${flag} ${text}: expected a multiple of ${step}`);
}
