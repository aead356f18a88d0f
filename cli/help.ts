/** What `--help` shows below the flags. */
import type { Command } from "commander";

/** Adds examples to a command's help, each a line that can be typed. */
export const withExamples = (command: Command, ...examples: string[]): Command =>
  command.addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`);
