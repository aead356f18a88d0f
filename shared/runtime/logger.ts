/**
 * Logs: one JSON object a line (pino), to standard error or to the files of `logging.handlers`. Modules take a child
 * logger with their ids bound and log transitions, not progress. Secrets are taken out of every line (redact.ts).
 */
import { mkdirSync, openSync } from "node:fs";
import path from "node:path";
import { destination, type Logger, pino, stdTimeFunctions } from "pino";
import type { Config, LogHandlerConfig, LogLevel } from "./config/types.js";
import { SaiError } from "./errors.js";
import { redactor } from "./redact.js";

export type { Logger };

export interface LogOutput {
  logger: Logger;
  /** Closes the files; what is logged afterwards goes nowhere. Every line before is with the operating system. */
  close(): void;
}

interface Output {
  write(line: string): void;
  close(): void;
}

/**
 * A logger as configured. Throws SaiError("config") when a log file cannot be opened. `syslog` handlers are skipped
 * (the configuration has said so); without any other handler lines go to standard error. Writes are synchronous: a
 * crash loses no line, and transitions are few.
 */
export function createLogger(config: Config): LogOutput {
  const { level, handlers } = config.logging;
  const outputs = handlers.flatMap((handler, index) => openHandler(handler, index));
  if (outputs.length === 0) outputs.push(stderr());
  const write = (line: string) => {
    for (const output of outputs) output.write(line);
  };
  return {
    logger: lineLogger(write, level, secretsOf(config)),
    close() {
      for (const output of outputs.splice(0)) output.close();
    },
  };
}

/** A logger that writes nothing, for tests and for commands that speak to people. */
export const silentLogger = (): Logger => pino({ level: "silent" });

/** A logger into a function, one redacted line a call; for tests and for embedding. */
export function lineLogger(
  write: (line: string) => void,
  level: LogLevel = "trace",
  secrets: readonly (string | undefined)[] = [],
): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: redactor(secrets) },
    },
    { write },
  );
}

function secretsOf(config: Config): (string | undefined)[] {
  const { openai, anthropic, huggingface } = config.engines;
  return [
    openai.apiKey,
    anthropic.apiKey,
    huggingface.token,
    config.security.apiKey,
    config.database?.password,
  ];
}

function stderr(): Output {
  const stream = destination({ dest: 2, sync: true });
  return { write: (line) => void stream.write(line), close: () => stream.flushSync() };
}

function openHandler(handler: LogHandlerConfig, index: number): Output[] {
  if (handler.type === "syslog") return [];
  if (handler.type === "stderr") return [stderr()];
  try {
    mkdirSync(path.dirname(path.resolve(handler.filename)), { recursive: true });
    const file = destination({ dest: openSync(handler.filename, "a", 0o640), sync: true });
    file.on("error", (error: Error) =>
      process.stderr.write(`log file ${handler.filename}: ${error.message}\n`),
    );
    return [{ write: (line) => void file.write(line), close: () => file.end() }];
  } catch (cause) {
    throw new SaiError("config", `logging.handlers.${index}: cannot write to ${handler.filename}`, {
      hint: "check that the folder exists and is writable, or remove the handler to log to standard error",
      cause,
    });
  }
}
