/** Gets the outside programs the service tests use, once, and hands their paths to the tests; fails if it cannot. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { goProgram } from "../support/outside.js";

declare module "vitest" {
  export interface ProvidedContext {
    grpcurl: string;
    buf: string;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  project.provide(
    "grpcurl",
    await goProgram(
      { package: "github.com/fullstorydev/grpcurl/cmd/grpcurl", version: "v1.9.3" },
      console.error,
    ),
  );
  project.provide("buf", join(fileURLToPath(new URL("../..", import.meta.url)), "node_modules/.bin/buf"));
}
