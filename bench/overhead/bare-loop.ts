/**
 * The other side of the comparison: the loop one would write by hand. Workers take the next body from a list, post it,
 * read the events, note when the first text came. Nothing is kept, checked, retried or reported. It is a process of its
 * own because the agent is one, lives through all pairs as the agent does, and uses the same HTTP library.
 *
 * Each line of stdin is a BareRequest, each line of stdout a BareAnswer.
 */
import { createInterface } from "node:readline";
import { Agent, fetch } from "undici";
import type { Seen } from "./arithmetic.js";

export interface BareRequest {
  url: string;
  /** Bodies to post, as they are. */
  bodies: string[];
  concurrency: number;
}

export interface BareAnswer {
  /** From before the first request to after the last, ns. */
  wallNs: number;
  /** In the order of the bodies. */
  samples: Seen[];
}

const nowNs = (): number => Number(process.hrtime.bigint());

async function one(url: string, body: string, dispatcher: Agent): Promise<Seen> {
  const sentNs = nowNs();
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body, dispatcher });
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}`);
  const decoder = new TextDecoder();
  let rest = "";
  let firstNs: number | undefined;
  for await (const bytes of response.body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      const event = JSON.parse(line.slice(6)) as { choices: { delta: { content?: string } }[] };
      if (event.choices[0]?.delta.content) firstNs ??= nowNs();
    }
  }
  if (firstNs === undefined) throw new Error(`${url} sent no text`);
  return { sentNs, firstNs, doneNs: nowNs() };
}

async function run({ url, bodies, concurrency }: BareRequest): Promise<BareAnswer> {
  const samples: Seen[] = [];
  // Its own connections: those of the run before may have been closed by the server meanwhile.
  const connections = new Agent();
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < bodies.length; i = next++)
      samples[i] = await one(url, bodies[i] ?? "", connections);
  };
  const startNs = nowNs();
  await Promise.all(Array.from({ length: concurrency }, worker));
  const wallNs = nowNs() - startNs;
  await connections.close();
  return { wallNs, samples };
}

for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as BareRequest))}\n`);
}
