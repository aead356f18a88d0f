import { defineConfig } from "vitest/config";
import { ClosingLine } from "./test/support/closing-line.js";

// Tests against real outside programs. test/services/install.ts gets them, or says what is missing and fails.
export default defineConfig({
  test: {
    include: ["test/services/**/*.test.ts"],
    globalSetup: ["test/services/install.ts"],
    reporters: ["default", new ClosingLine()],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2, // they mostly wait; more at once would starve the servers they start
    pool: "forks",
  },
});
