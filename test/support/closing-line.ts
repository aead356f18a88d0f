import type { Reporter, SerializedError, TestModule } from "vitest/node";

/**
 * Ends the run with `N passed, N failed` alone on its line, which people and scripts can read. Modules that failed to
 * load and errors outside of tests count as failed; skipped tests are named on the line above, never silently dropped.
 */
export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    let passed = 0;
    let failed = errors.length;
    const skipped: string[] = [];
    for (const module of modules) {
      const broken = module.errors().length > 0;
      if (broken) failed += 1;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        if (state === "passed") passed += 1;
        else if (state === "skipped") skipped.push(test.fullName);
        else failed += 1;
      }
    }
    if (skipped.length > 0) process.stdout.write(`\nskipped (${skipped.length}): ${skipped.join("; ")}\n`);
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  }
}
