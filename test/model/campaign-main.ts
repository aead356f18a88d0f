/**
 * `npm run test:campaign [FOLDER]`: the campaign of real-campaign.ts on a real Ollama and a real recogniser, and its report, to be
 * looked at. Then a smaller one three times: as it is, again, and with the worked examples cut away; the second is gated against the
 * first and holds, the third does not, and the printed verdict agrees with the exit code. `SAI_TEST_DATA` names a folder
 * with gsm8k/test.jsonl; without it GSM8K is reported as skipped. Reports go to FOLDER, default ./.sai/real-campaign.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Summary } from "../../shared/benchmark/summary.js";
import { startSai } from "../support/sai-processes.js";
import { startOllama } from "./ollama.js";
import { type RealCampaign, realCampaign } from "./real-campaign.js";

const GSM8K_ITEMS = 100;
const out = resolve(process.argv[2] ?? ".sai/real-campaign");
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const faults: string[] = [];
const check = (holds: boolean, what: string): void => {
  if (!holds) faults.push(what);
};

mkdirSync(out, { recursive: true });
const server = await startOllama(say);
try {
  const fleet = await startSai(["agent-1", "agent-2"], {
    SAI_ENGINES_OLLAMA_BASE_URL: server.baseUrl,
    SAI_ENGINES_OLLAMA_PATH: server.program,
    SAI_ENGINES_OLLAMA_MODELS_DIR: server.models,
  });
  const sai = async (...args: string[]) => {
    say(`\n$ sai ${args.join(" ")}`);
    const done = await fleet.sai(args);
    say(done.stdout.trimEnd());
    return done;
  };
  /** Submits, waits, keeps the report; answers the campaign's id. */
  const run = async (spec: RealCampaign): Promise<string> => {
    const folder = join(fleet.folder, spec.name);
    mkdirSync(folder);
    if (spec.gsm8k !== undefined) writeFileSync(join(folder, spec.gsm8k), gsm8k);
    const suite = join(folder, "suite.yaml");
    writeFileSync(suite, await realCampaign(folder, spec));
    const results = join(folder, "results");
    mkdirSync(results);
    const wait = ["--wait", "--timeout", "3h", "--output", results, "--progress", "none"];
    const { code, stderr } = await sai("apply", "-f", suite, "--root", folder, ...wait);
    const file = join(results, "summary.json");
    if (!existsSync(file)) throw new Error(`sai apply ended with ${code}:\n${stderr}`);
    cpSync(results, join(out, spec.name), { recursive: true });
    const summary: Summary = JSON.parse(readFileSync(file, "utf8"));
    check(code === 0 && summary.state === "succeeded", `${spec.name} is ${summary.state}: exit ${code}`);
    check(!summary.simulated, `${spec.name} is simulated`);
    return summary.campaignId;
  };
  const file = join(process.env["SAI_TEST_DATA"] ?? "", "gsm8k/test.jsonl");
  const gsm8k = existsSync(file)
    ? `${readFileSync(file, "utf8").split("\n").slice(0, GSM8K_ITEMS).join("\n")}\n`
    : "";
  try {
    if (gsm8k === "")
      say("\n*** SKIPPED: GSM8K, because SAI_TEST_DATA names no folder with gsm8k/test.jsonl ***\n");
    await run({ name: "all", shots: 12, ...(gsm8k === "" ? {} : { gsm8k: "gsm8k.jsonl" }) });
    const base = await run({ name: "base", shots: 12 });
    const again = await run({ name: "again", shots: 12 });
    const cut = await run({ name: "cut", shots: 0 });
    for (const [id, name, code] of [
      [again, "again", 0],
      [cut, "cut", 5],
    ] as const) {
      const report = join(out, `${name}-against-base.html`);
      const rule = ["--metric", "exact_match", "--max-drop", "0.1"];
      const compared = await sai("result", "compare", base, id, ...rule, "--report", report);
      check(compared.code === code, `${name} against base ends with ${compared.code}: ${compared.stderr}`);
    }
  } catch (error) {
    say(fleet.logs());
    throw error;
  } finally {
    await fleet.stop();
  }
} finally {
  await server.stop();
}
say(`\nreports: ${out}`);
for (const fault of faults) say(`FAULT: ${fault}`);
process.exitCode = faults.length === 0 ? 0 : 1;
