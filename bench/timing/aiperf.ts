/**
 * AIPerf (NVIDIA), the peer: a pinned version from PyPI in a virtual environment of its own. It is asked for the same as
 * our generator: a closed loop of streamed chats, tokens as the server counts them, at its defaults otherwise.
 */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { output } from "../../test/support/outside.js";
import { pythonPackages } from "../peers/install.js";
import { MODEL } from "./script.js";
import type { Load } from "./sides.js";

const PACKAGES = ["aiperf==0.13.0"];

/** What it says of a level; ms, and per second. */
export interface PeerFigures {
  requests: number;
  ttft: number;
  itl: number;
  latency: number;
  requestsPerS: number;
  tokensPerS: number;
}

export interface Peer {
  version: string;
  /** One level; medians of its times. `workers`: at most so many processes send; its own choice otherwise. */
  run(load: Load, workers?: number): Promise<PeerFigures>;
}

/** Throws when it cannot be installed. */
export async function installAiperf(scratch: string): Promise<Peer> {
  const python = await pythonPackages(scratch, "aiperf", PACKAGES);
  const tokenizer = mkdtempSync(join(tmpdir(), "tokenizer-"));
  await output(python, [fileURLToPath(new URL("./programs/tokenizer.py", import.meta.url)), tokenizer]);
  const prompts = join(tokenizer, "prompts.jsonl");
  const text = "say so many words that nobody could ever want to hear any more of them";
  writeFileSync(
    prompts,
    Array.from({ length: 100 }, (_, i) => `${JSON.stringify({ text: `[peer ${i}] ${text}` })}\n`).join(""),
  );
  return {
    version: PACKAGES.join(),
    async run({ url, atOnce, seconds }, workers) {
      const folder = mkdtempSync(join(tmpdir(), "aiperf-"));
      const flags = {
        ...{ "--model": MODEL, "--url": url, "--endpoint-type": "chat", "--tokenizer": tokenizer },
        ...{ "--input-file": prompts, "--custom-dataset-type": "single_turn", "--ui": "none" },
        ...{ "--concurrency": `${atOnce}`, "--benchmark-duration": `${seconds}` },
        ...{ "--output-artifact-dir": folder, ...(workers && { "--workers-max": `${workers}` }) },
      };
      const args = ["profile", "--streaming", "--use-server-token-count", ...Object.entries(flags).flat()];
      await output(join(python, "../aiperf"), args, { cwd: folder });
      return figuresOf(readFileSync(join(folder, "profile_export_aiperf.json"), "utf8"));
    },
  };
}

/** Of its export. Throws when a figure is not there. */
export function figuresOf(text: string): PeerFigures {
  const all = JSON.parse(text) as { [metric: string]: { [statistic: string]: unknown } | undefined };
  const of = (metric: string, statistic: string): number => {
    const value = all[metric]?.[statistic];
    if (typeof value !== "number") throw new Error(`AIPerf's export has no ${metric}.${statistic}`);
    return value;
  };
  return {
    requests: of("request_count", "avg"),
    ttft: of("time_to_first_token", "p50"),
    itl: of("inter_token_latency", "p50"),
    latency: of("request_latency", "p50"),
    requestsPerS: of("request_throughput", "avg"),
    tokensPerS: of("output_token_throughput", "avg"),
  };
}
