/**
 * Load generators, seen from the agent: a process a window, started, watched and ended like every program of its.
 *
 * 1. It is given the time that its plan takes and `SLACK_MS`; then it is killed, and the window has failed.
 * 2. When `run` has returned or thrown nothing is left of it.
 */
import { fileURLToPath } from "node:url";
import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Processes } from "../processes/processes.js";
import type { FromGenerator, GeneratorPlan, RequestSeen, WindowSeen } from "./messages.js";

export interface WindowReport extends WindowSeen {
  requests: RequestSeen[];
}

export interface LoadGenerators {
  /** One window. `began` is called after its warm-up. Throws SaiError, or the signal's reason. */
  run(plan: GeneratorPlan, name: string, signal: AbortSignal, began: () => void): Promise<WindowReport>;
}

const isSource = import.meta.url.endsWith(".ts");
const MAIN = fileURLToPath(new URL(`./child/main.${isSource ? "ts" : "js"}`, import.meta.url));
/** Few and short pauses for garbage: what a window keeps is small, and what passes through is young. */
export const GENERATOR_FLAGS: readonly string[] = ["--max-semi-space-size=64"];
const NODE_FLAGS = [...GENERATOR_FLAGS, ...(isSource ? ["--import", import.meta.resolve("tsx")] : [])];
/** For its start, the last aborts and telling what it saw, ms. */
const SLACK_MS = 60_000;

export function loadGenerators(parts: {
  processes: Pick<Processes, "start">;
  clock: Clock;
  /** The program that runs JavaScript: this process's own. */
  node: string;
}): LoadGenerators {
  const { processes, clock, node } = parts;
  return {
    async run(plan, name, signal, began) {
      signal.throwIfAborted();
      const args = [...NODE_FLAGS, MAIN];
      const running = await processes.start({ name, path: node, args, env: {}, talks: true, isBrief: true });
      const report = heard(running.stdio.stdout, began);
      const over = new AbortController();
      const longestMs = plan.durationMs + plan.drainMs + plan.warmup * plan.timeoutMs + SLACK_MS;
      const cancel = clock.after(longestMs, () =>
        over.abort(failed(`${name} did not end in time`, running.said())),
      );
      const onAbort = () => over.abort(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      const aborted = new Promise<never>((_, reject) => {
        over.signal.addEventListener("abort", () => reject(over.signal.reason), { once: true });
        if (over.signal.aborted) reject(over.signal.reason);
      });
      const ended = running.ended.then(({ how, said }) => {
        throw failed(`${name} ended before it had told what it saw (${how})`, said);
      });
      aborted.catch(() => {});
      ended.catch(() => {});
      try {
        running.stdio.stdin?.on("error", () => {}); // its end tells why
        running.stdio.stdin?.write(`${JSON.stringify(plan)}\n`);
        // What it told before its end counts.
        return await Promise.race([report, aborted, ended.catch((error) => lastWord(report, error))]);
      } finally {
        cancel();
        signal.removeEventListener("abort", onAbort);
        await running.stop(0);
      }
    },
  };
}

/** Its output may still be on its way when it has ended. */
async function lastWord(report: Promise<WindowReport>, error: unknown): Promise<WindowReport> {
  return Promise.race([report, new Promise<never>((_, reject) => setTimeout(() => reject(error), 200))]);
}

function heard(output: NodeJS.ReadableStream | null, began: () => void): Promise<WindowReport> {
  return new Promise((resolve, reject) => {
    const requests: RequestSeen[] = [];
    let rest = "";
    output?.setEncoding("utf8");
    output?.on("data", (piece: string) => {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        try {
          const message = JSON.parse(line) as FromGenerator;
          if (message.event === "began") began();
          else if (message.event === "requests") requests.push(...message.requests);
          else if (message.event === "over") resolve({ ...message.window, requests });
          else reject(failed(`a load generator failed: ${message.message}`, ""));
        } catch {
          reject(failed("a load generator said what is none of its messages", line.slice(0, 500)));
        }
      }
    });
  });
}

function failed(message: string, said: string): SaiError {
  const words = said.trim() === "" ? "" : `; it said last: ${said.trim().slice(-1500)}`;
  return new SaiError("internal", `${message}${words}`);
}
