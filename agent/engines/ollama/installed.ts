/** What a managed server could serve, without starting one: the program's version, and the models in its folder. */
import { errorText, SaiError } from "../../../shared/runtime/errors.js";
import type { Processes } from "../../processes/processes.js";
import type { EngineProbe } from "../engine.js";
import { unlessAborted } from "../unless-aborted.js";
import type { ManagedConfig } from "./managed.js";
import { modelsIn } from "./manifests.js";

export class Installed {
  /** Asked once: it starts a program beside what is measured. Every record says what the server itself says. */
  private version: string | undefined;

  constructor(
    private readonly config: ManagedConfig,
    private readonly processes: Pick<Processes, "start">,
  ) {}

  /** Never throws. */
  async probe(signal: AbortSignal): Promise<EngineProbe> {
    try {
      this.version ??= await unlessAborted(this.askVersion(signal), signal);
      const { modelsDir } = this.config;
      return { version: this.version, models: modelsDir ? await modelsIn(modelsDir) : [] };
    } catch (error) {
      const hint = error instanceof SaiError && error.hint ? `; ${error.hint} (engines.ollama.path)` : "";
      return { version: "", models: [], unavailable: `${errorText(error)}${hint}` };
    }
  }

  private async askVersion(signal: AbortSignal): Promise<string> {
    const { path } = this.config;
    const program = await this.processes.start({
      ...{ name: "ollama --version", path, args: ["--version"], isBrief: true },
      // It would ask a server for its version; nobody listens there.
      env: { OLLAMA_HOST: "127.0.0.1:1" },
    });
    const onAbort = () => void program.stop(0);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const { how, said } = await program.ended;
    signal.removeEventListener("abort", onAbort);
    await program.stop(0);
    const [, version] = /version is (\S+)/.exec(said) ?? [];
    if (version !== undefined) return version;
    throw new Error(`\`${path} --version\` ended with ${how} and no version: ${said.slice(0, 200)}`);
  }
}
