/**
 * The command line as a whole: global flags, the commands, and what a thrown error turns into. A run is
 *
 *   parse → context (flags checked) → command → exit code
 *
 * Commands import what is heavy (the coordinator, the agent, drawing) only when they run, so that `--help` is quick.
 */
import { Command, CommanderError, Option } from "commander";
import { registerAdmin } from "./commands/admin.js";
import { registerArtifact } from "./commands/artifact.js";
import { registerBaseline } from "./commands/baseline.js";
import { registerCampaign } from "./commands/campaign.js";
import { registerDaemons } from "./commands/daemons.js";
import { registerDemo } from "./commands/demo.js";
import { registerDoctor } from "./commands/doctor.js";
import { registerEngine } from "./commands/engine.js";
import { registerGpu } from "./commands/gpu.js";
import { registerInit } from "./commands/init.js";
import { registerLease } from "./commands/lease.js";
import { registerNode } from "./commands/node.js";
import { registerResult } from "./commands/result.js";
import { registerRun } from "./commands/run.js";
import { registerSuite } from "./commands/suite.js";
import { registerVersion } from "./commands/version.js";
import { type Context, type GlobalFlags, type Io, OUTPUT_FORMATS, PROGRESS_MODES } from "./context.js";
import { EXIT, type ExitCode, errorLines, exitCodeOf, usageError } from "./exit.js";
import { asTyped } from "./invocation.js";
import { painter } from "./output/color.js";
import { parseDuration } from "./output/quantity.js";

/** What a command gets: the context, its arguments and its options. */
export type Action<O> = (context: Context, args: string[], options: O) => Promise<void>;

/** Turns an action into commander's handler; handed to every `register…`. */
export type Bind = <O extends object>(action: Action<O>) => (...parameters: unknown[]) => Promise<void>;

/** Runs one command line (without node and script) and answers its exit code. Never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const bind: Bind =
    (action) =>
    async (...parameters) => {
      const command = parameters.at(-1);
      if (!(command instanceof Command))
        throw new TypeError("commander called a handler without its command");
      const flags = globalFlags(command.optsWithGlobals<RawFlags>(), io);
      const context: Context = {
        io,
        flags,
        exit: (wanted) => {
          code = wanted;
        },
      };
      await action(context, command.args, command.opts());
    };
  try {
    await buildProgram(io, bind).parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (io.interrupt.aborted && exitCodeOf(error) === EXIT.error) {
      io.err(`${io.interrupt.reason instanceof Error ? io.interrupt.reason.message : "interrupted"}\n`);
      return EXIT.interrupted;
    }
    const paint = painter(io.errIsTty && io.env["NO_COLOR"] === undefined && !argv.includes("--no-color"));
    const verbose = argv.includes("-v") || argv.includes("--verbose");
    for (const raw of errorLines(error, verbose)) {
      const line = raw.startsWith("hint:") ? asTyped(io.env, raw) : raw;
      io.err(
        `${line.replace(/^(error|cause|hint):/, (word) => paint(word, word === "error:" ? "red" : "bold"))}\n`,
      );
    }
    return exitCodeOf(error);
  }
}

/** The tree of commands. */
export function buildProgram(io: Io, bind: Bind): Command {
  const program = new Command("sai")
    .description(
      "Benchmarks language and vision-language models on one machine or a fleet, with numbers you can trust.",
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.out(text),
      writeErr: (text) => io.err(text),
      outputError: (text, write) =>
        write(`${text.trimEnd()}\n${asTyped(io.env, "hint: `sai --help` lists commands and flags")}\n`),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError()
    .addOption(new Option("-o <format>", "how data is printed").choices(OUTPUT_FORMATS).default("table"))
    .option(
      "--address <host:port>",
      "coordinator to talk to (default: SAI_ADDRESS, configuration, 127.0.0.1:50051)",
    )
    .option("--wait", "wait until the campaign has ended")
    .option("--timeout <duration>", "how long to wait for an end or an answer, such as 30s or 10m")
    .addOption(
      new Option("--progress <mode>", "how progress is shown").choices(PROGRESS_MODES).default("auto"),
    )
    .option("--no-color", "no colours (NO_COLOR does the same)")
    .option("-q, --quiet", "no messages but errors")
    .option("-v, --verbose", "more detail in errors and logs")
    .option("--yes", "answer questions with yes");
  registerDemo(program, bind);
  registerDaemons(program, bind);
  registerInit(program, bind);
  registerSuite(program, bind);
  registerRun(program, bind);
  registerBaseline(program, bind);
  registerCampaign(program, bind);
  registerResult(program, bind);
  registerNode(program, bind);
  registerGpu(program, bind);
  registerLease(program, bind);
  registerEngine(program, bind);
  registerArtifact(program, bind);
  registerAdmin(program, bind);
  registerDoctor(program, bind);
  registerVersion(program, bind);
  inherit(program);
  return program;
}

/** Subcommands end and print like the program itself. */
function inherit(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inherit(child);
  }
}

interface RawFlags {
  o: GlobalFlags["output"];
  address?: string;
  wait?: boolean;
  timeout?: string;
  progress: GlobalFlags["progress"];
  color: boolean;
  quiet?: boolean;
  verbose?: boolean;
  yes?: boolean;
}

function globalFlags(raw: RawFlags, io: Io): GlobalFlags {
  const timeoutMs = raw.timeout === undefined ? undefined : parseDuration(raw.timeout);
  if (raw.timeout !== undefined && timeoutMs === undefined) {
    throw usageError(`--timeout: ${raw.timeout} is not a duration`, "write 30s, 10m or 2h");
  }
  if (raw.address !== undefined && !/^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):\d{1,5}$/.test(raw.address)) {
    throw usageError(`--address: ${raw.address} is not HOST:PORT`, "such as 127.0.0.1:50051");
  }
  return {
    output: raw.o,
    address: raw.address,
    wait: raw.wait === true,
    timeoutMs,
    progress: raw.progress,
    color: raw.color && !io.env["NO_COLOR"],
    quiet: raw.quiet === true,
    verbose: raw.verbose === true,
    yes: raw.yes === true,
  };
}
